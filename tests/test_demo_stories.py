"""The demonstration's stories, without any server: the API would take every call, and each breaks its own rule only."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from uuid import UUID

import msgspec
import pytest

from api.demo.faults import FAULTS, LASTING
from api.demo.life import Life
from api.demo.script import Story, by_day
from api.demo.stories import write_stories
from application.rulebook import shipped_rules
from domain.catalogue import BY_NAME
from domain.command import Act
from domain.facts import Fact
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.rules import Calendars, Status, compile_rules, evaluate

LAST_DAY = date(2026, 11, 21)
PATHWAY, SUBJECT = UUID(int=1 << 64 | 0x8000 << 48), UUID(int=2 << 64 | 0x8000 << 48)
RULES, CALENDARS = compile_rules(shipped_rules()), Calendars()
EVERY_FAULT = [(rule, late) for rule in FAULTS for late in (False, True) if not (late and rule in LASTING)]


def a_life(seed: str) -> Life:
    return Life(Random(seed), 0, LAST_DAY)  # noqa: S311 - people who do not exist need no secrecy


def lived(story: Story) -> list[Fact]:
    """The facts at the end of a story; every command was accepted."""
    pathway: Pathway | None = None
    for call in story.calls:
        spec = BY_NAME[call.command]
        command = spec.command(msgspec.json.decode(msgspec.json.encode(call.body), type=spec.body), call.entry)
        at = datetime.combine(call.at.date(), time(15, 30), tzinfo=UTC)
        act = Act(agency=call.agency, agent=None, at=at, today=at.date())
        if isinstance(command, OpenPathway):
            pathway = open_pathway(command, "FR-34", act, PATHWAY, SUBJECT)
            continue
        assert pathway is not None
        pathway.must_take_part(act)
        command.decide(pathway, act)
    assert pathway is not None
    return pathway.facts()


def out_of_step(story: Story) -> dict[Status, set[str]]:
    """The rules that are broken the day after, and those that were answered late."""
    now = datetime.combine(LAST_DAY + timedelta(days=1), time(12), tzinfo=UTC)
    judged = evaluate(lived(story), RULES, CALENDARS, now).obligations
    return {
        Status.VIOLATED_OPEN: {one.rule for one in judged if one.raised},
        Status.VIOLATED_LATE: {one.rule for one in judged if one.status is Status.VIOLATED_LATE},
    }


@pytest.mark.parametrize(("rule", "late"), EVERY_FAULT)
def test_a_fault_breaks_its_own_rule_and_no_other(rule: str, late: bool) -> None:
    for number in range(3):
        life = a_life(f"{rule}/{number}")
        told = FAULTS[rule](life, late)
        found = out_of_step(life.story())
        assert found[Status.VIOLATED_OPEN] == (set() if late else {rule})
        assert found[Status.VIOLATED_LATE] <= {rule}
        assert told


def test_other_lives_break_no_rule() -> None:
    for number in range(60):
        life = a_life(str(number))
        life.live_in_step()
        found = out_of_step(life.story())
        assert found == {Status.VIOLATED_OPEN: set(), Status.VIOLATED_LATE: set()}, number


def test_one_pathway_in_five_is_out_of_step_by_each_fault_in_turn() -> None:
    stories = write_stories(1, LAST_DAY, 5 * len(FAULTS))
    assert [one.rule for story in stories for one in story.expected] == list(FAULTS)
    assert [story.number % 5 for story in stories if story.expected] == [3] * len(FAULTS)


def test_the_same_seed_tells_the_same_year() -> None:
    assert write_stories(1, LAST_DAY, 10) == write_stories(1, LAST_DAY, 10)
    assert write_stories(1, LAST_DAY, 10) != write_stories(2, LAST_DAY, 10)


def test_days_come_in_their_order_and_so_do_the_calls_of_a_pathway() -> None:
    days = list(by_day(write_stories(1, LAST_DAY, 10)))
    assert [day for day, _ in days] == sorted({day for day, _ in days})
    assert days[-1][0] <= LAST_DAY
    for _, by_story in days:
        for calls in by_story.values():
            assert [call.at for call in calls] == sorted(call.at for call in calls)
