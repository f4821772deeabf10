"""What the timeline shows, what it never shows, and where each pathway stands."""

from datetime import date, timedelta

from domain.opening import OpenPathway
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from infrastructure.database import Pool
from projections.pathway_timeline import PathwayTimeline, summaries, summary, timeline
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


async def test_a_summary_says_who_takes_part(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        mine = await place.open()
        shared = await place.open()
        await place.act(shared, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        await follower_of(pool, place, PROJECTIONS).catch_up()

    async with pool.acquire() as db:
        known = await summary(db, TERRITORY, shared)
        assert known is not None
        assert (known.status, known.participants, known.version) == ("open", (CCAS, MISSION), 2)
        assert [row.pathway for row in await summaries(db, TERRITORY, CCAS)] == sorted([mine, shared])
        assert [row.pathway for row in await summaries(db, TERRITORY, MISSION)] == [shared]
        assert [row.pathway for row in await summaries(db, TERRITORY, CCAS, after=mine)] == [shared]
        assert await summary(db, "FR-75", shared) is None
