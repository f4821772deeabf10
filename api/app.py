"""The composition root: the only place where ports meet what makes them real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import Message, Scope

from api import health, pathways
from api.authentication import Door
from api.limits import Crowd, Limits, RateLimiter
from api.problems import EXCEPTION_HANDLERS
from api.request import ApiRequest, request_id
from api.runtime import Runtime
from application.api_keys import Gatekeeper
from application.pathways import Pathways
from domain.clock import Clock, SystemClock
from infrastructure.api_keys import PostgresApiKeys
from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import open_database
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.migrate import migrate
from infrastructure.settings import Settings

ROLES = frozenset({"api", "followers", "notifications"})
KEY_USE_FLUSH_SECONDS = 30.0


@asynccontextmanager
async def compose(
    settings: Settings,
    *,
    roles: frozenset[str] = ROLES,
    clock: Clock | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Runtime]:
    """Open everything a process with these roles needs, and close it in the reverse order.

    A clock given here is also the log's: demonstrations and tests. Without one, the database's clock dates the events.
    """
    limits = limits or Limits()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(open_database(settings))
        connection = await connect(url)
        await migrate(connection)
        await connection.close()
        pool = await stack.enter_async_context(create_pool(url, pgbouncer=settings.pgbouncer))
        vault = await PostgresKeyVault.open(pool, settings.key_encryption_key)
        log = await stack.enter_async_context(PostgresEventLog(url, pool, vault, clock))
        keys = PostgresApiKeys(pool)
        clock = clock or SystemClock()
        runtime = Runtime(
            settings=settings,
            clock=clock,
            limits=limits,
            log=log,
            pathways=Pathways(log, clock),
            keys=keys,
            gatekeeper=Gatekeeper(keys, clock),
            rates=RateLimiter(limits.requests_per_second, limits.burst),
            crowd=Crowd(limits.requests_in_flight),
        )
        await stack.enter_async_context(_running(_flush_key_uses(runtime.gatekeeper)))
        yield runtime


def create_app(
    settings: Settings,
    *,
    roles: frozenset[str] = ROLES,
    clock: Clock | None = None,
    limits: Limits | None = None,
    stopping: asyncio.Event | None = None,
) -> Litestar:
    """The ASGI application. Its lifespan opens and closes all that it needs; `stopping` ends every wait when set."""

    @asynccontextmanager
    async def composed(app: Litestar) -> AsyncIterator[None]:
        async with compose(settings, roles=roles, clock=clock, limits=limits) as runtime:
            if stopping is not None:
                runtime.stopping = stopping
            app.state.runtime = runtime
            try:
                yield
            finally:
                runtime.stopping.set()

    return Litestar(
        route_handlers=[Router("/v1", route_handlers=[pathways.routes], middleware=[Door()]), health.routes],
        lifespan=[composed],
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=ApiRequest,
        before_send=[seal_response],
        state=State(),
        openapi_config=None,  # `api.openapi` makes a better one from the same routes.
        logging_config=None,
        debug=False,
    )


SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"private, no-store"),
    (b"referrer-policy", b"no-referrer"),
)


async def seal_response(message: Message, scope: Scope) -> None:
    """Every answer carries its request id and is closed to browsers' guesses, unless its route set a header itself."""
    if message["type"] != "http.response.start":
        return
    headers = list(message["headers"])
    present = {name for name, _ in headers}
    headers += [header for header in SECURITY_HEADERS if header[0] not in present]
    headers.append((b"x-request-id", request_id(scope).encode()))
    message["headers"] = headers


@asynccontextmanager
async def _running(work: Any) -> AsyncIterator[None]:
    """A task that ends with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _flush_key_uses(gatekeeper: Gatekeeper) -> None:
    try:
        while True:
            await asyncio.sleep(KEY_USE_FLUSH_SECONDS)
            await gatekeeper.flush()
    finally:
        await gatekeeper.flush()
