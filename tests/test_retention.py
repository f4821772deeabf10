"""The night's work: who nobody has heard of for two years is archived, two years later erased; a hold stops it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api.erasure_runner import ErasureRunner
from application.pathways import PersonErased
from application.retention import Retention
from application.rights import Asked, Rights
from domain.compartments import Erased
from domain.ids import uuid7
from domain.opening import PathwayOpened
from domain.pathway import NotAParticipant
from domain.person_erasure import Level
from domain.restriction import AlreadyRestricted, LiftRestriction, RestrictionGround, RestrictPathway
from domain.retention import HoldGround, LiftHold, PlaceHold
from infrastructure.database import Pool
from projections.retention_clocks import FoldedClocks
from tests.support.erasing import Scene, scene
from tests.support.following import CCAS, TERRITORY

YEAR = 365.25


class Night:
    """A territory, and the job that looks at it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        means = scene.means
        self.rights = Rights(scene.place.log, scene.place.clock, means.vault, means.snapshots, means.traces)
        self.retention = Retention(FoldedClocks(scene.pool), self.rights, scene.erasures, scene.place.clock)

    async def falls(self) -> tuple[int, int, int]:
        """How many are archived, erased, held."""
        await self.scene.catch_up()
        report = await self.retention.carry_out(TERRITORY)
        return len(report.to_archive), len(report.to_erase), len(report.held)

    async def statuses(self) -> list[str]:
        await self.scene.catch_up()
        rows = await self.scene.pool.fetch("SELECT status FROM pathway_summaries ORDER BY opened")
        return [row["status"] for row in rows]

    async def hold(self, pathway_id: UUID, measure: PlaceHold | LiftHold) -> None:
        await self.rights.carry_out(TERRITORY, pathway_id, measure, Asked(agency=CCAS))


@pytest.fixture
async def night(database_url: str, pool: Pool, tmp_path: Path) -> AsyncIterator[Night]:
    async with scene(database_url, pool, tmp_path) as opened:
        yield Night(opened)


async def test_two_years_after_the_last_contact_archived_and_two_later_erased(night: Night) -> None:
    person = await night.scene.live()
    assert await night.falls() == (0, 0, 0)
    night.scene.place.pass_days(2 * YEAR)
    assert await night.falls() == (1, 0, 0)
    assert await night.falls() == (0, 0, 0)
    assert await night.statuses() == ["restricted"]
    night.scene.place.pass_days(2 * YEAR)
    assert await night.falls() == (0, 1, 0)
    await night.scene.erase(person)
    assert await night.statuses() == []
    assert await night.falls() == (0, 0, 0)


async def test_a_server_does_the_nights_work_by_itself(night: Night, pool: Pool) -> None:
    await night.scene.live()
    night.scene.place.pass_days(2 * YEAR)
    await night.scene.catch_up()
    place = night.scene.place
    runner = ErasureRunner(pool, place.log, night.scene.erasures, night.retention, place.clock, asyncio.Event())
    await runner.step()
    assert await night.statuses() == ["open"], "a process that starts waits a moment"
    place.clock.advance(timedelta(minutes=11))
    await runner.step()
    assert await night.statuses() == ["restricted"]
    place.pass_days(2 * YEAR)
    await runner.step()
    await night.scene.catch_up()
    await runner.step()
    await night.scene.catch_up()
    assert await night.statuses() == []


async def test_a_night_that_goes_wrong_stops_no_erasure(
    night: Night, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_territory: str) -> None:
        raise ValueError

    monkeypatch.setattr(night.retention, "carry_out", fail)
    place, erasures = night.scene.place, night.scene.erasures
    runner = ErasureRunner(pool, place.log, erasures, night.retention, place.clock, asyncio.Event())
    person = await night.scene.live()
    place.clock.advance(timedelta(minutes=11))
    await runner.step()
    asked = await night.scene.ask(person)
    await night.scene.catch_up()
    await runner.step()
    assert (await erasures.read(TERRITORY, asked.id)).level is Level.UNUSABLE


async def test_a_dry_run_tells_and_does_nothing(night: Night) -> None:
    await night.scene.live()
    night.scene.place.pass_days(2 * YEAR)
    await night.scene.catch_up()
    report = await night.retention.report(TERRITORY)
    assert (len(report.to_archive), report.carried_out) == (1, False)
    assert await night.statuses() == ["open"]


async def test_a_hold_stops_the_clock_until_it_is_lifted(night: Night) -> None:
    person = await night.scene.live()
    await night.hold(person, PlaceHold(ground=HoldGround.AUDIT))
    night.scene.place.pass_days(5 * YEAR)
    assert await night.falls() == (0, 0, 1)
    await night.hold(person, LiftHold())
    assert await night.falls() == (1, 0, 0)


async def test_a_restricted_pathway_asks_nothing_and_its_alerts_are_over(night: Night, pool: Pool) -> None:
    person = await night.scene.live()
    assert await pool.fetchval("SELECT count(*) FROM agency_inbox") > 0
    await night.rights.carry_out(
        TERRITORY,
        person,
        RestrictPathway(ground=RestrictionGround.OBJECTION_PENDING, note="Asked."),
        Asked(agency=CCAS),
    )
    assert await night.statuses() == ["restricted"]
    assert await pool.fetchval("SELECT count(*) FROM agency_inbox") == 0
    assert {row[0] for row in await pool.fetch("SELECT reason FROM alerts")} == {"restricted"}


async def test_the_machinery_does_not_open_what_names_a_restricted_person(night: Night) -> None:
    person = await night.scene.live()
    await night.rights.carry_out(
        TERRITORY, person, RestrictPathway(ground=RestrictionGround.UNLAWFUL), Asked(agency=CCAS)
    )
    opening = (await night.scene.place.log.read_stream(TERRITORY, person))[0].event
    assert isinstance(opening, PathwayOpened)
    assert isinstance(opening.family_name, Erased)
    await night.rights.carry_out(TERRITORY, person, LiftRestriction(note="Settled."), Asked(agency=CCAS))
    opening = (await night.scene.place.log.read_stream(TERRITORY, person))[0].event
    assert isinstance(opening, PathwayOpened)
    assert opening.family_name == "Lovelace"


async def test_keys_left_open_by_a_crash_are_withheld_when_it_is_asked_again(night: Night) -> None:
    person = await night.scene.live()
    pathway = await night.scene.pathway(person)
    assert pathway.subject is not None
    measure = RestrictPathway(ground=RestrictionGround.UNLAWFUL)
    await night.rights.carry_out(TERRITORY, person, measure, Asked(agency=CCAS))
    await night.scene.vault.restrict(TERRITORY, pathway.subject, False)
    with pytest.raises(AlreadyRestricted):
        await night.rights.carry_out(TERRITORY, person, measure, Asked(agency=CCAS))
    opening = (await night.scene.place.log.read_stream(TERRITORY, person))[0].event
    assert isinstance(opening, PathwayOpened)
    assert isinstance(opening.family_name, Erased)


async def test_no_measure_is_taken_on_an_erased_or_unknown_person(night: Night) -> None:
    person = await night.scene.live()
    await night.scene.erase(person)
    with pytest.raises(PersonErased):
        await night.hold(person, PlaceHold(ground=HoldGround.AUDIT))
    with pytest.raises(NotAParticipant):
        await night.hold(uuid7(), PlaceHold(ground=HoldGround.AUDIT))
