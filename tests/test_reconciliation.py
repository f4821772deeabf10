"""Everything judged again is as it is stored; what is not is reported, whatever changed it."""

from domain.diagnosis import FoundNeed, RecordDiagnosis
from infrastructure.database import Pool
from projections.reconciliation import Reconciled, Reconciliation
from tests.support.following import (
    CCAS,
    TERRITORY,
    TRAINING_NEED,
    Territory,
    all_projections,
    catch_up,
    territory,
)


async def reconciled(pool: Pool, place: Territory, *, limit: int = 200) -> list[Reconciled]:
    run = Reconciliation(pool, place.log, all_projections(place))
    return [page async for page in run.pages(TERRITORY, place.clock.now(), limit=limit)]


async def lives(place: Territory) -> None:
    """Three pathways with a need, on which a month passes."""
    for _ in range(3):
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
        place.pass_days(1)
    place.pass_days(31)


async def test_what_was_followed_is_as_it_is_judged(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await lives(place)
        await catch_up(pool, place)
        pages = await reconciled(pool, place, limit=2)
    assert [page.pathways for page in pages] == [2, 1]
    assert sum(page.obligations for page in pages) == await pool.fetchval("SELECT count(*) FROM obligations") > 3
    assert [page.differences for page in pages] == [(), ()]


async def test_a_row_that_somebody_changed_is_reported(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await lives(place)
        await catch_up(pool, place)
        changed = await pool.fetchrow(
            "UPDATE obligations SET status = 'satisfied' WHERE status = 'violated_open' RETURNING pathway, rule"
        )
        [page] = await reconciled(pool, place)
    assert changed is not None
    first = next(one for one in page.differences if one.pathway == changed["pathway"])
    assert (first.rule, first.stored, first.judged, first.fields) == (
        changed["rule"],
        "satisfied",
        "violated_open",
        ("status",),
    )


async def test_rows_and_deadlines_that_were_lost_are_reported(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await lives(place)
        await catch_up(pool, place)
        last = "SELECT max(pathway::text)::uuid FROM pathway_deadlines"
        lost = await pool.fetchval(f"DELETE FROM pathway_deadlines WHERE pathway = ({last}) RETURNING pathway")
        [page] = await reconciled(pool, place)
    assert [(one.pathway, one.judged) for one in page.differences] == [(lost, "never judged")]


async def test_a_pathway_whose_deadline_has_come_is_left_to_the_follower(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await lives(place)
        await catch_up(pool, place)
        place.pass_days(400)
        [page] = await reconciled(pool, place)
    assert (page.waiting, page.obligations, page.differences) == (3, 0, ())
