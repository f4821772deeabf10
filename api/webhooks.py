"""Webhook endpoints of the calling agency: where it is told, the log of what was sent, and sending again."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import fingerprint, idempotency_key
from api.described import described
from api.queries import Cursor, Limit, QueryReader, next_page
from api.replies import Reply, as_view, encode, reply
from api.request import ApiRequest
from application import outcomes
from application.access import Scope
from application.message_types import MESSAGE_TYPES, UnknownMessageType
from application.webhooks import (
    Attempt,
    ChallengeFailed,
    DeliveryLine,
    DeliveryState,
    DisabledReason,
    EndpointDisabled,
    EndpointRefused,
    EndpointStatus,
    EndpointUnverified,
    TooManyChallenges,
    TooManyEndpoints,
    UnknownEndpoint,
    UnknownMessage,
)
from domain.errors import DomainError
from infrastructure.webhooks import cloud_event

EventType = Annotated[str, msgspec.Meta(pattern="^[a-z0-9.-]{1,100}$(?!\\n)")]


class RegisterEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell this agency of its alerts at this address (https, port 443)."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    event_types: Annotated[tuple[EventType, ...], msgspec.Meta(max_length=50)] = ()
    """Empty: every type."""


class ReplayMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send one message again, even one that was delivered."""

    message_id: UUID


class GiveChallengeBack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the endpoint received in `data.challenge`."""

    challenge: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An empty object."""


class EndpointView(msgspec.Struct, kw_only=True):
    """Where messages are sent."""

    id: UUID
    url: str
    event_types: tuple[str, ...]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    challenge_until: datetime | None
    """Until when the challenge sent last may be given back; null when nothing is asked of it."""
    verified_at: datetime | None
    consecutive_failures: int
    last_success_at: datetime | None
    created_at: datetime
    secret: str | None = None
    """`whsec_…`: shown once, when it is made; null ever after, also when the request is repeated."""


class Endpoints(msgspec.Struct, kw_only=True):
    items: list[EndpointView]


class NewSecret(msgspec.Struct, kw_only=True):
    """The secret before it signs beside this one for 24 hours."""

    secret: str | None


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


ENDPOINT = BodyReader(RegisterEndpoint)
REPLAY = BodyReader(ReplayMessage)
CHALLENGE = BodyReader(GiveChallengeBack)
NOTHING = BodyReader(Nothing)
DELIVERIES_QUERY = QueryReader(DeliveriesQuery)


class Named(msgspec.Struct, frozen=True):
    """Of an answer, the part that names what was made."""

    id: UUID


async def once(
    request: ApiRequest,
    raw: bytes,
    status: int,
    work: Callable[[], Awaitable[msgspec.Struct]],
    *,
    place: str | None = None,
) -> Reply:
    """Do the work unless this very request was answered before. Secrets are never remembered.

    `place`: where what was made is found by its id.
    """
    known = outcomes.Request(
        caller=request.user, idempotency_key=idempotency_key(request), fingerprint=fingerprint(request, raw)
    )
    recalled = await request.runtime.outcomes.begin(known)
    if recalled is not None:
        headers = {"Idempotency-Replayed": "true"} | _location(place, recalled)
        return reply(msgspec.Raw(recalled), status=status, headers=headers)
    try:
        answer = await work()
    except DomainError:  # A refusal did nothing. After any other failure nobody knows: the key stays reserved a while.
        await request.runtime.outcomes.give_up(known)
        raise
    kept = msgspec.structs.replace(answer, secret=None) if "secret" in answer.__struct_fields__ else answer
    encoded = encode(kept)
    await request.runtime.outcomes.settle(known, encoded)
    return reply(answer, status=status, headers=_location(place, encoded))


def _location(place: str | None, answer: bytes) -> dict[str, str]:
    return {} if place is None else {"Location": f"{place}/{msgspec.json.decode(answer, type=Named).id}"}


@post(
    "/",
    name="register-webhook-endpoint",
    opt=described(
        Scope.MANAGE,
        answer=EndpointView,
        status=201,
        body=RegisterEndpoint,
        repeatable=True,
        refusals=(EndpointRefused, TooManyEndpoints, TooManyChallenges, UnknownMessageType),
    ),
)
async def register_endpoint(request: ApiRequest) -> Reply:
    """Register an address to be told at. The answer holds the signing secret, this once; a challenge goes out."""
    body, raw = await ENDPOINT.read(request)
    for place, type_ in enumerate(body.event_types):
        if type_ not in MESSAGE_TYPES:
            raise UnknownMessageType(field=f"/event_types/{place}")

    async def register() -> EndpointView:
        caller, runtime = request.user, request.runtime
        made = await runtime.webhooks.register(
            caller.territory, caller.agency, body.url, body.event_types, runtime.clock.now()
        )
        return as_view(made.endpoint, EndpointView, id=made.endpoint.endpoint_id, secret=made.secret)

    return await once(request, raw, 201, register)


@get("/", name="list-webhook-endpoints", opt=described(Scope.MANAGE, answer=Endpoints))
async def list_endpoints(request: ApiRequest) -> Reply:
    """List the agency's webhook endpoints, oldest first."""
    found = await request.runtime.webhooks.endpoints(request.user.territory, request.user.agency)
    return reply(Endpoints(items=[as_view(each, EndpointView, id=each.endpoint_id, secret=None) for each in found]))


@get(
    "/{endpoint_id:uuid}",
    name="read-webhook-endpoint",
    opt=described(Scope.MANAGE, answer=EndpointView, refusals=(UnknownEndpoint,)),
)
async def read_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Read one webhook endpoint."""
    caller = request.user
    found = await request.runtime.webhooks.endpoint(caller.territory, caller.agency, endpoint_id)
    return reply(as_view(found, EndpointView, id=found.endpoint_id, secret=None))


@post(
    "/{endpoint_id:uuid}/challenges",
    name="challenge-webhook-endpoint",
    status_code=202,
    opt=described(
        Scope.MANAGE,
        answer=EndpointView,
        status=202,
        body=Nothing,
        repeatable=True,
        refusals=(UnknownEndpoint, EndpointDisabled, TooManyChallenges),
    ),
)
async def challenge_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Send a new challenge to an endpoint that is not verified yet."""
    _, raw = await NOTHING.read(request)

    async def challenge() -> EndpointView:
        caller, runtime = request.user, request.runtime
        found = await runtime.webhooks.challenge(caller.territory, caller.agency, endpoint_id, runtime.clock.now())
        return as_view(found, EndpointView, id=found.endpoint_id, secret=None)

    return await once(request, raw, 202, challenge)


@post(
    "/{endpoint_id:uuid}/verifications",
    name="verify-webhook-endpoint",
    status_code=200,
    opt=described(
        Scope.MANAGE,
        answer=EndpointView,
        body=GiveChallengeBack,
        repeatable=True,
        refusals=(UnknownEndpoint, EndpointDisabled, ChallengeFailed),
    ),
)
async def verify_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Verify an endpoint by the challenge that it received, where it cannot give it back by itself."""
    body, raw = await CHALLENGE.read(request)

    async def verify() -> EndpointView:
        caller, runtime = request.user, request.runtime
        found = await runtime.webhooks.verify(
            caller.territory, caller.agency, endpoint_id, body.challenge, runtime.clock.now()
        )
        return as_view(found, EndpointView, id=found.endpoint_id, secret=None)

    return await once(request, raw, 200, verify)


@post(
    "/{endpoint_id:uuid}/secret-rotations",
    name="rotate-webhook-secret",
    status_code=200,
    opt=described(Scope.MANAGE, answer=NewSecret, body=Nothing, repeatable=True, refusals=(UnknownEndpoint,)),
)
async def rotate_secret(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Make a new signing secret; the one before stays good for 24 hours."""
    _, raw = await NOTHING.read(request)

    async def rotate() -> NewSecret:
        caller, runtime = request.user, request.runtime
        secret = await runtime.webhooks.rotate_secret(caller.territory, caller.agency, endpoint_id, runtime.clock.now())
        return NewSecret(secret=secret)

    return await once(request, raw, 200, rotate)


@post(
    "/{endpoint_id:uuid}/disablings",
    name="disable-webhook-endpoint",
    status_code=200,
    opt=described(Scope.MANAGE, answer=EndpointView, body=Nothing, repeatable=True, refusals=(UnknownEndpoint,)),
)
async def disable_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Stop sending there. What waited is given up, and may be replayed."""
    _, raw = await NOTHING.read(request)

    async def disable() -> EndpointView:
        caller, runtime = request.user, request.runtime
        found = await runtime.webhooks.disable(caller.territory, caller.agency, endpoint_id, runtime.clock.now())
        return as_view(found, EndpointView, id=found.endpoint_id, secret=None)

    return await once(request, raw, 200, disable)


@post(
    "/{endpoint_id:uuid}/enablings",
    name="enable-webhook-endpoint",
    status_code=200,
    opt=described(Scope.MANAGE, answer=EndpointView, body=Nothing, repeatable=True, refusals=(UnknownEndpoint,)),
)
async def enable_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Send there again, from now on; to an endpoint that never was verified, once it is."""
    _, raw = await NOTHING.read(request)

    async def enable() -> EndpointView:
        caller = request.user
        found = await request.runtime.webhooks.enable(caller.territory, caller.agency, endpoint_id)
        return as_view(found, EndpointView, id=found.endpoint_id, secret=None)

    return await once(request, raw, 200, enable)


@post(
    "/{endpoint_id:uuid}/tests",
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
    "/{endpoint_id:uuid}/replays",
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
    "/{endpoint_id:uuid}/deliveries",
    name="list-webhook-deliveries",
    opt=described(Scope.MANAGE, answer=Deliveries, query=DeliveriesQuery, refusals=(UnknownEndpoint,)),
)
async def list_deliveries(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """List what was sent or is to be sent, the latest first; `state=dead` lists what was given up."""
    query, caller, cursors = DELIVERIES_QUERY.read(request), request.user, request.runtime.cursors
    path = request.scope["path"]
    before = None if query.cursor is None else cursors.open(caller, path, query, query.cursor, int)
    lines = await request.runtime.webhooks.deliveries(
        caller.territory, caller.agency, endpoint_id, state=query.state, before=before, limit=query.limit
    )
    place = cursors.seal(caller, path, query, lines[-1].sequence) if len(lines) == query.limit else None
    headers = {} if place is None else next_page(request, cursor=place)
    return reply(Deliveries(items=lines, next=place), headers=headers)


@get(
    "/{endpoint_id:uuid}/deliveries/{message_id:uuid}",
    name="read-webhook-delivery",
    opt=described(Scope.MANAGE, answer=DeliveryView, refusals=(UnknownEndpoint, UnknownMessage)),
)
async def read_delivery(request: ApiRequest, endpoint_id: FromPath[UUID], message_id: FromPath[UUID]) -> Reply:
    """Read one delivery: each attempt, and the body as anybody might read it."""
    caller, runtime = request.user, request.runtime
    found = await runtime.webhooks.delivery(caller.territory, caller.agency, endpoint_id, message_id)
    body = msgspec.Raw(cloud_event(found.message, runtime.settings.address))
    return reply(as_view(found, DeliveryView, attempts=found.attempts_made, body=body))


routes = Router(
    "/webhook-endpoints",
    route_handlers=[
        register_endpoint,
        list_endpoints,
        read_endpoint,
        challenge_endpoint,
        verify_endpoint,
        rotate_secret,
        disable_endpoint,
        enable_endpoint,
        test_endpoint,
        replay_message,
        list_deliveries,
        read_delivery,
    ],
    tags=["webhooks"],
)
