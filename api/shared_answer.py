"""One answer for all who ask at once: what is open to everybody must not cost more the more they ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedAnswer(Generic[T]):
    """Made by whoever asks first, for all who ask until it is there and for some seconds after."""

    def __init__(self, good_for_seconds: float = 0.0) -> None:
        self._good_for_seconds = good_for_seconds
        self._making: asyncio.Task[T] | None = None
        self._good_until = 0.0

    async def get(self, make: Callable[[], Awaitable[T]]) -> T:
        """Raises what `make` raises, to all who wait for it; the next one tries again."""
        if self._making is None or (self._making.done() and time.monotonic() >= self._good_until):
            self._good_until = 0.0
            self._making = asyncio.create_task(self._made(make))
        return await asyncio.shield(self._making)  # Whoever leaves does not take it from the others.

    async def _made(self, make: Callable[[], Awaitable[T]]) -> T:
        answer = await make()
        self._good_until = time.monotonic() + self._good_for_seconds
        return answer
