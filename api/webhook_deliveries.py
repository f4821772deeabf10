"""What was sent to a webhook endpoint: the log with every attempt, a test, and one message again."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.described import described
from api.once import NOTHING, Nothing, once
from api.queries import Cursor, Limit, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Caller, Scope
from application.messages import Message
from application.right_to_know import RightToKnow
from application.webhooks import (
    Attempt,
    DeliveryLine,
    DeliveryState,
    EndpointDisabled,
    EndpointUnverified,
    UnknownEndpoint,
    UnknownMessage,
)
from infrastructure.webhooks import cloud_event


class ReplayMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one message again, even one that was delivered."""

    message_id: UUID


class Queued(msgspec.Struct, kw_only=True):
    """Messages that will be sent."""

    messages: int
    message_id: UUID | None = None


class DeliveryView(msgspec.Struct, kw_only=True):
    """A message to this endpoint and what became of it."""

    message_id: UUID
    type: str
    subject_id: UUID
    state: DeliveryState
    due_at: datetime | None
    """When the next attempt may start; null when there is none to come, or when it is due at once."""
    created_at: datetime
    settled_at: datetime | None
    attempts: tuple[Attempt, ...]
    """The latest thirty, in order."""
    body: msgspec.Raw
    """The CloudEvent as anybody might read it: without the pathway, or what a challenge asks for."""


class DeliveriesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    state: DeliveryState | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class Deliveries(msgspec.Struct, kw_only=True):
    """The latest first."""

    items: list[DeliveryLine]
    next: str | None


REPLAY = BodyReader(ReplayMessage)
DELIVERIES_QUERY = QueryReader(DeliveriesQuery)


@post(
    "/tests",
    name="test-webhook-endpoint",
    status_code=202,
    opt=described(
        Scope.MANAGE,
        answer=Queued,
        status=202,
        body=Nothing,
        repeatable=True,
        refusals=(UnknownEndpoint, EndpointDisabled, EndpointUnverified),
    ),
)
async def test_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Send a test message."""
    _, raw = await NOTHING.read(request)

    async def send() -> Queued:
        caller, runtime = request.user, request.runtime
        message_id = await runtime.webhooks.send_test(caller.territory, caller.agency, endpoint_id, runtime.clock.now())
        return Queued(messages=1, message_id=message_id)

    return await once(request, raw, 202, send)


@post(
    "/replays",
    name="replay-webhook-message",
    status_code=202,
    opt=described(
        Scope.MANAGE,
        answer=Queued,
        status=202,
        body=ReplayMessage,
        repeatable=True,
        refusals=(UnknownEndpoint, UnknownMessage, EndpointDisabled, EndpointUnverified),
    ),
)
async def replay_message(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Send one message again, under the same message id, even when it was delivered."""
    body, raw = await REPLAY.read(request)

    async def replay() -> Queued:
        caller = request.user
        webhooks = request.runtime.webhooks
        messages = await webhooks.replay(caller.territory, caller.agency, endpoint_id, body.message_id)
        return Queued(messages=messages, message_id=body.message_id)

    return await once(request, raw, 202, replay)


@get(
    "/deliveries",
    name="list-webhook-deliveries",
    opt=described(Scope.MANAGE, answer=Deliveries, query=DeliveriesQuery, refusals=(UnknownEndpoint,)),
)
async def list_deliveries(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """List what was sent or is to be sent, the latest first; `state=dead` lists what was given up."""
    query, caller, cursors = DELIVERIES_QUERY.read(request), request.user, request.runtime.cursors
    path = request.scope["path"]
    before = None if query.cursor is None else cursors.open(caller, path, query, query.cursor, int)
    shown: list[DeliveryLine] = []
    is_more = True
    while is_more and len(shown) < query.limit:  # A short page with a next one would betray what is left out.
        lines = await _lines(request, endpoint_id, query, before)
        shown += [line for line in lines if await _may_be_shown(request, line.state, _message_of(caller, line))]
        is_more = len(lines) == query.limit
        before = lines[-1].sequence if lines else None
    shown = shown[: query.limit]
    place = cursors.seal(caller, path, query, shown[-1].sequence) if len(shown) == query.limit else None
    headers = {} if place is None else next_page(request, cursor=place)
    return reply(Deliveries(items=shown, next=place), headers=headers)


@get(
    "/deliveries/{message_id:uuid}",
    name="read-webhook-delivery",
    opt=described(Scope.MANAGE, answer=DeliveryView, refusals=(UnknownEndpoint, UnknownMessage)),
)
async def read_delivery(request: ApiRequest, endpoint_id: FromPath[UUID], message_id: FromPath[UUID]) -> Reply:
    """Read one delivery: each attempt, and the body as anybody might read it."""
    caller, runtime = request.user, request.runtime
    found = await runtime.webhooks.delivery(caller.territory, caller.agency, endpoint_id, message_id)
    if not await _may_be_shown(request, found.state, found.message):
        raise UnknownMessage
    body = msgspec.Raw(cloud_event(found.message, runtime.settings.address))
    return reply(as_view(found, DeliveryView, attempts=found.attempts_made, body=body))


async def _lines(
    request: ApiRequest, endpoint_id: UUID, query: DeliveriesQuery, before: int | None
) -> list[DeliveryLine]:
    caller = request.user
    return await request.runtime.webhooks.deliveries(
        caller.territory, caller.agency, endpoint_id, state=query.state, before=before, limit=query.limit
    )


async def _may_be_shown(request: ApiRequest, state: DeliveryState, message: Message) -> bool:
    """What did not reach an agency that may not be told it any more: when it happened, and what, would be news."""
    if state is DeliveryState.DELIVERED:
        return True
    right = RightToKnow(request.runtime.pathways, request.runtime.log)
    return await right.may_send(request.user.territory, request.user.agency, message)


def _message_of(caller: Caller, line: DeliveryLine) -> Message:
    return Message(
        territory=caller.territory,
        message_id=line.message_id,
        agency=caller.agency,
        type=line.type,
        subject_id=line.subject_id,
        pathway=None,
        position=0,
        created_at=line.created_at,
    )


routes = Router(
    "/webhook-endpoints/{endpoint_id:uuid}",
    route_handlers=[test_endpoint, replay_message, list_deliveries, read_delivery],
    tags=["webhooks"],
)
