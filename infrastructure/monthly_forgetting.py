"""What has been settled for a month is forgotten, every hour."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from domain.clock import Clock
from infrastructure.database import UNREACHABLE

log = structlog.get_logger()

RETENTION = timedelta(days=30)
PERIOD = timedelta(hours=1)


async def forget_what_is_settled(forget: Callable[[datetime], Awaitable[int]], clock: Clock, unreachable: str) -> None:
    """For ever. `forget` drops some of what was settled before a time, and says how many; 0: nothing is left.

    `unreachable` is what the log says when the database does not answer.
    """
    while True:
        await asyncio.sleep(PERIOD.total_seconds())
        try:
            while await forget(clock.now() - RETENTION):
                pass
        except UNREACHABLE:
            log.warning(unreachable, exc_info=True)
