"""Webhook endpoints of the calling agency: where it is told, and how each shows that it wants to be."""

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
from application.message_types import MESSAGE_TYPES, UnknownMessageType
from application.webhooks import (
    ChallengeFailed,
    DisabledReason,
    Endpoint,
    EndpointDisabled,
    EndpointRefused,
    EndpointStatus,
    TooManyChallenges,
    TooManyEndpoints,
    UnknownEndpoint,
)

EventType = Annotated[str, msgspec.Meta(pattern="^[a-z0-9.-]{1,100}$(?!\\n)")]


class RegisterEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell this agency of its alerts at this address (https, port 443)."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    event_types: Annotated[tuple[EventType, ...], msgspec.Meta(max_length=50)] = ()
    """Empty: every type."""


class GiveChallengeBack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the endpoint received in `data.challenge`."""

    challenge: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


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


ENDPOINT = BodyReader(RegisterEndpoint)
CHALLENGE = BodyReader(GiveChallengeBack)


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
        return _view(made.endpoint, made.secret)

    return await once(request, raw, 201, register)


@get("/", name="list-webhook-endpoints", opt=described(Scope.MANAGE, answer=Endpoints))
async def list_endpoints(request: ApiRequest) -> Reply:
    """List the agency's webhook endpoints, oldest first."""
    found = await request.runtime.webhooks.endpoints(request.user.territory, request.user.agency)
    return reply(Endpoints(items=[_view(each) for each in found]))


@get(
    "/{endpoint_id:uuid}",
    name="read-webhook-endpoint",
    opt=described(Scope.MANAGE, answer=EndpointView, refusals=(UnknownEndpoint,)),
)
async def read_endpoint(request: ApiRequest, endpoint_id: FromPath[UUID]) -> Reply:
    """Read one webhook endpoint."""
    caller = request.user
    found = await request.runtime.webhooks.endpoint(caller.territory, caller.agency, endpoint_id)
    return reply(_view(found))


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
        return _view(found)

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
        return _view(found)

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
        return _view(found)

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
        return _view(found)

    return await once(request, raw, 200, enable)


def _view(endpoint: Endpoint, secret: str | None = None) -> EndpointView:
    return as_view(endpoint, EndpointView, id=endpoint.endpoint_id, secret=secret)


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
    ],
    tags=["webhooks"],
)
