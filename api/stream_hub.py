"""One reader of each territory's log in this process, for all who follow it.

Nothing is sent from here: each reader comes for what is next at its own pace, so that a slow one is no burden.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import structlog

from api.limits import Limits, Overloaded, TooManyRequests
from api.stretch import Eyes, Stretch
from application.event_log import EventLog
from infrastructure.database import UNREACHABLE, Pool
from infrastructure.messages_told import messages_between
from projections.consumers import folded_position
from projections.follower import Follower
from projections.notifications import Notifications
from projections.pathway_timeline import PathwayTimeline

log = structlog.get_logger()

SHOWN_BY = [PathwayTimeline.name, Notifications.name]
"""What these have folded is shown: what a reader then asks for is there, and every message of it."""
READ_AT_ONCE = 250
KEPT = 2_000
"""Positions kept in memory for readers who are a little behind. Those further behind read for themselves."""
READS_FROM_BEHIND = 4
"""At once: those who catch up never take all the connections to the database."""
PAUSE_SECONDS = 0.05
"""Between two reads: a busy territory is read stretch by stretch, not once per event."""
PAUSE_OF_EACH_SECONDS = 0.0002
"""And longer the more there are to wake: they must not take all of a processor."""
POLL_SECONDS = 1.0
FULL_RETRY_SECONDS = 10


class StreamHub:
    """All the streams of one process."""

    def __init__(
        self, *, pool: Pool, log: EventLog, follower: Follower, eyes: Eyes, limits: Limits, stopping: asyncio.Event
    ) -> None:
        self.eyes = eyes
        self._pool = pool
        self._log = log
        self._follower = follower
        self._limits = limits
        self._stopping = stopping
        self._followed: dict[str, Followed] = {}
        self._open: Counter[tuple[str, str]] = Counter()
        self._behind = asyncio.Semaphore(READS_FROM_BEHIND)

    @property
    def open_now(self) -> int:
        return self._open.total()

    @property
    def territories(self) -> tuple[str, ...]:
        """Whose logs are read, since somebody follows them."""
        return tuple(self._followed)

    @contextmanager
    def seat(self, territory: str, agency: str) -> Iterator[None]:
        """For one stream. Raises Overloaded when the process has none left, TooManyRequests when the agency has not."""
        if self.open_now >= self._limits.streams:
            raise Overloaded
        if self._open[territory, agency] >= self._limits.streams_of_one_agency:
            raise TooManyRequests("Too many streams of this agency are open.", retry_after_s=FULL_RETRY_SECONDS)
        self._open[territory, agency] += 1
        try:
            yield
        finally:
            self._open[territory, agency] -= 1

    @asynccontextmanager
    async def following(self, territory: str) -> AsyncIterator["Followed"]:
        """The log of a territory, read on for as long as anybody follows it."""
        followed = self._followed.get(territory)
        if followed is None:
            followed = self._followed[territory] = Followed(self, territory)
        followed.readers += 1
        try:
            await followed.begin()
            yield followed
        finally:
            followed.readers -= 1
            if not followed.readers:
                del self._followed[territory]
                await followed.end()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    async def stopped(self) -> None:
        await self._stopping.wait()

    async def shown_up_to(self, territory: str) -> int:
        return max(0, await folded_position(self._pool, territory, SHOWN_BY))

    async def shown_beyond(self, territory: str, position: int) -> bool:
        """Whether more is shown by now, or soon."""
        if await self._log.wait(territory, after=position, timeout_s=POLL_SECONDS) <= position:
            return False
        return await self._follower.caught_up(territory, position + 1, POLL_SECONDS, SHOWN_BY)

    async def read(self, territory: str, after: int, upto: int) -> Stretch:
        headers = await self._log.headers(territory, after=after, limit=upto - after)
        return Stretch(after, upto, headers, await messages_between(self._pool, territory, after, upto))

    async def read_from_behind(self, territory: str, after: int, upto: int) -> Stretch:
        async with self._behind:
            return await self.read(territory, after, upto)


class Followed:
    """One territory's log: what was recorded last, and those who wait for what comes next."""

    def __init__(self, hub: StreamHub, territory: str) -> None:
        self.readers = 0
        self.shown = 0
        self._hub = hub
        self._territory = territory
        self._recent: deque[Stretch] = deque()
        self._arrival = asyncio.Event()
        self._beginning = asyncio.create_task(self._begin())
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = False
        """A task that is cancelled just as what it waits for comes goes on: `asyncio.wait_for` of Python 3.11 does."""

    async def begin(self) -> None:
        """Raises what keeps the database from being read, to all who wait for the beginning."""
        await asyncio.shield(self._beginning)

    async def end(self) -> None:
        self._ended = True
        for task in (self._beginning, *self._tasks):
            task.cancel()
        await asyncio.gather(self._beginning, *self._tasks, return_exceptions=True)

    async def after(self, position: int) -> Stretch | None:
        """What follows a position; None when nothing does yet."""
        if position >= self.shown:
            return None
        for stretch in reversed(self._recent):
            if stretch.after <= position < stretch.upto:
                return stretch
        upto = min(self.shown, position + READ_AT_ONCE)
        return await self._hub.read_from_behind(self._territory, position, upto)

    async def arrival(self, position: int, timeout_s: float) -> None:
        """Until something beyond a position is shown, the server stops, or the time is over."""
        arrival = self._arrival
        if position >= self.shown and not self._hub.is_stopping:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await arrival.wait()

    async def _begin(self) -> None:
        self.shown = await self._hub.shown_up_to(self._territory)
        self._tasks = [asyncio.create_task(self._read_on()), asyncio.create_task(self._wake_at_the_end())]

    async def _read_on(self) -> None:
        while not self._ended:
            try:
                if await self._hub.shown_beyond(self._territory, self.shown):
                    await self._take_in()
                    await self._pause()
            except UNREACHABLE as error:
                log.warning("stream.unreachable", error_type=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)
            except Exception:
                log.exception("stream.failed")  # Readers would wait in vain, and nobody would know.
                await asyncio.sleep(POLL_SECONDS)

    async def _pause(self) -> None:
        """Until what was read has been asked about: else a slow database would be asked ever more, of ever less."""
        await asyncio.sleep(max(PAUSE_SECONDS, self.readers * PAUSE_OF_EACH_SECONDS))
        asking = [task for stretch in self._recent for task in stretch.asked.values() if not task.done()]
        if asking:
            await asyncio.wait(asking, timeout=POLL_SECONDS)

    async def _take_in(self) -> None:
        upto = min(await self._hub.shown_up_to(self._territory), self.shown + READ_AT_ONCE)
        if upto <= self.shown:
            return
        self._recent.append(await self._hub.read(self._territory, self.shown, upto))
        while self._recent[0].upto < upto - KEPT:
            self._recent.popleft()
        self.shown = upto
        self._wake()

    async def _wake_at_the_end(self) -> None:
        await self._hub.stopped()
        self._wake()

    def _wake(self) -> None:
        self._arrival.set()
        self._arrival = asyncio.Event()
