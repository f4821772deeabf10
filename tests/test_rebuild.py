"""A projection replayed from the first event holds what the one in use holds; the swap shows nothing half-built."""

import asyncio
import itertools
import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.rulebook import load_rules
from application.rules_in_force import RulesInForce
from domain.accompaniment import AccompanimentKind, RecordAccompaniment
from domain.appointment import BookAppointment
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.contact import Channel, RecordContact
from domain.correction import CorrectEntry, RetractEntry
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.errors import DomainError
from domain.referent import AssignReferent
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.rules import Calendars
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from infrastructure.database import Pool, create_pool
from projections.builds import live_builds
from projections.content import content_hash
from projections.rebuild import AlreadyRebuilding, NotRebuildable, Progress, rebuild
from projections.registry import projections
from tests.support.following import (
    CCAS,
    HOUSING,
    MISSION,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    catch_up,
    follower_of,
    territory,
)


async def hashes(pool: Pool, place: Territory) -> dict[str, str]:
    async with pool.acquire() as db:
        builds = await live_builds(db, all_projections(place))
        return {name: await content_hash(db, build, place.name) for name, build in builds.items()}


async def live_year(place: Territory, seed: int, steps: int) -> None:
    """What services might do with a few pathways, corrections and retractions included; what is refused is left out."""
    dice = random.Random(seed)  # noqa: S311 - a plausible history, not a secret
    pathways = [await place.open(dice.choice((CCAS, MISSION))) for _ in range(3)]
    await place.join(MISSION, "training")
    for _ in range(steps):
        place.clock.advance(timedelta(hours=dice.randrange(1, 24 * 12)))
        pathway_id = dice.choice(pathways)
        pathway = await place.pathway(pathway_id)
        today = place.clock.now().date()
        entries = [entry.id for entry in pathway.ledger.entries.values()]
        entry_id = dice.choice(entries)
        on = today - timedelta(days=dice.randrange(0, 20))
        start = place.clock.now() + timedelta(hours=3)
        command = dice.choice(
            (
                RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), on=on),
                RequestReferral(to_agency=dice.choice((MISSION, HOUSING)), theme=TRAINING_NEED, on=on),
                MoveReferral(referral_id=entry_id, status=dice.choice(list(ReferralStatus)), reason="…"),
                RecordContact(channel=Channel.PHONE, on=on),
                BookAppointment(start=start, end=start + timedelta(hours=1)),
                RecordAccompaniment(kind=AccompanimentKind.SOCIO_PROFESSIONAL, start=on),
                AssignReferent(to_agency=dice.choice((CCAS, MISSION))),
                SuspendPathway(motive=SuspensionMotive.PERSON_ASKED),
                ResumePathway(),
                ClosePathway(outcome=ClosureOutcome.HOUSED),
                ReopenPathway(),
                CorrectEntry(entry_id=entry_id, start=on),
                RetractEntry(entry_id=entry_id),
            )
        )
        for agency in (CCAS, MISSION, HOUSING):
            try:
                await place.act(pathway_id, agency, command)
            except DomainError:
                continue
            break
    place.clock.advance(timedelta(days=dice.randrange(0, 200)))


EXAMPLES = itertools.count()


@settings(max_examples=settings().max_examples // 8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(5, 40), page_size=st.sampled_from((1, 3, 1000)))
async def test_replayed_from_zero_every_projection_holds_the_same(
    database_url: str, pool: Pool, seed: int, steps: int, page_size: int
) -> None:
    """Whatever happened, however the log was cut into pages, and although a rebuild takes another way through it."""
    async with territory(database_url, pool, name=f"FR-{next(EXAMPLES)}") as place:
        everything = all_projections(place)
        await live_year(place, seed, steps)
        follower = follower_of(pool, place, everything, page_size=page_size)
        await follower.catch_up()
        before = await hashes(pool, place)
        head = await place.log.head(place.name)
        await rebuild(pool, place.log, everything, place.clock)
        assert await hashes(pool, place) == before
        await follower.catch_up()
        assert await hashes(pool, place) == before
        assert await place.log.head(place.name) == head, "a rebuild tells nobody anything"


async def test_what_is_not_yet_due_in_the_projection_in_use_is_told_after_the_swap(
    database_url: str, pool: Pool
) -> None:
    """The follower was stopped while a deadline passed; a rebuild in between must not swallow the alert."""
    async with territory(database_url, pool) as place:
        await place.open()
        await catch_up(pool, place)
        place.pass_days(100)
        await rebuild(pool, place.log, all_projections(place), place.clock)
        assert await pool.fetchval("SELECT count(*) FROM alerts") == 0
        await catch_up(pool, place)
        assert await pool.fetchval("SELECT count(*) FROM alerts") == 1


async def test_a_rebuild_stopped_on_the_way_goes_on_from_there(
    database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.rebuild.EVENTS_PER_BATCH", 1)
    async with territory(database_url, pool) as place:
        for _ in range(130):
            await place.open()
        await catch_up(pool, place)
        before = await hashes(pool, place)
        seen: list[int] = []

        def stop_early(progress: Progress) -> None:
            seen.append(progress.position)
            if len(seen) == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await rebuild(pool, place.log, all_projections(place), place.clock, ["pathway_timeline"], stop_early)
        assert await hashes(pool, place) == before, "queries still see the build in use"
        await rebuild(pool, place.log, all_projections(place), place.clock, ["pathway_timeline"], stop_early)
        assert seen == sorted(seen)
        assert 0 < seen[0] < seen[-1] == await place.log.head(TERRITORY)
        assert await hashes(pool, place) == before


async def test_queries_are_answered_and_events_followed_while_rebuilding(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place, create_pool(database_url, application_name="reader") as readers:
        for _ in range(50):
            await place.open()
        follower = follower_of(pool, place, all_projections(place), poll_s=0.05)
        async with follower:
            assert await follower.caught_up(TERRITORY, 50, 10)
            counts: list[int] = []
            done = asyncio.Event()

            async def read() -> None:
                while not done.is_set():
                    counts.append(await readers.fetchval("SELECT count(*) FROM pathway_timeline"))

            async def write() -> None:
                for _ in range(30):
                    await place.open()
                    await asyncio.sleep(0)

            reading = asyncio.create_task(read())
            writing = asyncio.create_task(write())
            await rebuild(pool, place.log, all_projections(place), place.clock)
            await writing
            assert await follower.caught_up(TERRITORY, 80, 10)
            done.set()
            await reading
    assert min(counts) >= 50, "no query ever saw a half-built table"
    assert counts == sorted(counts)
    assert await pool.fetchval("SELECT count(*) FROM pathway_timeline") == 80


async def test_the_tables_of_the_build_before_are_dropped(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        await catch_up(pool, place)
        for _ in range(2):
            await rebuild(pool, place.log, all_projections(place), place.clock, ["agency_inbox"])
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'agency_inbox%'"
    assert [row["relname"] for row in await pool.fetch(tables)] == ["agency_inbox_v2_b3"]


async def test_two_rebuilds_at_once_are_refused(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await place.open()
        await catch_up(pool, place)

        async def rebuilt() -> None:
            await rebuild(pool, place.log, all_projections(place), place.clock)

        results = await asyncio.gather(rebuilt(), rebuilt(), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [AlreadyRebuilding.__name__, "NoneType"]


async def test_a_step_with_effects_is_never_rebuilt(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        with pytest.raises(NotRebuildable):
            await rebuild(pool, place.log, all_projections(place), place.clock, ["notifications"])


async def test_under_other_rules_a_follower_rebuilds_and_puts_right_what_was_told(
    database_url: str, pool: Pool
) -> None:
    """A rule that is gone clears its alerts, a new one raises its own; nobody is pushed a message about either."""
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        place.pass_days(60)
        await catch_up(pool, place)
        assert await open_alerts(pool) == ["referral-acknowledged"]
        told = await pool.fetchval(TOLD_OF_ALERTS)

        changed = projections(place.log, RulesInForce(load_rules(SILENCE_30)), Calendars())
        async with follower_of(pool, place, changed, poll_s=0.05) as follower:
            async with asyncio.timeout(10):
                while await open_alerts(pool) != ["silence-30-days"]:
                    await asyncio.sleep(0.05)
            assert await follower.caught_up(TERRITORY, await place.log.head(TERRITORY), 10)
    assert await pool.fetchval("SELECT reason FROM alerts WHERE rule = 'referral-acknowledged'") == "rule_change"
    assert await pool.fetchval(TOLD_OF_ALERTS) == told


TOLD_OF_ALERTS = "SELECT count(*) FROM outbox WHERE type LIKE 'unisson.alert.%'"


async def open_alerts(pool: Pool) -> list[str]:
    return [row["rule"] for row in await pool.fetch("SELECT rule FROM alerts WHERE status = 'open' ORDER BY rule")]


SILENCE_30 = """
rule: silence-30-days
kind: silence
of: {on: contact_events}
gap: 30d
"""
