"""Why an alert was raised, worked out again: by the rules and the calendar of then, whatever became of them since."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from application.event_log import Stored
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from application.why import CannotBeJudgedAgain, Whys
from domain.alert import AlertRaised
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.rules import Calendars, Ruleset, parse_rules
from infrastructure.database import Pool
from tests.support.following import CCAS, MISSION, TRAINING_NEED, Territory, catch_up, territory
from tests.support.four_rules import four_rules
from tests.support.steering import Steering, shipped_document


async def unanswered(place: Territory, pool: Pool) -> UUID:
    """A pathway whose referral nobody answered in five working days."""
    pathway = await place.open()
    await place.act(pathway, CCAS, RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)))
    await place.act(pathway, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
    place.pass_days(12)
    await catch_up(pool, place)
    return pathway


async def history_of(pool: Pool, place: Territory, rule: str) -> Sequence[Stored]:
    alert = await pool.fetchval("SELECT alert FROM alerts WHERE territory = $1 AND rule = $2", place.name, rule)
    return await place.log.read_stream(place.name, alert)


def whys(place: Territory, calendars: Calendars | None = None, shipped: Ruleset | None = None) -> Whys:
    rulebooks = Rulebooks(place.log, place.clock, RulesInForce(shipped or four_rules()))
    return Whys(place.log, rulebooks, calendars or Calendars())


async def test_it_is_the_same_after_the_answer_came_and_the_rule_was_retired(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway = await unanswered(place, pool)
        before = await whys(place).why(place.name, await history_of(pool, place, "referral-acknowledged"))
        [asked] = [fact for fact in (await place.pathway(pathway)).facts() if fact.type == "referral"]
        accepted = MoveReferral(referral_id=UUID(asked.fact_id), status=ReferralStatus.ACCEPTED)
        await place.act(pathway, MISSION, accepted)
        await Steering(place).retire("referral-acknowledged")
        await catch_up(pool, place)
        history = await history_of(pool, place, "referral-acknowledged")
        assert [each.topic for each in history] == ["alert.raised", "alert.cleared"]
        assert await whys(place).why(place.name, history) == before
    assert (before.differs_in, before.rulebook_version, before.digest) == ((), 0, None)
    assert [stored.topic for stored in before.events] == ["referral.requested"]


async def test_a_rule_of_the_territory_is_the_version_of_then(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        steering = Steering(place)
        await steering.publish(shipped_document("silence-90", 2, gap="30d"))
        await place.open()
        place.pass_days(40)
        await catch_up(pool, place)
        await steering.publish(shipped_document("silence-90", 3, gap="50d"))
        place.pass_days(1)
        await catch_up(pool, place)
        why = await whys(place).why(place.name, await history_of(pool, place, "silence-90"))
    assert (why.rule.version, why.rule.source["gap"], why.differs_in) == (2, "30d", ())
    assert why.rulebook_version > 0
    assert why.digest is not None


async def test_days_off_decreed_since_change_nothing_of_it(database_url: str, pool: Pool) -> None:
    """Under the calendar of now the deadline would lie later, and nothing would have been out of step."""
    async with territory(database_url, pool) as place:
        await unanswered(place, pool)
        history = await history_of(pool, place, "referral-acknowledged")
        monday = place.clock.now().date() - timedelta(days=11)
        decreed = [monday + timedelta(days=days) for days in range(4)]
        later = Calendars().with_days_off(place.name, "2026-2", added=decreed)
        why = await whys(place, later).why(place.name, history)
        now = later.of(place.name)
    assert why.differs_in == ()
    assert why.explanation.calendar == why.recorded.calendar != now.version


async def test_without_the_calendar_or_the_rule_of_then_nothing_is_made_up(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        await unanswered(place, pool)
        history = await history_of(pool, place, "referral-acknowledged")
        others = Ruleset(tuple(rule for rule in four_rules() if rule.slug != "referral-acknowledged"))
        for unable, told in (
            (whys(place), [under_another_calendar(history[0])]),
            (whys(place, shipped=others), history),
            (whys(place), []),
        ):
            with pytest.raises(CannotBeJudgedAgain):
                await unable.why(place.name, told)


def under_another_calendar(raised: Stored) -> Stored:
    """As if a release with another table of holidays had recorded it."""
    assert isinstance(raised.event, AlertRaised)
    finding = msgspec.structs.replace(raised.event.finding, calendar="FR@000000000000")
    return msgspec.structs.replace(raised, event=msgspec.structs.replace(raised.event, finding=finding))


async def test_a_verdict_that_would_be_another_says_in_what(database_url: str, pool: Pool) -> None:
    """The product shipped other words for the same version: not what was recorded, and it shows."""
    async with territory(database_url, pool) as place:
        await unanswered(place, pool)
        history = await history_of(pool, place, "referral-acknowledged")
        hurried = shipped_document("referral-acknowledged", 1, within={"from": "0bd", "to": "4bd"})
        why = await whys(place, shipped=parse_rules([hurried])).why(place.name, history)
    assert set(why.differs_in) == {"closes", "at"}
