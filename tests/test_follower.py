"""The follower: every event folded once, in order, by one owner at a time; poison set aside and shown."""

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

import asyncpg
import pytest

from application.event_log import EventLog, Stored, UnreadableEvent
from domain.contact import Channel, ContactRecorded, RecordContact
from infrastructure.database import Pool
from projections import consumers
from projections.consumers import ConsumerStatus, LeaseLost, consumer_statuses
from projections.follower import POLL_S
from projections.garbage import PATIENT
from projections.pathway_timeline import PathwayTimeline
from projections.projection import Build, Connection, Elapsed, Page
from projections.unparking import NotParked, parked_events, retry, skip
from tests.support.following import (
    CCAS,
    TERRITORY,
    Territory,
    all_projections,
    catch_up,
    follower_of,
    territory,
)

CALL = RecordContact(channel=Channel.PHONE)


async def status_of(pool: Pool, place: Territory, projection: str = "pathway_timeline") -> ConsumerStatus:
    statuses = await consumer_statuses(pool, place.log, place.clock)
    return next(status for status in statuses if status.projection == projection)


async def positions(pool: Pool, view: str = "pathway_timeline") -> list[int]:
    return [row["position"] for row in await pool.fetch(f"SELECT position FROM {view} ORDER BY position")]


# Following


async def test_what_is_appended_becomes_visible_within_moments(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place, follower_of(pool, place, all_projections(place)) as follower:
        first = await place.open()
        assert await follower.caught_up(TERRITORY, 1, 10)
        delays_s = []
        for version in range(2, 22):
            await place.act(first, CCAS, CALL)
            appended_s = time.monotonic()
            assert await follower.caught_up(TERRITORY, version, 10)
            delays_s.append(time.monotonic() - appended_s)
    assert sorted(delays_s)[len(delays_s) // 2] < POLL_S / 2, "well under the poll: it is told, it does not look"


async def test_waiting_for_what_does_not_come_ends_when_the_time_is_over(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place, follower_of(pool, place, all_projections(place)) as follower:
        await place.open()
        assert await follower.caught_up(TERRITORY, 1, 10)
        assert not await follower.caught_up(TERRITORY, 99, 0.1)


async def test_territories_are_followed_apart(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as here, territory(database_url, pool, name="FR-75") as there:
        await here.open()
        await there.open()
        await there.open()
        await catch_up(pool, here)
    counts = await pool.fetch("SELECT territory, count(*) FROM pathway_timeline GROUP BY territory ORDER BY territory")
    assert [tuple(row.values()) for row in counts] == [("FR-34", 1), ("FR-75", 2)]


async def test_status_says_how_far_behind(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, CALL)
        place.clock.advance(timedelta(seconds=90))
        behind = await status_of(pool, place)
        assert (behind.position, behind.head, behind.lag_events, behind.status) == (1, 2, 1, "stopped")
        assert behind.lag_seconds == pytest.approx(90)
        async with follower_of(pool, place, all_projections(place)) as follower:
            assert await follower.caught_up(TERRITORY, 2, 10)
            following = await status_of(pool, place)
        assert (following.lag_events, following.lag_seconds, following.status) == (0, 0, "following")
        assert following.owner == follower.owner


# One owner at a time


async def test_two_followers_fold_each_event_once(database_url: str, pool: Pool) -> None:
    """A row inserted twice would violate the timeline's key and be parked: nothing is."""
    async with territory(database_url, pool) as place:
        mine, yours = (follower_of(pool, place, all_projections(place), lease_s=0.3, poll_s=0.05) for _ in range(2))
        async with mine, yours:
            pathways = [await place.open() for _ in range(5)]
            for pathway_id in pathways:
                for _ in range(10):
                    await place.act(pathway_id, CCAS, CALL)
            assert await mine.caught_up(TERRITORY, 55, 20)
    assert await positions(pool) == list(range(1, 56))
    assert await parked_events(pool) == []


async def test_the_work_of_a_killed_process_is_taken_over_within_seconds(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.follow_forever", database_url, "2.0", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await process.stdout.readline()
        while await pool.fetchval("SELECT count(*) FROM consumers WHERE position > 0 AND lease_until > now()") == 0:
            await asyncio.sleep(0.05)
        async with follower_of(pool, place, all_projections(place), lease_s=2.0, poll_s=0.1) as heir:
            assert (await status_of(pool, place)).owner != heir.owner
            process.kill()
            await process.wait()
            await place.act(pathway_id, CCAS, CALL)
            head = await place.log.head(TERRITORY)  # The killed one, whose clock is today's, may have raised an alert.
            assert await heir.caught_up(TERRITORY, head, 20)
            assert (await status_of(pool, place)).owner == heir.owner


async def test_who_lost_the_lease_writes_nothing(database_url: str, pool: Pool) -> None:
    """A process that slept through its lease still believes that it owns the consumer."""
    async with territory(database_url, pool) as place:
        await place.open()
        await catch_up(pool, place)
        async with pool.acquire() as db:
            build = Build("pathway_timeline", PathwayTimeline.version, 1, tuple(PathwayTimeline.tables))
            [zombie] = await consumers.claim(db, TERRITORY, [build], "zombie", 0.0)
            [_] = await consumers.claim(db, TERRITORY, [build], "heir", 60.0)
            with pytest.raises(LeaseLost):
                async with db.transaction():
                    await consumers.move(db, [zombie], 2, "zombie", 5.0)
        assert (await status_of(pool, place)).position == 1


# Poison


class Allergic(PathwayTimeline):
    """Cannot fold contacts of one pathway, until it is cured."""

    name = "allergic"
    tables: Mapping[str, str] = MappingProxyType(
        {f"allergic_{name}": ddl.replace("{", "{allergic_") for name, ddl in PathwayTimeline.tables.items()}
    )

    def __init__(self) -> None:
        self.to: set[UUID] = set()
        self.to_everything = False
        self.folded: list[int] = []

    async def fold(self, db: Connection, build: Build, page: Page) -> None:  # noqa: ARG002
        for stored in page.events:
            if self.to_everything or self._is_poison(stored):
                raise ValueError("Canarine Zinzolin may not stand in any row")
        self.folded += [stored.position for stored in page.events]

    def _is_poison(self, stored: Stored) -> bool:
        return stored.event.originator_id in self.to and isinstance(stored.event, ContactRecorded)


@asynccontextmanager
async def poisoned(database_url: str, pool: Pool) -> AsyncIterator[tuple[Territory, Allergic, UUID]]:
    """Two pathways, interleaved: positions 1 2, then contacts of the sick one at 3 5, of the healthy one at 4 6."""
    async with territory(database_url, pool) as place:
        allergic = Allergic()
        sick, healthy = await place.open(), await place.open()
        allergic.to.add(sick)
        for _ in range(2):
            await place.act(sick, CCAS, CALL)
            await place.act(healthy, CCAS, CALL)
        yield place, allergic, sick


async def test_poison_is_parked_with_what_follows_it_and_the_others_go_on(database_url: str, pool: Pool) -> None:
    async with poisoned(database_url, pool) as (place, allergic, sick):
        await follower_of(pool, place, (allergic, PathwayTimeline())).catch_up()
        assert allergic.folded == [1, 2, 4, 6]
        assert await positions(pool) == [1, 2, 3, 4, 5, 6], "another projection is not concerned"
        events = await parked_events(pool)
        assert [(event.position, event.error_type, event.stream_id) for event in events] == [
            (3, "ValueError", sick),
            (5, None, sick),
        ]
        status = await status_of(pool, place, "allergic")
        assert (status.position, status.parked, status.lag_events) == (6, 2, 0)
        rows = str(await pool.fetch("SELECT * FROM parked_events"))
    assert "Canarine" not in rows


async def test_later_events_of_a_parked_stream_wait_in_line(database_url: str, pool: Pool) -> None:
    async with poisoned(database_url, pool) as (place, allergic, sick):
        await follower_of(pool, place, (allergic,)).catch_up()
        allergic.to.clear()
        await place.act(sick, CCAS, CALL)
        await follower_of(pool, place, (allergic,)).catch_up()
        assert allergic.folded == [1, 2, 4, 6]
        assert [event.position for event in await parked_events(pool)] == [3, 5, 7]


async def test_once_mended_a_retry_folds_them_in_order_under_a_running_follower(database_url: str, pool: Pool) -> None:
    async with poisoned(database_url, pool) as (place, allergic, sick):
        async with follower_of(pool, place, (allergic,)) as follower:
            assert await follower.caught_up(TERRITORY, 6, 10)
            assert await retry(pool, place.log, (allergic,), territory=TERRITORY, projection="allergic") == 0
            allergic.to.clear()
            assert await retry(pool, place.log, (allergic,), territory=TERRITORY, projection="allergic") == 2
            await place.act(sick, CCAS, CALL)
            assert await follower.caught_up(TERRITORY, 7, 10)
        assert allergic.folded == [1, 2, 4, 6, 3, 5, 7]
        assert await parked_events(pool) == []


async def test_a_skipped_event_stays_out_and_says_who_decided(database_url: str, pool: Pool) -> None:
    async with poisoned(database_url, pool) as (place, allergic, sick):
        await follower_of(pool, place, (allergic,)).catch_up()
        names = {"territory": TERRITORY, "projection": "allergic", "decided_by": "operator-1"}
        with pytest.raises(NotParked):
            await skip(pool, place.log, (allergic,), position=5, **names)  # It only waits.
        assert await skip(pool, place.log, (allergic,), position=3, **names) == 0  # The next one is poison too.
        assert await skip(pool, place.log, (allergic,), position=5, **names) == 0
        allergic.to.clear()
        await place.act(sick, CCAS, CALL)
        await follower_of(pool, place, (allergic,)).catch_up()
        assert allergic.folded == [1, 2, 4, 6, 7]
        decided = [(event.position, event.status, event.decided_by) for event in await parked_events(pool)]
        assert decided == [(3, "skipped", "operator-1"), (5, "skipped", "operator-1")]


async def test_a_projection_that_fails_everywhere_stops_and_says_so_instead_of_parking_all(
    database_url: str, pool: Pool
) -> None:
    async with territory(database_url, pool) as place:
        for _ in range(40):
            await place.open()
        allergic = Allergic()
        allergic.to_everything = True
        await follower_of(pool, place, (allergic, PathwayTimeline())).catch_up()
        status = await status_of(pool, place, "allergic")
        assert (status.status, status.error_type, status.position, status.parked) == ("failing", "TooMuchPoison", 0, 0)
        assert len(await positions(pool)) == 40
        allergic.to_everything = False
        await follower_of(pool, place, (allergic,)).catch_up()
        assert (await status_of(pool, place, "allergic")).error_type is None


class Interrupted(Allergic):
    """A fold is cut short by the database; something is due at any time."""

    name = "interrupted"
    tables: Mapping[str, str] = MappingProxyType({})

    def __init__(self, pathway: UUID) -> None:
        super().__init__()
        self.pathway = pathway
        self.elapsed: list[int] = []

    async def fold(self, db: Connection, build: Build, page: Page) -> None:  # noqa: ARG002
        raise asyncpg.DeadlockDetectedError

    async def due(self, *_: object) -> list[UUID]:
        return [self.pathway]

    async def elapse(self, db: Connection, build: Build, page: Elapsed) -> None:  # noqa: ARG002
        self.elapsed += [standing.position for standing in page.standings.values()]

    async def next_due(self, *_: object) -> None:
        return None


async def test_no_deadline_is_processed_before_what_was_recorded_is_folded(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        interrupted = Interrupted(await place.open())
        await follower_of(pool, place, (interrupted,)).catch_up()
        assert (await status_of(pool, place, "interrupted")).position == 0
        assert interrupted.elapsed == []


class Torn:
    """A log in which one stored event can no longer be read."""

    def __init__(self, log: EventLog, position: int) -> None:
        self._log = log
        self._position = position

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    async def page(self, territory: str, *, after: int, limit: int = 1000) -> list[Stored]:
        if after < self._position <= after + limit:
            raise UnreadableEvent(territory, self._position, "altered")
        return await self._log.page(territory, after=after, limit=limit)

    async def read_stream(
        self, territory: str, stream_id: UUID, *, after_version: int = 0, until_position: int | None = None
    ) -> list[Stored]:
        history = await self._log.read_stream(
            territory, stream_id, after_version=after_version, until_position=until_position
        )
        if any(stored.position == self._position for stored in history):
            raise UnreadableEvent(territory, self._position, "altered")
        return history

    async def read_streams(
        self, territory: str, stream_ids: Sequence[UUID], *, until_position: int | None = None
    ) -> dict[UUID, list[Stored]]:
        streams = await self._log.read_streams(territory, stream_ids, until_position=until_position)
        if any(stored.position == self._position for history in streams.values() for stored in history):
            raise UnreadableEvent(territory, self._position, "altered")
        return streams


async def test_a_pathway_that_cannot_be_read_any_more_holds_up_no_deadline_of_the_others(
    database_url: str, pool: Pool
) -> None:
    async with territory(database_url, pool) as place:
        for _ in range(3):
            await place.open()
        await catch_up(pool, place)
        place.pass_days(91)
        place.log = Torn(place.log, 2)  # type: ignore[assignment]
        await catch_up(pool, place)
        assert await pool.fetchval("SELECT count(*) FROM alerts WHERE rule = 'silence-90'") == 2
        [left] = [event for event in await parked_events(pool) if event.projection == "desynchronisation"]
        assert (left.position, left.error_type) == (2, "UnreadableEvent")


async def test_an_event_that_cannot_be_read_is_parked_for_every_projection(database_url: str, pool: Pool) -> None:
    async with poisoned(database_url, pool) as (place, _, sick):
        whole = place.log
        place.log = Torn(whole, 3)  # type: ignore[assignment]
        await catch_up(pool, place)
        assert await positions(pool) == [1, 2, 4, 6]
        kinds = {(event.projection, event.position, event.error_type) for event in await parked_events(pool)}
        assert ("desynchronisation", 3, "UnreadableEvent") in kinds
        assert ("desynchronisation", 5, None) in kinds
        assert await retry(pool, place.log, all_projections(place), territory=TERRITORY, projection="agency_inbox") == 0
        place.log = whole
        for projection in all_projections(place):
            names = {"territory": TERRITORY, "projection": projection.name, "stream_id": sick}
            assert await retry(pool, place.log, all_projections(place), **names) == 2  # type: ignore[arg-type]
        assert await positions(pool) == [1, 2, 3, 4, 5, 6]
        assert await parked_events(pool) == []


PACE_OF_PYTHON = 700
"""Objects between two looks. Tests go by a slower one."""


async def test_the_garbage_collector_is_patient_as_long_as_one_follows(database_url: str, pool: Pool) -> None:
    """At its usual pace it would look again and again through all that is kept: up to half of the time."""
    usual = gc.get_threshold()
    async with territory(database_url, pool) as place, follower_of(pool, place, all_projections(place)):
        assert gc.get_threshold() == PATIENT
        assert PATIENT[0] > 100 * PACE_OF_PYTHON
    assert gc.get_threshold() == usual
