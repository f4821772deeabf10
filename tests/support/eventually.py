"""Waiting for what another task brings about: as long as it takes on a slow machine, and no longer than that."""

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 20


async def becomes(what: Callable[[], bool]) -> None:
    """Raises TimeoutError when it never is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what():
            await asyncio.sleep(0.005)
