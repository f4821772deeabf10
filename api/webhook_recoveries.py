"""Recoveries of a webhook endpoint: ask for what it missed to be sent again, see how far that is, stop it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.described import described
from api.once import NOTHING, Nothing, once
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Scope
from application.webhook_recoveries import Asked, Recovery, RecoveryState, RecoveryUnderWay, UnknownRecovery
from application.webhooks import EndpointDisabled, EndpointUnverified, UnknownEndpoint
from domain.command import Instant
from domain.dates import FIRST_YEAR, YEARS_AHEAD, ImplausibleDate


class AskForRecovery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send again what the endpoint missed, since a time or after a position: exactly one of the two."""

    since: Instant | None = None
    after_position: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    again: bool = False
    """Also what was delivered: to fill an empty database from the start."""

    def __post_init__(self) -> None:
        if (self.since is None) == (self.after_position is None):
            raise ValueError("Expected exactly one of since and after_position")


class RecoveryView(msgspec.Struct, kw_only=True):
    """How far it is. Done, all of it is queued: the delivery log says what becomes of each message."""

    id: UUID
    since: datetime | None
    after_position: int | None
    again: bool
    state: RecoveryState
    total: int | None
    """Messages to look at; null until they are counted."""
    looked_at: int
    queued: int
    """Of those looked at, how many are sent again: missed, or given up; with `again`, also those delivered."""
    asked_at: datetime
    ended_at: datetime | None


class Recoveries(msgspec.Struct, kw_only=True):
    """The latest fifty, the latest first."""

    items: list[RecoveryView]


ASK = BodyReader(AskForRecovery)


def view_of(recovery: Recovery) -> RecoveryView:
    return as_view(recovery, RecoveryView, id=recovery.recovery_id)


@post(
    "/",
    name="ask-for-webhook-recovery",
    status_code=202,
    opt=described(
        Scope.MANAGE,
        answer=RecoveryView,
        status=202,
        body=AskForRecovery,
        repeatable=True,
        refusals=(UnknownEndpoint, EndpointDisabled, EndpointUnverified, RecoveryUnderWay, ImplausibleDate),
    ),
)
async def ask_for_recovery(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Send again, in the background, all that this endpoint missed since a time or after a position."""
    body, raw = await ASK.read(request)
    now = request.runtime.clock.now()
    if body.since is not None and not FIRST_YEAR <= body.since.year <= now.year + YEARS_AHEAD:
        raise ImplausibleDate(field="/since")  # At either end of the calendar it has no time in UTC.

    async def ask() -> RecoveryView:
        caller = request.user
        asked = Asked(since=body.since, after_position=body.after_position, again=body.again)
        recoveries = request.runtime.webhook_recoveries
        return view_of(await recoveries.ask(caller.territory, caller.agency, endpoint_id, asked, now))

    place = f"/v1/webhook-endpoints/{endpoint_id}/recoveries"
    return await once(request, raw, 202, ask, place=place)


@get(
    "/",
    name="list-webhook-recoveries",
    opt=described(Scope.MANAGE, answer=Recoveries, refusals=(UnknownEndpoint,)),
)
async def list_recoveries(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """List the recoveries of a webhook endpoint, the latest first."""
    caller = request.user
    found = await request.runtime.webhook_recoveries.recoveries(caller.territory, caller.agency, endpoint_id)
    return reply(Recoveries(items=[view_of(each) for each in found]))


@get(
    "/{recovery_id:uuid}",
    name="read-webhook-recovery",
    opt=described(Scope.MANAGE, answer=RecoveryView, refusals=(UnknownEndpoint, UnknownRecovery)),
)
async def read_recovery(request: ApiRequest, endpoint_id: FromPath[UUID], recovery_id: FromPath[UUID]) -> Reply:
    """Read how far a recovery is."""
    caller, recoveries = request.user, request.runtime.webhook_recoveries
    return reply(view_of(await recoveries.recovery(caller.territory, caller.agency, endpoint_id, recovery_id)))


@post(
    "/{recovery_id:uuid}/cancellations",
    name="cancel-webhook-recovery",
    status_code=200,
    opt=described(
        Scope.MANAGE, answer=RecoveryView, body=Nothing, repeatable=True, refusals=(UnknownEndpoint, UnknownRecovery)
    ),
)
async def cancel_recovery(request: ApiRequest, endpoint_id: FromPath[UUID], recovery_id: FromPath[UUID]) -> Reply:
    """Stop a recovery. What is queued is sent."""
    _, raw = await NOTHING.read(request)

    async def cancel() -> RecoveryView:
        caller, runtime = request.user, request.runtime
        recoveries, now = runtime.webhook_recoveries, runtime.clock.now()
        return view_of(await recoveries.cancel(caller.territory, caller.agency, endpoint_id, recovery_id, now))

    return await once(request, raw, 200, cancel)


routes = Router(
    "/webhook-endpoints/{endpoint_id:uuid}/recoveries",
    route_handlers=[ask_for_recovery, list_recoveries, read_recovery, cancel_recovery],
    tags=["webhooks"],
)
