"""One territory's part of the follower: which consumers it holds, and one step forward for those furthest behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from application.event_log import EventLog, Stored, UnreadableEvent
from domain.clock import Clock
from projections import consumers, parking
from projections.builds import live_builds
from projections.consumers import Consumer, LeaseLost
from projections.folding import TRANSIENT, Folding
from projections.parking import Parked, unfoldable
from projections.pathway_folds import PathwayFolds
from projections.projection import Connection, Elapsed, Pool, Projection, Timed

log = structlog.get_logger()

LEASE_S = 10.0
PAGE_SIZE = 1000
SET_ASIDE_S = 1.0
TIMER_PERIOD_S = 0.2
DUE_PER_STEP_MAX = 500


class Tools:
    """What every territory's follower works with."""

    def __init__(  # noqa: PLR0913 (a record of settings)
        self,
        pool: Pool,
        event_log: EventLog,
        projections: Sequence[Projection],
        clock: Clock,
        owner: str,
        *,
        lease_s: float = LEASE_S,
        page_size: int = PAGE_SIZE,
        folds_at_once_max: int = 4,
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`folds_at_once_max` must stay under half of the pool: a fold holds one connection and may need a second."""
        self.on_moved = on_moved
        self.pool = pool
        self.log = event_log
        self.projections: Mapping[str, Projection] = {projection.name: projection for projection in projections}
        self.clock = clock
        self.owner = owner
        self.lease_s = lease_s
        self.page_size = page_size
        self.turns = asyncio.Semaphore(folds_at_once_max)


class TerritoryFollower:
    """Not safe for two tasks at once; leases make it safe for two processes."""

    def __init__(self, tools: Tools, territory: str) -> None:
        self._tools = tools
        self._log = tools.log
        self.territory = territory
        self._consumers: list[Consumer] = []
        self._parked: dict[str, Parked] = {}
        self._shared = PathwayFolds(tools.log, territory)
        self._foldings: dict[str, Folding] = {}
        self._held_at = float("-inf")
        self._aside_until: dict[str, float] = {}
        self._timed_at = float("-inf")

    @property
    def positions(self) -> Mapping[str, int]:
        """Up to where each projection held here is folded."""
        return {consumer.build.name: consumer.position for consumer in self._consumers}

    @property
    def is_held_up(self) -> bool:
        """Some consumer waits before it tries again."""
        return any(self._is_aside(consumer) for consumer in self._consumers)

    async def step(self, *, timers_now: bool = False) -> bool:
        """Fold one page into the consumers furthest behind; once all are at the head, process what is due.

        False when there was nothing to do. The deadlines of a moment are processed only when everything recorded
        before it has been folded.
        """
        await self._hold()
        ready = [consumer for consumer in self._consumers if not self._is_aside(consumer)]
        if not ready:
            return False
        now = self._tools.clock.now()
        position = min(consumer.position for consumer in ready)
        behind = [consumer for consumer in ready if consumer.position == position]
        meet = min((consumer.position for consumer in ready if consumer.position > position), default=None)
        limit = self._tools.page_size if meet is None else min(self._tools.page_size, meet - position)
        try:
            events = await self._readable(position, limit)
        except UnreadableEvent as error:
            await asyncio.gather(*(self._park_unreadable(consumer, error) for consumer in behind))
            return True
        if events:
            await self._fold_all(behind, events)
        at_head = meet is None and len(events) < limit
        elapsed = at_head and (timers_now or self._timers_may_run()) and await self._elapse_all(behind, now)
        return bool(events) or elapsed

    async def _hold(self) -> None:
        """Renew the leases in good time, and take those that became free."""
        if time.monotonic() - self._held_at < self._tools.lease_s / 3:
            return
        asked_at = time.monotonic()
        before = {consumer.build: consumer for consumer in self._consumers}
        async with self._tools.pool.acquire() as db, db.transaction():
            builds = sorted((await live_builds(db, self._tools.projections.values())).values(), key=lambda b: b.name)
            await consumers.register(db, self.territory, builds)
            held = await consumers.claim(db, self.territory, builds, self._tools.owner, self._tools.lease_s)
            for consumer in held:
                known = before.get(consumer.build)
                if known is None or known.decisions != consumer.decisions:
                    self._parked[consumer.build.name] = await parking.parked(db, consumer)
                    self._foldings.pop(consumer.build.name, None)
        self._consumers = held
        self._held_at = asked_at

    def let_go(self) -> None:
        """Ask for everything again at the next step: a lease was lost or a build replaced."""
        self._consumers = []
        self._held_at = float("-inf")

    async def _readable(self, position: int, limit: int) -> list[Stored]:
        """The next events, up to one that cannot be read; UnreadableEvent when that is the very next."""
        try:
            return await self._log.page(self.territory, after=position, limit=limit)
        except UnreadableEvent as error:
            before = error.position - position - 1
            if before <= 0:
                raise
            return await self._log.page(self.territory, after=position, limit=before)

    async def _fold_all(self, behind: Sequence[Consumer], events: Sequence[Stored]) -> None:
        """In one transaction when nothing is parked and all goes well; else each consumer in its own."""
        whole = [consumer for consumer in behind if not self._parked[consumer.build.name]]
        done = whole if whole and await self._fold_together(whole, events) else []
        for wave in self._waves([consumer for consumer in behind if consumer not in done]):
            await asyncio.gather(*(self._fold_apart(consumer, events) for consumer in wave))

    async def _fold_together(self, some: Sequence[Consumer], events: Sequence[Stored]) -> bool:
        """False when any of them cannot fold all of it; then nothing is written."""
        try:
            page = await self._shared.page(events, steps=True)
            async with self._moving(some, events[-1].position) as db:
                for consumer in (consumer for wave in self._waves(some) for consumer in wave):
                    await self._projection(consumer).fold(db, consumer.build, page)
        except LeaseLost:
            self.let_go()
        except Exception:  # noqa: BLE001 - found again by the one whose fault it is
            return False
        return True

    async def _fold_apart(self, consumer: Consumer, events: Sequence[Stored]) -> None:
        async with self._answering(consumer):
            async with self._moving([consumer], events[-1].position) as db:
                await self._folding(consumer).fold(db, events)
            if not self._parked[consumer.build.name]:
                self._foldings.pop(consumer.build.name, None)

    def _waves(self, some: Sequence[Consumer]) -> Iterator[Sequence[Consumer]]:
        """First those that others read, then those that read them."""
        readers = [consumer for consumer in some if getattr(self._projection(consumer), "reads", ())]
        yield [consumer for consumer in some if consumer not in readers]
        yield readers

    def _folding(self, consumer: Consumer) -> Folding:
        """What folds around the events that one consumer leaves aside."""
        name = consumer.build.name
        if name not in self._foldings:
            projection, aside = self._projection(consumer), self._parked[name]
            self._foldings[name] = Folding(self._log, projection, consumer, aside, replay=False)
        return self._foldings[name]

    async def _park_unreadable(self, consumer: Consumer, error: UnreadableEvent) -> None:
        async with self._answering(consumer):
            await self._park(consumer, error, error.position)

    async def _park(self, consumer: Consumer, error: UnreadableEvent, to: int) -> None:
        """Leave the stream of an event aside, as the checkpoint moves."""
        [header] = await self._log.headers(self.territory, after=error.position - 1, limit=1)
        async with self._moving([consumer], to) as db:
            await self._folding(consumer).park(db, [unfoldable(header, error)])

    def _timers_may_run(self) -> bool:
        if time.monotonic() - self._timed_at < TIMER_PERIOD_S:
            return False
        self._timed_at = time.monotonic()
        return True

    async def _elapse_all(self, at_head: Sequence[Consumer], now: datetime) -> bool:
        elapsed = False
        for consumer in at_head:
            projection = self._projection(consumer)
            # Set aside, it may not have folded what was just read: its deadlines wait with it.
            is_here = consumer in self._consumers and not self._is_aside(consumer)
            if is_here and isinstance(projection, Timed):
                async with self._answering(consumer):
                    elapsed |= await self._elapse(consumer, projection, now)
        return elapsed

    async def _elapse(self, consumer: Consumer, projection: Timed, now: datetime) -> bool:
        aside = self._parked[consumer.build.name]
        async with self._tools.pool.acquire() as db:
            due = await projection.due(db, consumer.build, self.territory, now, DUE_PER_STEP_MAX, aside.streams)
        folds = self._folding(consumer).pathways if aside else self._shared
        try:
            standings = await folds.standings(due, consumer.position) if due else {}
        except UnreadableEvent as error:
            await self._park(consumer, error, consumer.position)
            return True
        if not standings:
            return False
        page = Elapsed(territory=self.territory, now=now, standings=standings, replay=False)
        async with self._moving([consumer], consumer.position) as db:
            await projection.elapse(db, consumer.build, page)
        return True

    def _projection(self, consumer: Consumer) -> Projection:
        return self._tools.projections[consumer.build.name]

    @asynccontextmanager
    async def _moving(self, some: Sequence[Consumer], to: int) -> AsyncIterator[Connection]:
        """A transaction that also moves checkpoints; rows and checkpoints are written together or not at all."""
        async with self._tools.turns, self._tools.pool.acquire() as db:
            async with db.transaction():
                await consumers.move(db, some, to, self._tools.owner, self._tools.lease_s)
                yield db
            for consumer in some:
                consumer.position = to
            self._tools.on_moved()  # Before the connection is cleaned and given back: nobody need wait for that.

    @asynccontextmanager
    async def _answering(self, consumer: Consumer) -> AsyncIterator[None]:
        """What stops one consumer never stops the others: it is set aside for a moment, and shown."""
        try:
            yield
        except LeaseLost:
            self.let_go()
        except TRANSIENT as error:
            self._foldings.pop(consumer.build.name, None)
            self._set_aside(consumer, SET_ASIDE_S)
            log.warning("projection.retried", **self._named(consumer, error))
        except Exception as error:  # noqa: BLE001 - shown, and tried again
            self._set_aside(consumer, 10 * SET_ASIDE_S)
            log.error("projection.failing", **self._named(consumer, error))  # noqa: TRY400 - a trace may hold data
            async with self._tools.pool.acquire() as db:
                await consumers.fail(db, consumer, error)

    def _named(self, consumer: Consumer, error: BaseException) -> dict[str, str]:
        return {
            "projection": consumer.build.name,
            "territory": self.territory,
            "error_type": type(error.__cause__ or error).__name__,
        }

    def _set_aside(self, consumer: Consumer, seconds: float) -> None:
        self._aside_until[consumer.build.name] = time.monotonic() + seconds

    def _is_aside(self, consumer: Consumer) -> bool:
        return self._aside_until.get(consumer.build.name, float("-inf")) > time.monotonic()
