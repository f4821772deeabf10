"""An erased person is forgotten everywhere; the rest still replays, and the log's hashes stay what they were."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from application.erasure import UnknownErasure
from application.key_vault import KeyDestroyed
from application.message_types import ERASED_MESSAGE
from domain.contact import Channel, RecordContact
from domain.erasure import ErasedCreation
from domain.ids import uuid7
from domain.pathway import NotAParticipant
from domain.person_erasure import Level, PersonErased, Step
from domain.retention import HoldGround, LegalHold, LiftHold, PlaceHold
from infrastructure.database import Pool
from projections.alert_board import AlertBoard
from projections.builds import live_builds
from projections.content import content_hash
from projections.erasures import erasures, notices, unfinished
from projections.rebuild import rebuild
from projections.reconciliation import Reconciliation
from tests.support.erasing import Hashes, Scene, listen_for, scene
from tests.support.following import CCAS, MISSION, TERRITORY, all_projections

ALL_BUT_THE_LAST = [step for step in Step if step not in (Step.KEK_EPOCH_DESTROYED, Step.CERTIFIED)]


@pytest.fixture
async def here(database_url: str, pool: Pool, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(database_url, pool, tmp_path) as opened:
        yield opened


async def test_every_step_is_taken_but_those_that_need_time(here: Scene) -> None:
    erasure = await here.erase(await here.live())
    assert list(erasure.done) == ALL_BUT_THE_LAST
    assert erasure.level is Level.UNUSABLE
    assert erasure.recipients == (CCAS, MISSION)


async def test_nothing_is_left_in_any_view_and_all_of_the_other_person(here: Scene) -> None:
    person, other = await here.live(), await here.live()
    before = await here.rows_of(other)
    assert len(await here.rows_of(person)) > 8
    await here.erase(person)
    await here.catch_up()
    assert await here.rows_of(person) == {}
    assert await here.rows_of(other) == before


async def test_what_is_left_in_the_log_replays_as_erased_with_its_hashes(here: Scene, pool: Pool) -> None:
    person = await here.live()
    leaves = await pool.fetch("SELECT position, leaf FROM events ORDER BY position")
    await here.erase(person)
    history = await here.place.log.read_stream(TERRITORY, person)
    assert isinstance(history[0].event, ErasedCreation)
    assert isinstance(history[-1].event, PersonErased)
    assert (await here.pathway(person)).erased
    after = await pool.fetch("SELECT position, leaf FROM events WHERE position <= $1 ORDER BY position", len(leaves))
    assert after == leaves
    kept = await pool.fetch("SELECT topic FROM events WHERE subject IS NOT NULL AND payload IS NOT NULL")
    assert [row["topic"] for row in kept] == ["person.erased"]


async def test_a_view_replayed_from_zero_holds_what_the_one_in_use_holds(here: Scene, pool: Pool) -> None:
    person, _ = await here.live(), await here.live()
    await here.erase(person)
    await here.catch_up()
    projections = all_projections(here.place)

    async def hashes() -> dict[str, str]:
        async with pool.acquire() as db:
            builds = await live_builds(db, projections)
            return {name: await content_hash(db, build, TERRITORY) for name, build in builds.items()}

    before = await hashes()
    await rebuild(pool, here.place.log, projections, here.place.clock)
    assert await hashes() == before


async def test_the_self_check_finds_nothing_amiss(here: Scene, pool: Pool) -> None:
    person, _ = await here.live(), await here.live()
    await here.erase(person)
    await here.catch_up()
    run = Reconciliation(pool, here.place.log, all_projections(here.place))
    pages = [page async for page in run.pages(TERRITORY, here.place.clock.now())]
    assert [page.differences for page in pages] == [()]


async def test_nothing_more_can_be_recorded_of_the_person(here: Scene) -> None:
    person = await here.live()
    await here.erase(person)
    with pytest.raises((KeyDestroyed, NotAParticipant)):
        await here.place.act(person, CCAS, RecordContact(channel=Channel.PHONE))


async def test_snapshots_hashes_messages_and_outcomes_go(here: Scene, pool: Pool) -> None:
    await listen_for(pool, MISSION)
    person = await here.live()
    pathway = await here.pathway(person)
    here.means.snapshots.offer(TERRITORY, pathway, folded=1)
    await here.means.snapshots.close()  # type: ignore[attr-defined]
    assert await pool.fetchval("SELECT count(*) FROM snapshots") == 1
    assert await pool.fetchval("SELECT count(*) FROM outbox") > 0
    assert await pool.fetchval("SELECT count(*) FROM idempotency") > 0
    await here.erase(person)
    assert await pool.fetchval("SELECT count(*) FROM snapshots") == 0
    assert await pool.fetchval("SELECT count(*) FROM idempotency") == 0
    assert isinstance(here.means.blind_index, Hashes)
    assert here.means.blind_index.forgotten == [pathway.subject]
    left = await pool.fetch("SELECT agency, type, subject_id, pathway FROM outbox ORDER BY agency")
    assert [tuple(row) for row in left] == [
        (CCAS, ERASED_MESSAGE, person, None),
        (MISSION, ERASED_MESSAGE, person, None),
    ]
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 1


async def test_the_agencies_that_knew_of_the_person_are_told_and_no_other(here: Scene, pool: Pool) -> None:
    person = await here.live()
    await here.erase(person)
    await here.catch_up()
    async with pool.acquire() as db:
        assert [notice.pathway for notice in await notices(db, TERRITORY, MISSION)] == [person]
        assert await notices(db, TERRITORY, "caf-75") == []


async def test_asked_for_again_it_is_the_same_erasure(here: Scene) -> None:
    person = await here.live()
    first = await here.erase(person)
    again = await here.erasures.advance(TERRITORY, first.id)
    assert (again.id, again.version) == (first.id, first.version)


async def test_a_legal_hold_refuses_and_lifted_lets_it_be_asked_again(here: Scene, pool: Pool) -> None:
    person = await here.live()
    asked = await here.ask(person)
    await here.place.act(person, CCAS, PlaceHold(ground=HoldGround.LITIGATION))  # type: ignore[arg-type]
    refused = await here.erasures.advance(TERRITORY, asked.id)
    assert refused.refused_for is not None
    assert refused.next_step is None
    with pytest.raises(LegalHold):
        await here.ask(person)
    await here.catch_up()
    async with pool.acquire() as db:
        assert [row.refused for row in await erasures(db, TERRITORY)] == [True]
        assert await unfinished(db) == []
    await here.place.act(person, CCAS, LiftHold())  # type: ignore[arg-type]
    assert (await here.erase(person)).level is Level.UNUSABLE


async def test_copies_become_unreadable_when_the_wrapping_key_is_destroyed(here: Scene) -> None:
    person = await here.live()
    erasure = await here.erase(person)
    epochs = here.means.epochs
    assert erasure.kek_epoch == 1

    here.place.pass_days(7)
    assert (await here.erasures.advance(TERRITORY, erasure.id)).next_step is Step.KEK_EPOCH_DESTROYED
    assert (await epochs.current()).number == 2
    here.place.pass_days(29)
    assert (await here.erasures.advance(TERRITORY, erasure.id)).next_step is Step.KEK_EPOCH_DESTROYED
    here.place.pass_days(1)
    certified = await here.erasures.advance(TERRITORY, erasure.id)
    assert certified.level is Level.UNREADABLE
    assert certified.done[Step.CERTIFIED].at <= (erasure.unreadable_due or here.place.clock.now()) + timedelta(days=1)
    assert [epoch.number for epoch in await epochs.epochs() if epoch.destroyed_at is None] == [2]


async def test_whoever_cannot_wait_may_destroy_the_wrapping_key_at_once(here: Scene) -> None:
    person, other = await here.live(), await here.live()
    assert (await here.erase(person, at_once=True)).level is Level.UNREADABLE
    assert not (await here.pathway(other)).erased


async def test_an_alert_that_came_in_between_is_forgotten_too(here: Scene, pool: Pool) -> None:
    """One raised by a process that had not heard yet that the keys are gone."""
    person = await here.live()
    erasure = await here.ask(person)
    await here.erasures.advance(TERRITORY, erasure.id)
    await pool.execute(
        f"INSERT INTO alert_recipients_v{AlertBoard.version}_b1 (alert, territory, agency, role, sees)"
        " SELECT DISTINCT stream_id, territory, 'late', 'acting', 'notice' FROM events WHERE topic = 'alert.raised'"
    )
    alerts = await here.means.traces.alerts_of(TERRITORY, person)
    assert alerts
    assert await here.means.read_models.sweep(TERRITORY, person, alerts) == len(alerts)
    assert await here.rows_of(person) == {}


async def test_what_was_parked_of_the_person_goes_too(here: Scene, pool: Pool) -> None:
    """A stream that a view could not fold is left aside, its erasure with it: the sweep comes after."""
    person = await here.live()
    await pool.execute(
        "INSERT INTO parked_events (position, stream_id, build, territory, name, topic)"
        " SELECT position, stream_id, 1, territory, 'pathway_timeline', topic FROM events"
        " WHERE stream_id = $1 ORDER BY position DESC LIMIT 1",
        person,
    )
    await pool.execute("UPDATE consumers SET decisions = decisions + 1")
    await here.erase(person)
    await here.catch_up()
    assert await here.rows_of(person) == {}
    assert await pool.fetchval("SELECT count(*) FROM parked_events") == 0


async def test_more_alerts_than_one_event_holds_are_named_in_several(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await here.live()
    here.place.pass_days(120)
    await here.catch_up()
    erasure = await here.ask(person)
    alerts = await here.means.traces.alerts_of(TERRITORY, person)
    assert len(alerts) > 1
    monkeypatch.setattr("application.erasure.ALERTS_IN_ONE_EVENT", 1)
    await here.erasures.advance(TERRITORY, erasure.id)
    history = await here.place.log.read_stream(TERRITORY, person)
    said = [stored.event for stored in history if isinstance(stored.event, PersonErased)]
    assert [event.alerts for event in said] == [(alert,) for alert in alerts]


async def test_an_unknown_erasure_is_refused(here: Scene) -> None:
    with pytest.raises(UnknownErasure):
        await here.erasures.read(TERRITORY, uuid7())
