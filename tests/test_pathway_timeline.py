"""What the timeline shows, what it never shows, and where each pathway stands."""

from datetime import date, timedelta
from typing import Any

from domain.correction import CorrectEntry, RetractEntry
from domain.opening import OpenPathway
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.relocation import RecordRelocation
from domain.suspension import SuspendPathway, SuspensionMotive
from infrastructure.database import Pool
from projections.pathway_list import PathwaySummary, Sort, Wanted, pathways_of
from projections.pathway_timeline import PathwayTimeline, timeline
from projections.rebuild import rebuild
from tests.support.following import CCAS, MISSION, TERRITORY, TRAINING_NEED, follower_of, territory

PROJECTIONS = (PathwayTimeline(),)


async def test_shows_each_event_in_codes_in_the_order_it_was_learnt(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        referral_id = await place.act(
            pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, on=date(2026, 1, 2))
        )
        assert referral_id is not None
        place.clock.advance(timedelta(days=1))
        await place.act(pathway_id, MISSION, MoveReferral(referral_id=referral_id, status=ReferralStatus.ACCEPTED))
        await follower_of(pool, place, PROJECTIONS).catch_up()

    async with pool.acquire() as db:
        rows = await timeline(db, TERRITORY, pathway_id)
    assert [(row.position, row.topic, row.agency) for row in rows] == [
        (1, "pathway.opened", CCAS),
        (2, "referral.requested", CCAS),
        (3, "referral.moved", MISSION),
    ]
    assert rows[1].occurred == date(2026, 1, 2)
    assert rows[1].summary["to_agency"] == MISSION
    assert rows[2].summary["status"] == "accepted"


async def test_pages_by_position(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await follower_of(pool, place, PROJECTIONS).catch_up()

    async with pool.acquire() as db:
        first = await timeline(db, TERRITORY, pathway_id, limit=1)
        second = await timeline(db, TERRITORY, pathway_id, after=first[-1].position)
    assert [row.position for row in first + second] == [1, 2]


async def test_names_and_notes_never_reach_the_rows(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open(CCAS, OpenPathway(given_name="Canarine", family_name="Zinzolin"))
        await place.act(
            pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, note="Canarine a mal au dos.")
        )
        await follower_of(pool, place, PROJECTIONS).catch_up()

    stored = await pool.fetchval("SELECT string_agg(t::text, ' ') FROM pathway_timeline t")
    assert TRAINING_NEED in stored
    assert "anarine" not in stored
    assert "Zinzolin" not in stored


async def listed(pool: Pool, agency: str = CCAS, *, territory: str = TERRITORY, **wanted: Any) -> list[PathwaySummary]:
    async with pool.acquire() as db:
        return await pathways_of(db, territory, agency, Wanted(**wanted))


async def test_a_summary_says_who_takes_part(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        mine = await place.open()
        shared = await place.open()
        await place.act(shared, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await follower_of(pool, place, PROJECTIONS).catch_up()

    [_, known] = await listed(pool)
    assert (known.status, known.participants, known.version) == ("open", (CCAS, MISSION), 2)
    assert [row.pathway for row in await listed(pool)] == [mine, shared]
    assert [row.pathway for row in await listed(pool, MISSION)] == [shared]
    assert await listed(pool, territory="FR-75") == []


async def test_a_pathway_is_known_by_where_its_opening_stands_in_the_log(database_url: str, pool: Pool) -> None:
    """Whatever happens to it later, and however it is folded again."""
    async with territory(database_url, pool) as place:
        first = await place.open()
        await place.act(first, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        second = await place.open()
        await follower_of(pool, place, PROJECTIONS).catch_up()
        for pathway in (second, first):
            await place.act(pathway, CCAS, CorrectEntry(entry_id=pathway, start=date(2026, 1, 2)))
        await follower_of(pool, place, PROJECTIONS).catch_up()
        references = [(first, 1), (second, 3)]
        assert [(row.pathway, row.opened) for row in await listed(pool)] == references
        assert [(row.pathway, row.opened) for row in await listed(pool, MISSION)] == references[:1]
        await rebuild(pool, place.log, PROJECTIONS, place.clock)
        assert [(row.pathway, row.opened) for row in await listed(pool)] == references
        assert [(await place.pathway(pathway)).reference for pathway in (first, second)] == ["P-00001", "P-00003"]


async def test_the_zone_is_where_the_last_move_that_took_place_led(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        moved, waiting = await place.open(), await place.open()
        for zone, day in (("34172", 3), ("34032", 1)):
            done = RecordRelocation(to_zone=zone, on=date(2026, 1, day))
            await place.act(moved, CCAS, done)
        await place.act(waiting, CCAS, RecordRelocation(to_zone="34032", on=date(2026, 5, 1), planned=True))
        await follower_of(pool, place, PROJECTIONS).catch_up()
    assert [row.zone for row in await listed(pool)] == ["34172", None]
    assert [row.pathway for row in await listed(pool, zone="34172")] == [moved]
    assert await listed(pool, zone="34032") == []


async def test_who_no_longer_takes_part_has_it_no_more_in_the_list(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway = await place.open()
        referral = await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        assert referral is not None
        await follower_of(pool, place, PROJECTIONS).catch_up()
        assert len(await listed(pool, MISSION)) == 1
        await place.act(pathway, CCAS, RetractEntry(entry_id=referral))
        await follower_of(pool, place, PROJECTIONS).catch_up()
    assert await listed(pool, MISSION) == []


async def test_every_order_is_the_reverse_of_another_and_goes_on_where_a_page_ended(
    database_url: str, pool: Pool
) -> None:
    async with territory(database_url, pool) as place:
        opened = [await place.open() for _ in range(5)]
        for pathway in (opened[3], opened[0]):
            await place.act(pathway, CCAS, SuspendPathway(motive=SuspensionMotive.HOSPITAL_STAY))
        await follower_of(pool, place, PROJECTIONS).catch_up()
    updated = [opened[index] for index in (1, 2, 4, 3, 0)]
    for sort, expected in (
        (Sort.OPENED, opened),
        (Sort.LATEST_OPENED, opened[::-1]),
        (Sort.UPDATED, updated),
        (Sort.LATEST_UPDATED, updated[::-1]),
    ):
        found: list[PathwaySummary] = []
        async with pool.acquire() as db:
            while True:
                after = found[-1].place(sort) if found else None
                page = await pathways_of(db, TERRITORY, CCAS, Wanted(sort=sort), after=after, limit=2)
                if not page:
                    break
                found += page
        assert [row.pathway for row in found] == expected
    assert [row.pathway for row in await listed(pool, status="suspended", sort=Sort.UPDATED)] == updated[-2:]
