"""The web application: its routes, what stands before them, and what each answer carries."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import Message, Scope

from api import (
    accesses,
    agencies,
    alert_acts,
    alert_explanations,
    alert_history,
    alert_responses,
    alerts,
    backtests,
    batches,
    bootstrap,
    calendar_feeds,
    calendars,
    contents,
    documentation,
    erasures,
    events,
    exports,
    health,
    inbox,
    log_proofs,
    login,
    mailboxes,
    mandates,
    matching,
    me,
    members,
    metrics,
    oauth,
    pathways,
    replays,
    rule_checks,
    rule_health,
    rules,
    shares,
    stream,
    subject_access,
    timeline,
    unsubscribe,
    webhook_deliveries,
    webhook_recoveries,
    webhooks,
)
from api.authentication import Door
from api.composition import compose
from api.cors import Preflight, permit
from api.key_in_url import NoKeyInUrl
from api.limits import Limits
from api.problems import EXCEPTION_HANDLERS
from api.request import ApiRequest, request_id
from api.roles import ROLES
from api.security_headers import SECURITY_HEADERS, transport_headers
from api.share import Share
from api.strangers import Guesses, OpenToAll
from domain.clock import Clock
from infrastructure.settings import Settings


def create_app(
    settings: Settings,
    *,
    roles: frozenset[str] = ROLES,
    clock: Clock | None = None,
    limits: Limits | None = None,
    stopping: asyncio.Event | None = None,
    allow_loopback: bool = False,
    database: Awaitable[str] | None = None,
    offer_bootstrap: bool = False,
) -> Litestar:
    """The ASGI application. Its lifespan opens and closes all that it needs; `stopping` ends every wait when set.

    `offer_bootstrap` leaves in the state the code of a link for the first operator, where there is none yet.
    """

    @asynccontextmanager
    async def composed(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            composing = compose(
                settings,
                roles=roles,
                clock=clock,
                limits=limits,
                stopping=stopping,
                allow_loopback=allow_loopback,
                database=database,
            )
            try:
                app.state.runtime = await stack.enter_async_context(composing)
            except Exception as failure:
                app.state.failure = failure  # The server loses it on the way to whoever started it.
                raise
            stack.callback(app.state.runtime.stopping.set)
            app.state.bootstrap_code = await app.state.runtime.bootstrap.offer() if offer_bootstrap else None
            yield

    return Litestar(
        route_handlers=routes(roles),
        lifespan=[composed],
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=ApiRequest,
        before_send=[finish],
        middleware=[Preflight(settings.origins)],
        state=State({"origins": settings.origins, "transport_headers": transport_headers(settings)}),
        openapi_config=None,  # `api.openapi` makes a better one from the same routes.
        logging_config=None,
        debug=False,
    )


def routes(roles: frozenset[str] = ROLES) -> list[Router]:
    """Every process tells its health; only those with the `api` role answer the rest."""
    own = [health.routes, metrics.routes]
    if "api" not in roles:
        return [Router("/", route_handlers=own, middleware=[OpenToAll(), NoKeyInUrl()])]
    versioned = [
        pathways.routes,
        shares.routes,
        shares.reviews,
        timeline.routes,
        contents.routes,
        erasures.routes,
        subject_access.routes,
        accesses.routes,
        alerts.routes,
        alert_acts.routes,
        alert_explanations.routes,
        alert_responses.routes,
        alert_history.routes,
        calendar_feeds.routes,
        inbox.routes,
        events.routes,
        stream.routes,
        exports.routes,
        batches.routes,
        agencies.routes,
        rules.routes,
        rule_checks.routes,
        rule_health.routes,
        backtests.routes,
        webhooks.routes,
        webhook_deliveries.routes,
        webhook_recoveries.routes,
        mailboxes.routes,
        mandates.routes,
        replays.routes,
        members.routes,
        me.routes,
        matching.routes,
        log_proofs.routes,
    ]
    entrances = [oauth.routes, login.routes, bootstrap.routes, unsubscribe.routes]
    return [
        Router("/v1", route_handlers=versioned, middleware=[Guesses(), Door(), Share()]),
        Router("/", route_handlers=[calendars.routes], middleware=[OpenToAll()]),  # Its addresses hold a credential.
        Router("/", route_handlers=[documentation.routes, *entrances, *own], middleware=[OpenToAll(), NoKeyInUrl()]),
    ]


async def finish(message: Message, scope: Scope) -> None:
    """Every answer carries its request id and is closed to browsers' guesses, unless its route set a header itself."""
    if message["type"] != "http.response.start":
        return
    present = dict(message["headers"])
    shared = permit(scope, scope["litestar_app"].state.origins, present)
    replaced = {name for name, _ in shared}
    message["headers"] = [
        *((name, value) for name, value in message["headers"] if name not in replaced),
        *(header for header in SECURITY_HEADERS if header[0] not in present),
        *shared,
        (b"x-request-id", request_id(scope).encode()),
    ]
    metrics.observe(scope, message["status"])
