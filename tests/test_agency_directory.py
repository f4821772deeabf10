"""The directory follows what agencies say of themselves."""

import pytest

from application.agencies import Agencies
from application.event_log import Stored
from domain.agency import AddService, CloseAgency, DescribeAgency
from domain.ids import uuid7
from infrastructure.database import Pool
from projections.agency_directory import AgencyDirectory, able_to, agencies, services
from projections.builds import add_build
from projections.projection import Page
from tests.support.following import CCAS, MISSION, TERRITORY, Territory, follower_of, territory

PROJECTIONS = (AgencyDirectory(),)
NAMED = DescribeAgency(
    name="CCAS de Montpellier", network="ccas-cias", capabilities=("social", "rights"), zones=("34172",)
)
TRAINER = DescribeAgency(name="Mission locale", network="mission-locale", capabilities=("employment", "social"))


def agencies_of(place: Territory) -> Agencies:
    return Agencies(place.log, place.clock)


async def test_lists_agencies_with_what_they_are_able_to_act_on(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await agencies_of(place).carry_out(TERRITORY, MISSION, TRAINER)
        await agencies_of(place).carry_out(TERRITORY, CCAS, NAMED)
        await follower_of(pool, place, PROJECTIONS).catch_up()

    rows = await agencies(pool, TERRITORY)
    assert [row.agency for row in rows] == [CCAS, MISSION]
    assert (rows[0].name, rows[0].network, rows[0].zones) == ("CCAS de Montpellier", "ccas-cias", ("34172",))
    assert await able_to(pool, TERRITORY, "social") == [CCAS, MISSION]
    assert await able_to(pool, TERRITORY, "employment") == [MISSION]
    assert await able_to(pool, TERRITORY, "housing") == []
    assert await able_to(pool, "FR-30", "social") == []


async def test_a_new_description_replaces_the_row(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        for command in (NAMED, DescribeAgency(name="CCAS", capabilities=("housing",))):
            await agencies_of(place).carry_out(TERRITORY, CCAS, command)
        await follower_of(pool, place, PROJECTIONS).catch_up()

    (row,) = await agencies(pool, TERRITORY)
    assert (row.name, row.network, row.capabilities, row.zones) == ("CCAS", None, ("housing",), ())
    assert await able_to(pool, TERRITORY, "social") == []


async def test_an_agency_that_left_is_able_to_do_nothing(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        for command in (NAMED, CloseAgency()):
            await agencies_of(place).carry_out(TERRITORY, CCAS, command)
        await follower_of(pool, place, PROJECTIONS).catch_up()

    assert await agencies(pool, TERRITORY) == []
    assert await able_to(pool, TERRITORY, "social") == []


async def test_lists_services_under_their_agency(database_url: str, pool: Pool) -> None:
    service_id = uuid7()
    themes = ("numerique--acceder-a-une-connexion-internet",)
    async with territory(database_url, pool) as place:
        for command in (
            NAMED,
            AddService(id=service_id, name="Cyber", themes=themes),
            AddService(id=service_id, name="Point numérique", type="atelier"),
        ):
            await agencies_of(place).carry_out(TERRITORY, CCAS, command)
        await follower_of(pool, place, PROJECTIONS).catch_up()

    (row,) = await services(pool, TERRITORY, CCAS)
    assert (row.service_id, row.name, row.type, row.themes) == (service_id, "Point numérique", "atelier", ())
    assert await services(pool, TERRITORY) == [row]
    assert await services(pool, TERRITORY, MISSION) == []


@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_folded_from_the_first_event_in_any_pages_the_rows_are_the_same(
    database_url: str, pool: Pool, page_size: int
) -> None:
    async with territory(database_url, pool) as place:
        for slug, command in ((CCAS, NAMED), (MISSION, TRAINER), (CCAS, TRAINER), (MISSION, CloseAgency())):
            await agencies_of(place).carry_out(TERRITORY, slug, command)
        await follower_of(pool, place, PROJECTIONS).catch_up()
        async with pool.acquire() as db:
            build = await add_build(db, PROJECTIONS[0], "building")
            events: list[Stored] = []
            while events := await place.log.page(
                TERRITORY, after=events[-1].position if events else 0, limit=page_size
            ):
                await PROJECTIONS[0].fold(db, build, page_of(events))
            folded = await db.fetch(build.sql("SELECT * FROM {agency_directory} ORDER BY agency"))
            assert folded == await db.fetch("SELECT * FROM agency_directory ORDER BY agency")
            assert len(folded) == 2


def page_of(events: list[Stored]) -> Page:
    return Page(territory=TERRITORY, events=events, pathways={}, steps={}, before={}, replay=True)
