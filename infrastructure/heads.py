"""Who waits for a territory's head to move, in this process."""

import asyncio
import contextlib
from collections.abc import Container


class Heads:
    """The last position known of each territory, and those waiting for a later one."""

    def __init__(self) -> None:
        self._heads: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._arrival = asyncio.Event()

    def get(self, territory: str) -> int:
        return self._heads.get(territory, 0)

    def advance(self, territory: str, head: int) -> None:
        """Wake those who wait; a head that is already known changes nothing."""
        if head <= self.get(territory):
            return
        if territory not in self._heads:
            self._arrival.set()
            self._arrival = asyncio.Event()
        self._heads[territory] = head
        for waiter in self._waiting.pop(territory, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, territory: str, *, after: int, timeout_s: float) -> int:
        """The head, as soon as it is past `after` or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.get(territory) <= after:
                    await self._next(territory)
        except TimeoutError:
            pass
        return self.get(territory)

    async def wait_for_another(self, known: Container[str], *, timeout_s: float) -> None:
        """Return as soon as there is a territory that is not `known`, or when the time is over."""
        arrival = self._arrival
        if all(territory in known for territory in self._heads):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await arrival.wait()

    async def _next(self, territory: str) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(territory, set()).add(waiter)
        try:
            await waiter
        finally:
            self._waiting.get(territory, set()).discard(waiter)
