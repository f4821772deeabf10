"""Building projections again from the first event, beside those in use, then putting them in their place.

Three stretches. Whole streams, a few at a time, up to where the projections in use stood at the start: each pathway is
folded and judged once, and how the log interleaves them costs nothing. Then pages, up to where those in use are now.
Then, with the follower held back for a moment, the last events and the swap. Alerts and messages are no part of it:
nobody is told anything twice. Stopped at any moment, it goes on from where it was. A copy made to be compared with what
is in use (projections/check.py) is built the same way, and never put in use.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import msgspec
from asyncpg import Record
from asyncpg.transaction import Transaction

from application.event_log import EventLog, Stored, UnreadableEvent
from domain.aggregate import EVENT_TYPES, Created
from domain.clock import Clock
from projections import builds
from projections.consumers import Consumer
from projections.folding import TRANSIENT, Folding
from projections.garbage import patient_collector
from projections.parking import Unfoldable, park, parked, unfoldable
from projections.pathway_folds import PathwayFolds
from projections.projection import (
    Build,
    Connection,
    Elapsed,
    Page,
    Pool,
    Projection,
    Reconcilable,
    Timed,
    only_records,
)

EVENTS_PER_BATCH = 2_000
STREAMS_PER_BATCH_MAX = 1_000
PAGE_SIZE = 1_000
LAG_TO_SWAP = 1_000
DUE_PER_BATCH = 500
SETTLED_WITHIN_S = 30.0
SETTLING_S = 0.1
LOCK = 0x72656275696C64  # "rebuild". One at a time in a database.

BEGIN_TERRITORY = """
INSERT INTO consumers (territory, name, build, replayed, replay_head)
SELECT $1, $2, $3, 0, coalesce(max(c.position), 0)
FROM consumers c JOIN projection_builds b USING (name, build)
WHERE c.territory = $1 AND c.name = $2 AND b.status = 'live'
ON CONFLICT DO NOTHING"""
PLACES = """
SELECT name, build, position, replayed, replay_head FROM consumers
WHERE territory = $1 AND (name, build) IN (SELECT * FROM unnest($2::text[], $3::int[])) ORDER BY replayed, position"""
LIVE_POSITIONS = """
SELECT c.territory, c.position FROM consumers c JOIN projection_builds b USING (name, build)
WHERE c.name = $1 AND b.status = 'live' ORDER BY c.territory"""
HOLD_BACK_ONE = "SELECT position FROM consumers WHERE territory = $1 AND name = $2 AND build = $3 FOR UPDATE"
HOLD_BACK = LIVE_POSITIONS + " FOR UPDATE OF c"
HOLD_PATIENTLY = "SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"
TAKE_SNAPSHOT = "SELECT 1"  # Repeatable read: what is committed now is what later statements see.
REPLAYED = """
UPDATE consumers SET replayed = $4, position = position + $5, moved_at = clock_timestamp()
WHERE territory = $1 AND name = $2 AND build = $3"""
REPLAY_OVER = """
UPDATE consumers SET position = replay_head, replayed = NULL, replay_head = NULL
WHERE territory = $1 AND name = $2 AND build = $3"""
MOVED = """
UPDATE consumers SET position = $4, moved_at = clock_timestamp() WHERE territory = $1 AND name = $2 AND build = $3"""
FORGET_RETIRED = """
DELETE FROM consumers c USING projection_builds b
WHERE c.name = $1 AND (b.name, b.build) = (c.name, c.build) AND b.status = 'retired'"""


class AlreadyRebuilding(Exception):
    """Another rebuild is running on this database."""


class NotRebuildable(Exception):
    """There is no such projection, or it is a step with effects, which are never had twice."""


class NotSettled(Exception):
    """What is due was not processed in time: nobody follows, or whoever does is far behind."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a rebuild is, in one territory."""

    projections: tuple[str, ...]
    territory: str
    position: int
    head: int
    events_per_s: float
    eta_s: float | None
    """None before there is anything to tell it from."""


Listener = Callable[[Progress], None]


class Place(msgspec.Struct):
    """Where one build stands in one territory."""

    consumer: Consumer
    projection: Projection
    replayed: int | None
    replay_head: int | None


async def rebuild(
    pool: Pool,
    log: EventLog,
    projections: Sequence[Projection],
    clock: Clock,
    names: Sequence[str] = (),
    listener: Listener | None = None,
) -> None:
    """Rebuild these projections (all that can be, when none is named), going on with what was begun before.

    Safe while followers run and queries are answered. Raises AlreadyRebuilding, NotRebuildable.
    """
    wanted = rebuildable(projections, names)
    async with alone(pool):
        run = Rebuild(pool, log, wanted, clock, listener)
        await run.begin()
        for territory in await log.territories():
            await run.replay(territory)
        await run.swap()


@asynccontextmanager
async def alone(pool: Pool) -> AsyncIterator[None]:
    """Nobody else builds anything in this database meanwhile. Raises AlreadyRebuilding."""
    async with pool.acquire() as lock:
        if not await lock.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            raise AlreadyRebuilding
        try:
            with patient_collector():
                yield
        finally:
            await lock.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def discard(pool: Pool, projections: Sequence[Projection], names: Sequence[str] = ()) -> None:
    """Give up what was begun and not put in use."""
    async with pool.acquire() as db, db.transaction():
        await builds.lock_builds(db)
        for projection in rebuildable(projections, names):
            await builds.drop_unused(db, projection.name, unfinished=True)


def _tell_nobody(_: Progress) -> None:
    """Rebuild without a word."""


def rebuildable(projections: Sequence[Projection], names: Sequence[str]) -> list[Projection]:
    """Those of these names; all that can be rebuilt, when none is named. Raises NotRebuildable."""
    known = {projection.name: projection for projection in projections if projection.tables}
    if unknown := set(names) - set(known):
        raise NotRebuildable(", ".join(sorted(unknown)))
    return [known[name] for name in names or known]


class Batch(msgspec.Struct, frozen=True):
    """Whole streams, and where to go on after them."""

    events: Sequence[Stored]
    unreadable: Sequence[Unfoldable]
    cursor: int
    is_last: bool


class Rebuild:
    """One run, over any number of projections: each event is read, opened and folded once for all of them."""

    def __init__(
        self,
        pool: Pool,
        log: EventLog,
        projections: Sequence[Projection],
        clock: Clock,
        listener: Listener | None = None,
    ) -> None:
        self._pool = pool
        self._log = log
        self._projections = {projection.name: projection for projection in projections}
        self._clock = clock
        self._listener = listener or _tell_nobody
        self._builds: dict[str, Build] = {}
        self._streams_per_batch = 64
        self._created = [topic for topic, event_type in EVENT_TYPES.items() if issubclass(event_type, Created)]

    async def begin(self) -> None:
        """Make the tables of what was not begun yet; drop what was begun by another version of the code."""
        async with self._pool.acquire() as db, db.transaction():
            await builds.lock_builds(db)
            self._builds = await builds.unfinished_builds(db, self._projections.values())
            for name, projection in self._projections.items():
                if name not in self._builds:
                    await builds.drop_unused(db, name, unfinished=True)
                    self._builds[name] = await builds.add_build(db, projection, "building")

    @asynccontextmanager
    async def copies(self) -> AsyncIterator[Sequence[str]]:
        """Builds near to those in use, never put in their place, dropped at the end. Gives their names.

        They are retired from the first: what a crash leaves of them goes with the next build.
        """
        try:
            async with self._pool.acquire() as db, db.transaction():
                await builds.lock_builds(db)
                for name, projection in self._projections.items():
                    await builds.drop_unused(db, name)
                    self._builds[name] = await builds.add_build(db, projection, "retired")
            for territory in await self._log.territories() if self._builds else ():
                await self.replay(territory)
            yield list(self._builds)
        finally:
            async with self._pool.acquire() as db, db.transaction():
                await builds.lock_builds(db)
                for build in self._builds.values():
                    await builds.drop(db, build.name, build.number)

    @asynccontextmanager
    async def at_one_position(self, name: str) -> AsyncIterator[tuple[Connection, Build]]:
        """A reading of one instant, in which a copy is as far as what is in use.

        The follower is held back while the last events are folded, and goes on before anything is compared.
        Raises NotSettled.
        """
        until_s = time.monotonic() + SETTLED_WITHIN_S
        async with self._pool.acquire() as db:
            reading = db.transaction(isolation="repeatable_read", readonly=True)
            while not await self._read_together(db, name, reading):
                if time.monotonic() > until_s:
                    raise NotSettled(name)
                await asyncio.sleep(SETTLING_S)
            try:
                yield db, self._builds[name]
            finally:
                await reading.rollback()

    async def _read_together(self, db: Connection, name: str, reading: Transaction) -> bool:
        """False when what is in use still has to process what was due before its last event."""
        async with self._pool.acquire() as holding, holding.transaction():
            await holding.execute(HOLD_PATIENTLY)
            held = await holding.fetch(HOLD_BACK, name)
            if not await self._is_settled(holding, self._projections[name], held):
                return False
            async with db.transaction():
                for row in held:
                    await self._finish(db, await self._place(db, row["territory"], name), row["position"])
            await reading.start()
            await db.execute(TAKE_SNAPSHOT)
            return True

    async def _is_settled(self, db: Connection, projection: Projection, held: Sequence[Record]) -> bool:
        if not isinstance(projection, Timed) or only_records(projection):
            return True
        build = (await builds.live_builds(db, [projection]))[projection.name]
        for territory, position in held:
            aside = await parked(db, Consumer(territory, build, position, 0))
            at = await self._recorded_at(territory, position)
            if at is not None and await projection.due(db, build, territory, at, 1, aside.streams):
                return False
        return True

    async def replay(self, territory: str) -> None:
        """Bring every build near to where the one in use is."""
        for places in await self._places(territory):
            if places[0].replay_head is not None:
                await self._replay_streams(territory, places)
        for places in await self._places(territory):
            for place in places:
                await self._follow_pages(place)

    async def swap(self) -> None:
        """Put each build in use, in a transaction of its own, then drop the one before."""
        for name, build in self._builds.items():
            async with self._pool.acquire() as db, db.transaction():
                await db.execute("SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s'")
                await builds.lock_builds(db)
                for row in await db.fetch(HOLD_BACK, name):
                    await self._finish(db, await self._place(db, row["territory"], name), row["position"])
                await builds.put_in_use(db, build, self._projections[name])
                await db.execute(FORGET_RETIRED, name)
            async with self._pool.acquire() as db, db.transaction():
                await builds.lock_builds(db)
                await builds.drop_unused(db, name)
            await self._reconcile(self._projections[name], build)

    async def _reconcile(self, projection: Projection, build: Build) -> None:
        """What was told under other rules, or not yet under these, is put right, quietly."""
        if not isinstance(projection, Reconcilable):
            return
        for territory in await self._log.territories():
            after: UUID | None = UUID(int=0)
            while after is not None:
                after = await self._reconcile_some(projection, build, territory, after)

    async def _reconcile_some(self, projection: Reconcilable, build: Build, territory: str, after: UUID) -> UUID | None:
        """With the follower held back: rows and alerts must be of one moment. Where to go on; None at the end."""
        async with self._pool.acquire() as db, db.transaction():
            position = await db.fetchval(HOLD_BACK_ONE, territory, build.name, build.number)
            ids = await projection.unreconciled(db, build, territory, after, DUE_PER_BATCH)
            if position is None or not ids:
                return None
            standings = await PathwayFolds(self._log, territory).standings(ids, position)
            page = Elapsed(territory=territory, now=self._clock.now(), standings=standings, replay=False)
            await projection.reconcile(db, build, page)
            return ids[-1]

    async def _places(self, territory: str) -> list[list[Place]]:
        """Builds that are equally far, together: they are fed from one reading."""
        async with self._pool.acquire() as db:
            places = [await self._place(db, territory, name) for name in self._builds]
        how_far = attrgetter("replay_head", "replayed", "consumer.position")
        places.sort(key=lambda place: tuple(-1 if part is None else part for part in how_far(place)))
        return [list(group) for _, group in groupby(places, key=how_far)]

    async def _place(self, db: Connection, territory: str, name: str) -> Place:
        build = self._builds[name]
        await db.execute(BEGIN_TERRITORY, territory, name, build.number)
        [row] = await db.fetch(PLACES, territory, [name], [build.number])
        consumer = Consumer(territory, build, row["position"], 0)
        return Place(consumer, self._projections[name], row["replayed"], row["replay_head"])

    async def _replay_streams(self, territory: str, places: Sequence[Place]) -> None:
        """Fold whole streams, in the order of their first events; while some are written, the next are read."""
        head, cursor = places[0].replay_head, places[0].replayed
        assert head is not None
        assert cursor is not None
        until = await self._recorded_at(territory, head)
        pace = Pace(self._listener, tuple(place.projection.name for place in places), territory, head)
        folded = places[0].consumer.position
        reading = asyncio.create_task(self._read_streams(territory, cursor, head))
        writing: asyncio.Task[None] | None = None
        try:
            is_last = False
            while not is_last:
                batch = await reading
                is_last = batch.is_last
                if not is_last:
                    reading = asyncio.create_task(self._read_streams(territory, batch.cursor, head))
                page = await _page(PathwayFolds(self._log, territory), batch.events, until)
                if writing is not None:
                    await writing
                    pace.tell(folded)
                writing = asyncio.create_task(self._write_all(places, page, batch))
                folded += len(batch.events)
            assert writing is not None
            await writing
        finally:
            for task in (reading, writing):
                if task is not None:
                    task.cancel()
        async with self._pool.acquire() as db, db.transaction():
            for place in places:
                build = place.consumer.build
                await db.execute(REPLAY_OVER, territory, build.name, build.number)
        pace.tell(head)

    async def _read_streams(self, territory: str, after: int, head: int) -> Batch:
        limit = self._streams_per_batch
        headers = await self._log.headers(territory, after=after, limit=limit, topics=self._created)
        mine = [header for header in headers if header.position <= head]
        is_last = len(mine) < limit
        ids = [header.stream_id for header in mine]
        unreadable: list[Unfoldable] = []
        try:
            streams = await self._log.read_streams(territory, ids, until_position=head) if ids else {}
        except UnreadableEvent:
            streams, unreadable = await self._read_readable(territory, ids, head)
        events = [stored for stream_id in ids for stored in streams.get(stream_id, ())]
        if len(events) > 0:
            fitting = limit * EVENTS_PER_BATCH // len(events)
            self._streams_per_batch = min(max(fitting, limit // 2, 1), limit * 2, STREAMS_PER_BATCH_MAX)
        return Batch(events, unreadable, mine[-1].position if mine else after, is_last)

    async def _read_readable(
        self, territory: str, ids: Sequence[UUID], head: int
    ) -> tuple[dict[UUID, list[Stored]], list[Unfoldable]]:
        """One stream at a time, each up to what cannot be read of it."""
        streams: dict[UUID, list[Stored]] = {}
        unreadable: list[Unfoldable] = []
        for stream_id in ids:
            try:
                streams[stream_id] = await self._log.read_stream(territory, stream_id, until_position=head)
            except UnreadableEvent as error:
                [header] = await self._log.headers(territory, after=error.position - 1, limit=1)
                unreadable.append(unfoldable(header, error))
                before = error.position - 1
                streams[stream_id] = await self._log.read_stream(territory, stream_id, until_position=before)
        return streams, unreadable

    async def _write_all(self, places: Sequence[Place], page: Page | None, batch: Batch) -> None:
        await asyncio.gather(*(self._write(place, page, batch.events, batch) for place in places))

    async def _write(self, place: Place, page: Page | None, events: Sequence[Stored], batch: Batch | None) -> None:
        """Rows and place in one transaction; around what cannot be folded, if something cannot."""
        if page is not None:
            try:
                async with self._pool.acquire() as db, db.transaction():
                    await self._move(db, place, events, batch)
                    await place.projection.fold(db, place.consumer.build, page)
            except TRANSIENT:
                raise
            except Exception:  # noqa: BLE001 - found again, and parked, below
                page = None
            else:
                return
        async with self._pool.acquire() as db, db.transaction():
            await self._move(db, place, events, batch)
            await self._fold_apart(db, place, events)

    async def _move(self, db: Connection, place: Place, events: Sequence[Stored], batch: Batch | None) -> None:
        build, territory = place.consumer.build, place.consumer.territory
        await db.execute("SET LOCAL synchronous_commit = off")
        if batch is None:
            await db.execute(MOVED, territory, build.name, build.number, events[-1].position)
        else:
            await db.execute(REPLAYED, territory, build.name, build.number, batch.cursor, len(events))
            if batch.unreadable:
                await park(db, place.consumer, batch.unreadable)

    async def _fold_apart(self, db: Connection, place: Place, events: Sequence[Stored]) -> None:
        aside = await parked(db, place.consumer)
        await Folding(self._log, place.projection, place.consumer, aside, replay=True).fold(db, events)

    async def _follow_pages(self, place: Place) -> None:
        """Until the build is near to the one in use, which goes on meanwhile; then its deadlines."""
        consumer = place.consumer
        folds = PathwayFolds(self._log, consumer.territory)
        pace = Pace(self._listener, (consumer.build.name,), consumer.territory, consumer.position)
        while True:
            async with self._pool.acquire() as db:
                rows = await db.fetch(LIVE_POSITIONS, consumer.build.name)
                target = next((row["position"] for row in rows if row["territory"] == consumer.territory), 0)
                if target - consumer.position <= LAG_TO_SWAP:
                    break
                events = await self._readable_page(db, place, min(PAGE_SIZE, target - consumer.position))
                is_whole = not await parked(db, consumer)
            if not events:
                continue
            page = await _page(folds, events) if is_whole else None
            await self._write(place, page, events, None)
            consumer.position = events[-1].position
            pace.head = target
            pace.tell(consumer.position)
        async with self._pool.acquire() as db:
            await self._settle(db, place, held=False)

    async def _finish(self, db: Connection, place: Place, target: int) -> None:
        """The last events and deadlines, in the swap's own transaction: its lock on the row holds the follower back."""
        consumer = place.consumer
        if place.replay_head is not None:  # A territory that appeared meanwhile: all of it by pages.
            await db.execute(REPLAY_OVER, consumer.territory, consumer.build.name, consumer.build.number)
            consumer.position = 0
        while consumer.position < target:
            events = await self._readable_page(db, place, min(PAGE_SIZE, target - consumer.position))
            if events:
                await self._fold_apart(db, place, events)
                consumer.position = events[-1].position
        await db.execute(MOVED, consumer.territory, consumer.build.name, consumer.build.number, consumer.position)
        await self._settle(db, place, held=True)

    async def _readable_page(self, db: Connection, place: Place, limit: int) -> Sequence[Stored]:
        """The next events; what cannot be read is parked, and passed over."""
        consumer, build = place.consumer, place.consumer.build
        try:
            return await self._log.page(consumer.territory, after=consumer.position, limit=limit)
        except UnreadableEvent as error:
            before = error.position - consumer.position - 1
            if before > 0:
                return await self._log.page(consumer.territory, after=consumer.position, limit=before)
            [header] = await self._log.headers(consumer.territory, after=error.position - 1, limit=1)
            async with db.transaction():
                await park(db, consumer, [unfoldable(header, error)])
                await db.execute(MOVED, consumer.territory, build.name, build.number, error.position)
            consumer.position = error.position
            return ()

    async def _settle(self, db: Connection, place: Place, *, held: bool) -> None:
        """Process the deadlines that the projection in use has processed, no other: those to come must be told.

        Unless that one is held back it may be further: then only those before the next event, which comes first.
        """
        projection, consumer = place.projection, place.consumer
        if not isinstance(projection, Timed) or only_records(projection):
            return
        territory, build = consumer.territory, consumer.build
        horizon = await self._processed_until(db, place, projection)
        following = None if held else await self._recorded_at(territory, consumer.position + 1)
        if horizon is None:
            return
        if following is not None:
            horizon = min(horizon, following - timedelta(microseconds=1))
        folds = PathwayFolds(self._log, territory)
        aside = await parked(db, consumer)
        while due := await projection.due(db, build, territory, horizon, DUE_PER_BATCH, aside.streams):
            standings = await folds.standings(due, consumer.position)
            if not standings:
                return
            async with db.transaction():
                page = Elapsed(territory=territory, now=horizon, standings=standings, replay=True)
                await projection.elapse(db, build, page)

    async def _processed_until(self, db: Connection, place: Place, projection: Timed) -> datetime | None:
        """Up to when the projection in use surely has processed every deadline. Later ones are, at worst, again."""
        territory = place.consumer.territory
        live = (await builds.live_builds(db, [place.projection])).get(place.consumer.build.name)
        if live is None:  # Made by other code, or under other rules: it cannot be asked.
            return await self._recorded_at(territory, place.consumer.position)
        next_due = await projection.next_due(db, live, territory)
        return self._clock.now() if next_due is None else next_due - timedelta(microseconds=1)

    async def _recorded_at(self, territory: str, position: int) -> datetime | None:
        headers = await self._log.headers(territory, after=position - 1, limit=1) if position else []
        return headers[0].recorded_at if headers else None


async def _page(folds: PathwayFolds, events: Sequence[Stored], until: datetime | None = None) -> Page | None:
    """None when something cannot be folded: it will be found, and parked, by each projection."""
    try:
        return await folds.page(events, steps=False, until=until)
    except TRANSIENT:
        raise
    except Exception:  # noqa: BLE001
        return None


class Pace:
    """Tells how far a rebuild is, and when it may be over."""

    def __init__(self, listener: Listener, names: tuple[str, ...], territory: str, head: int) -> None:
        self.head = head
        self._listener = listener
        self._names = names
        self._territory = territory
        self._began_s = time.monotonic()
        self._first: int | None = None

    def tell(self, position: int) -> None:
        if self._first is None:
            self._first = position
        elapsed_s = time.monotonic() - self._began_s
        rate = (position - self._first) / elapsed_s if elapsed_s > 0 else 0.0
        self._listener(
            Progress(
                projections=self._names,
                territory=self._territory,
                position=position,
                head=self.head,
                events_per_s=rate,
                eta_s=(self.head - position) / rate if rate > 0 else None,
            )
        )
