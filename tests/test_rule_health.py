"""The figures a rule is judged by are those one counts by hand, for any period, and survive a rebuild."""

import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from domain.alert import ClearedBecause
from domain.alert_response import Answer, Wrong
from infrastructure.database import Pool
from projections.builds import live_builds
from projections.content import content_hash
from projections.projection import Page
from projections.rebuild import rebuild
from projections.rule_figures import Asked, Figures, figures
from projections.rule_health import RuleHealth
from tests.support.alert_lives import AlertLife, lives
from tests.support.following import CCAS, HOUSING, MISSION, MONDAY, TERRITORY, Territory, follower_of, territory
from tests.support.rule_recount import recount

RULE = "silence-90"
DAY = timedelta(days=1)


async def fold(pool: Pool, place: Territory, page_size: int = 1000) -> None:
    await follower_of(pool, place, [RuleHealth()], page_size=page_size).catch_up()


def asked(now: datetime, **fields: object) -> Asked:
    """Of all that was raised."""
    chosen = {"territory": TERRITORY, "since": MONDAY - DAY, "until": now + DAY, "now": now} | fields
    return Asked(**chosen)  # type: ignore[arg-type]


async def hash_of(pool: Pool) -> str:
    async with pool.acquire() as db:
        [build] = (await live_builds(db, [RuleHealth()])).values()
        return await content_hash(db, build, TERRITORY)


@pytest.mark.parametrize(("seed", "page_size"), [(1, 1000), (2, 3)])
async def test_a_hundred_alerts_count_as_they_do_by_hand(
    database_url: str, pool: Pool, seed: int, page_size: int
) -> None:
    """Whatever was done about them, in any period, for all or for one agency; folded at once or page by page."""
    dice = random.Random(seed)  # noqa: S311 - a plausible history, not a secret
    async with territory(database_url, pool) as place:
        raisings = await lives(place, dice, 100)
        end = place.clock.now()
        await fold(pool, place, page_size)
        for now in (end, MONDAY + 100 * DAY):
            for question in (
                asked(now),
                asked(now, by_agency=True),
                asked(now, agency=MISSION),
                asked(now, rule=RULE),
                asked(now, since=MONDAY + 40 * DAY, until=MONDAY + 120 * DAY, by_agency=True),
            ):
                found = await figures(pool, question)
                assert found == recount(raisings, question)
                assert found
        before = await hash_of(pool)
        await rebuild(pool, place.log, [RuleHealth()], place.clock)
        assert await hash_of(pool) == before


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as place:
        yield place


async def alert_in(place: Territory, rule: str = RULE, version: int = 1) -> AlertLife:
    return AlertLife(place, await place.open(), rule, version)


async def only_line(pool: Pool, place: Territory, **fields: object) -> Figures:
    await fold(pool, place)
    [line] = await figures(pool, asked(place.clock.now(), **fields))
    return line


async def test_what_nobody_was_told_of_is_counted_apart(pool: Pool, place: Territory) -> None:
    for quiet, hidden in ((True, False), (False, True), (False, False)):
        await (await alert_in(place)).raise_(quiet=quiet, hidden=hidden)
    line = await only_line(pool, place)
    assert (line.raised, line.told, line.still_open) == (3, 1, 3)


async def test_what_a_waiver_hushed_counts_as_told_once_the_waiver_is_over(pool: Pool, place: Territory) -> None:
    life = await alert_in(place)
    await life.raise_()
    place.pass_days(1)
    await life.waive(CCAS, days=30)
    place.pass_days(1)
    await life.clear(ClearedBecause.DONE_LATE, by=CCAS)
    place.pass_days(5)
    await life.raise_(quiet=True)
    assert (await only_line(pool, place)).told == 1
    place.pass_days(30)
    await life.end_waiver(tells=True)
    line = await only_line(pool, place)
    assert (line.raised, line.told, line.repeats, line.waived) == (2, 2, 1, 1)
    assert [line] == recount(life.raisings, asked(place.clock.now()))


@pytest.mark.parametrize("disclosed_first", [True, False])
async def test_hushed_and_hidden_it_counts_as_told_once_both_are_over(
    pool: Pool, place: Territory, disclosed_first: bool
) -> None:
    life = await alert_in(place)
    await life.raise_()
    await life.waive(CCAS, days=30)
    place.pass_days(1)
    await life.clear(ClearedBecause.DONE_LATE, by=CCAS)
    place.pass_days(1)
    await life.raise_(quiet=True, hidden=True)
    for over in (True, False) if disclosed_first else (False, True):
        assert (await only_line(pool, place)).told == 1
        place.pass_days(15)
        if over:
            await life.disclose(quiet=disclosed_first)
        else:
            await life.end_waiver()
    assert (await only_line(pool, place)).told == 2


async def test_only_an_act_of_an_agency_told_counts_as_acting(pool: Pool, place: Territory) -> None:
    """Not that of an agency that was not, nor a change of rules, nor time; on the other hand, whoever takes it up."""
    for reason, by in (
        (ClearedBecause.DONE_LATE, CCAS),
        (ClearedBecause.DONE_LATE, HOUSING),
        (ClearedBecause.RULE_CHANGE, None),
        (ClearedBecause.RELEASED, None),
    ):
        life = await alert_in(place)
        await life.raise_()
        place.pass_days(1)
        await life.clear(reason, by=by)
    taken = await alert_in(place)
    await taken.raise_()
    place.pass_days(1)
    await taken.answer(MISSION, Answer.TAKING)
    line = await only_line(pool, place)
    assert (line.told, line.acted_on, line.acted_on_share) == (5, 2, 0.4)
    assert line.cleared_because == {
        ClearedBecause.DONE_LATE: 2,
        ClearedBecause.RULE_CHANGE: 1,
        ClearedBecause.RELEASED: 1,
    }
    assert (await only_line(pool, place, agency=MISSION)).acted_on == 1


async def test_who_changes_their_mind_has_not_acted(pool: Pool, place: Territory) -> None:
    life = await alert_in(place)
    await life.raise_()
    await life.answer(CCAS, Answer.TAKING)
    await life.answer(CCAS, Answer.NOT_CONCERNED)
    line = await only_line(pool, place)
    assert (line.acknowledged, line.acted_on) == (1, 0)


@pytest.mark.parametrize(("acted_on", "days", "to_review"), [(2, 60, True), (3, 60, False), (0, 59, False)])
async def test_a_rule_that_too_few_act_on_for_sixty_days_is_to_be_looked_at_again(
    pool: Pool, place: Territory, acted_on: int, days: int, to_review: bool
) -> None:
    """Under 30 %, since sixty days: of ten alerts, two acted on are too few and three are not."""
    for number in range(10):
        life = await alert_in(place)
        await life.raise_()
        if number < acted_on:
            await life.answer(CCAS, Answer.IN_SUPPORT)
    place.pass_days(days)
    line = await only_line(pool, place, since=place.clock.now() - DAY)
    assert (line.raised, line.review_told, line.review_share) == (0, 10, acted_on / 10)
    assert line.to_review is to_review


async def test_nothing_is_said_of_what_nobody_had_a_week_for(pool: Pool, place: Territory) -> None:
    first = await alert_in(place)
    await first.raise_()
    await first.answer(CCAS, Answer.TAKING)
    place.pass_days(54)
    for _ in range(5):
        await (await alert_in(place)).raise_()
    place.pass_days(6)
    line = await only_line(pool, place)
    assert (line.review_told, line.review_share, line.to_review) == (1, 1.0, False)
    place.pass_days(1)
    line = await only_line(pool, place)
    assert (line.review_told, line.to_review) == (6, True)


async def test_what_is_disputed_lowers_the_precision_of_its_rule(pool: Pool, place: Territory) -> None:
    for wrong in (Wrong.RULE_TOO_STRICT, Wrong.DATA_ERROR, None, None, None):
        life = await alert_in(place)
        await life.raise_()
        await life.answer(CCAS, Answer.TAKING)
        if wrong is not None:
            await life.dispute(MISSION, wrong)
    line = await only_line(pool, place)
    assert line.disputed_for == {Wrong.RULE_TOO_STRICT: 1, Wrong.DATA_ERROR: 1}
    assert (line.disputed, line.precision) == (2, 0.6)


async def test_nothing_is_kept_of_an_erased_person(pool: Pool, place: Territory) -> None:
    gone, kept = await alert_in(place), await alert_in(place)
    for life in (gone, kept):
        await life.raise_()
    await fold(pool, place)
    async with pool.acquire() as db:
        [build] = (await live_builds(db, [RuleHealth()])).values()
        erased = Page(
            territory=TERRITORY,
            events=(),
            pathways={},
            steps={},
            before={},
            replay=False,
            erased={gone.pathway: frozenset({gone.alert})},
        )
        await RuleHealth().fold(db, build, erased)
    assert [row["alert"] for row in await pool.fetch("SELECT alert FROM alert_episodes")] == [kept.alert]
    assert await pool.fetchval("SELECT count(*) FROM alert_responses WHERE alert = $1", gone.alert) == 0
    await gone.acknowledge(CCAS)  # What comes late changes nothing.
    assert (await only_line(pool, place)).raised == 1
