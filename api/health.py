"""Is the process alive; may it be sent work; how far behind are the projections."""

import asyncio
from enum import StrEnum

import asyncpg
import msgspec
from litestar import Router, get

from api.replies import Reply, reply
from api.request import ApiRequest
from api.runtime import Runtime
from projections.consumers import consumer_statuses

LATE_SECONDS = 60.0
DATABASE_SECONDS = 2.0


class Readiness(StrEnum):
    READY = "ready"
    LATE = "late"  # Projections are too far behind for answers to be useful.
    DOWN = "down"  # The log cannot be reached.


class Live(msgspec.Struct, kw_only=True):
    status: str = "live"


class Health(msgspec.Struct, kw_only=True):
    status: Readiness
    lag_seconds: float
    """Age of the oldest event that some projection does not show."""
    lag_events: int


@get("/live", name="live", include_in_schema=False)
async def live() -> Reply:
    """The process answers. Says nothing of what it depends on."""
    return reply(Live())


@get("/ready", name="ready", include_in_schema=False)
async def ready(request: ApiRequest) -> Reply:
    """Whether work may be sent here: 503 when the log is down or the projections are late."""
    runtime = request.runtime
    health = await runtime.health.get(lambda: examine(runtime))
    return reply(health, status=200 if health.status is Readiness.READY else 503)


async def examine(runtime: Runtime) -> Health:
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            statuses = await consumer_statuses(runtime.pool, runtime.log, runtime.clock)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return Health(status=Readiness.DOWN, lag_seconds=0, lag_events=0)
    live = [status for status in statuses if status.status != "building"]
    lag_seconds = max((status.lag_seconds for status in live), default=0.0)
    lag_events = max((status.lag_events for status in live), default=0)
    late = lag_seconds > LATE_SECONDS
    return Health(status=Readiness.LATE if late else Readiness.READY, lag_seconds=lag_seconds, lag_events=lag_events)


routes = Router("/health", route_handlers=[live, ready])
