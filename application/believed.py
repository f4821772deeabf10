"""Answers of a store, believed for a second: what is revoked there may work that much longer here, never more."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

BELIEVED_SECONDS = 1.0
KEPT = 10_000
LOOKUPS_AT_ONCE = 4  # Strangers with well-formed credentials never take all the store's connections.


class Believed(Generic[K, V]):
    """One question to the store at a time for one key, however many requests wait for the answer."""

    def __init__(
        self, look_up: Callable[[K], Awaitable[V]], monotonic: Callable[[], float] = time.monotonic, kept: int = KEPT
    ) -> None:
        self._look_up = look_up
        self._monotonic = monotonic
        self._kept = kept
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lookups: dict[K, asyncio.Task[V]] = {}
        self._turn = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def get(self, key: K) -> V:
        known = self._known.get(key)
        if known is not None and self._monotonic() - known[0] < BELIEVED_SECONDS:
            return known[1]
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._ask(key))
        return await asyncio.shield(lookup)

    def forget(self, key: K) -> None:
        """What was just changed here is not believed any more, not even an answer that is on its way."""
        self._known.pop(key, None)
        self._lookups.pop(key, None)

    async def _ask(self, key: K) -> V:
        mine = asyncio.current_task()
        try:
            async with self._turn:
                asked_at = self._monotonic()  # Not when the answer came: it may have changed on its way.
                answer = await self._look_up(key)
            if self._lookups.get(key) is mine:
                self._keep(key, asked_at, answer)
            return answer
        finally:
            if self._lookups.get(key) is mine:
                del self._lookups[key]

    def _keep(self, key: K, asked_at: float, answer: V) -> None:
        self._known[key] = (asked_at, answer)
        self._known.move_to_end(key)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
