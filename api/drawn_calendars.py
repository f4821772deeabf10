"""Calendars as text, drawn beside the loop, one at a time: a long one takes a third of a second."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

KEPT = 32
"""The last ones drawn: a calendar program that reads again what is as it was costs next to nothing."""


class DrawnCalendars:
    """Those of one process. The same key is always drawn the same."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._drawn: OrderedDict[bytes, bytes] = OrderedDict()

    async def of(self, key: bytes, draw: Callable[[], bytes]) -> bytes:
        """Those who ask for the same at once have it drawn once."""
        if key not in self._drawn:
            async with self._turn:
                if key not in self._drawn:
                    self._drawn[key] = await asyncio.to_thread(draw)
        self._drawn.move_to_end(key)
        text = self._drawn[key]
        while len(self._drawn) > KEPT:
            self._drawn.popitem(last=False)
        return text
