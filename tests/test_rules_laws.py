"""Laws every evaluator must obey, on random histories."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.facts import Fact
from domain.rules import Calendars, Evaluation, Obligation, Status, compile_rules, evaluate, parse_rules
from tests.support.brute_force_rules import BruteForce
from tests.support.rule_histories import (
    FIRST_DAY,
    KINDS,
    fact,
    local,
    random_clock,
    random_facts,
    random_require,
    random_silence,
    require,
    silence,
)

HISTORIES = random_facts(KINDS)
RULES = st.one_of(random_require(), random_silence())
ONE_TO_ONE = random_require().map(lambda rule: rule | {"use": "one_to_one"})


def judged(facts: Sequence[Fact], rule: dict[str, Any], now: datetime, *, version: int = 1) -> Evaluation:
    return evaluate(facts, compile_rules(parse_rules([rule | {"version": version}])), Calendars(), now)


def as_bytes(evaluation: Evaluation) -> bytes:
    return msgspec.json.encode([one.line() for one in evaluation.obligations])


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.one_of(RULES, ONE_TO_ONE), random_clock(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_obligations_byte_for_byte(
    facts: list[Fact], rule: dict[str, Any], now: datetime, chance: Any
) -> None:
    shuffled = chance.sample(facts, len(facts))
    assert as_bytes(judged(shuffled, rule, now)) == as_bytes(judged(facts, rule, now))
    assert judged(shuffled, rule, now).next_due == judged(facts, rule, now).next_due


@settings(max_examples=100, deadline=None)
@given(HISTORIES, random_require(), random_clock(), st.randoms(use_true_random=False))
def test_positions_break_ties_of_naming_only_and_never_change_a_verdict(
    facts: list[Fact], rule: dict[str, Any], now: datetime, chance: Any
) -> None:
    positions = chance.sample(range(1, len(facts) + 1), len(facts))
    renumbered = [
        msgspec.structs.replace(fact, position=position) for fact, position in zip(facts, positions, strict=True)
    ]

    def verdicts(evaluation: Evaluation) -> dict[str, Any]:
        return {one.activation: (one.status, one.close, one.at, one.late_by) for one in evaluation.obligations}

    assert verdicts(judged(renumbered, rule, now)) == verdicts(judged(facts, rule, now))


@settings(max_examples=100, deadline=None)
@given(random_facts(KINDS, most=8), random_facts(KINDS, most=1), RULES, random_clock())
def test_what_was_added_then_retracted_leaves_no_trace(
    facts: list[Fact], added: list[Fact], rule: dict[str, Any], now: datetime
) -> None:
    """One set of compiled rules and calendars sees both: nothing may be remembered between evaluations."""
    compiled, calendars = compile_rules(parse_rules([rule])), Calendars()
    extra = msgspec.structs.replace(added[0], fact_id="added", position=99)
    before = evaluate(facts, compiled, calendars, now)
    evaluate([*facts, extra], compiled, calendars, now)
    assert as_bytes(evaluate(facts, compiled, calendars, now)) == as_bytes(before)
    assert as_bytes(judged(facts, rule, now)) == as_bytes(before)


@settings(max_examples=100, deadline=None)
@given(HISTORIES, RULES, random_clock(), st.integers(0, 11), st.integers(-40, 40))
def test_correcting_a_date_is_retracting_and_adding_under_the_same_id(
    facts: list[Fact], rule: dict[str, Any], now: datetime, index: int, days: int
) -> None:
    wrong = facts[index % len(facts)]
    right = moved(wrong, timedelta(days=days))
    others = [fact for fact in facts if fact is not wrong]
    corrected = [right if fact is wrong else fact for fact in facts]
    assert as_bytes(judged(corrected, rule, now)) == as_bytes(judged([*others, right], rule, now))


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.one_of(RULES, ONE_TO_ONE), random_clock())
def test_nothing_changes_before_next_due(facts: list[Fact], rule: dict[str, Any], now: datetime) -> None:
    """So ticks may be split or skipped at will: only the due ones matter."""
    evaluation = judged(facts, rule, now)
    due = evaluation.next_due or now + timedelta(days=4_000)
    assert due > now
    for instant in (now + (due - now) / 2, due - timedelta(microseconds=1)):
        later = judged(facts, rule, instant)
        assert as_bytes(later) == as_bytes(evaluation)
        assert [one.raised for one in later.obligations] == [one.raised for one in evaluation.obligations]


FINAL = {Status.SATISFIED, Status.VIOLATED_LATE, Status.CANCELLED}


@settings(max_examples=150, deadline=None)
@given(HISTORIES, RULES, random_clock(), st.integers(0, 48) | st.integers(0, 24 * 200))
def test_with_the_same_knowledge_no_verdict_flips_back(
    facts: list[Fact], rule: dict[str, Any], now: datetime, hours: int
) -> None:
    later = {one.activation: one for one in judged(facts, rule, now + timedelta(hours=hours)).obligations}
    for one in judged(facts, rule, now).obligations:
        if one.status in FINAL:
            assert later[one.activation].status is one.status
            if "planned" not in rule.get("accept", ()):  # What was booked may be done sooner, by another fact.
                assert later[one.activation].at == one.at
        if one.status is Status.VIOLATED_OPEN:
            assert later[one.activation].status in (Status.VIOLATED_OPEN, Status.VIOLATED_LATE)


@st.composite
def busy_days(draw: st.DrawFn) -> tuple[list[Fact], dict[str, Any]]:
    """One day on which a duty starts or runs, is answered, and the pathway closes, reopens, suspends or releases it."""
    at = ("2026-04-07", *(f"2026-04-07 {hour}" for hour in ("00:00", "08:00", "10:00", "15:00")))
    kinds = draw(st.lists(st.sampled_from(["closed", "reopened", "withdrawal", "suspension", "b", "b"]), max_size=5))
    start = draw(st.sampled_from(["2026-04-06", "2026-04-06 22:30", *at]))
    facts = [fact("a", "opened", start)]
    for number, kind in enumerate(kinds):
        facts.append(fact(f"f{number}", kind, draw(st.sampled_from(at)), position=number + 2))
    options = {
        "on_suspend": draw(st.sampled_from(["freeze", "run", "cancel"])),
        "on_close": draw(st.sampled_from(["cancel", "keep", "force"])),
        "strict": draw(st.booleans()),
    }
    if draw(st.booleans()):
        return facts, silence(of={"on": "b"}, gap=draw(st.sampled_from(["1d", "10d", "12h"])), **options)
    window = draw(st.sampled_from([("0h", "2h"), ("-2h", "11h"), ("0h", "36h"), ("0d", "0d"), ("0d", "10d")]))
    until = {"on": "withdrawal", "effect": draw(st.sampled_from(["release", "deadline"]))}
    within = {"from": window[0], "to": window[1]}
    rule = require(when={"on": "opened"}, expect={"on": "b"}, within=within, until=until, **options)
    return facts, rule


@settings(max_examples=300, deadline=None)
@given(busy_days())
def test_hour_after_hour_of_a_busy_day_nothing_flips_back_nor_changes_unforeseen(
    case: tuple[list[Fact], dict[str, Any]],
) -> None:
    facts, rule = case
    now, before = local("2026-04-06 00:00"), judged(facts, rule, local("2026-04-06 00:00"))
    for _ in range(64):
        now += timedelta(hours=1)
        after = judged(facts, rule, now)
        if before.next_due is None or before.next_due > now:
            assert as_bytes(after) == as_bytes(before)
        statuses = {one.activation: one.status for one in after.obligations}
        for one in before.obligations:
            late = {Status.VIOLATED_OPEN, Status.VIOLATED_LATE}
            allowed = set(Status) if one.status is Status.PENDING else late & {one.status, Status.VIOLATED_LATE}
            assert statuses[one.activation] in (allowed if one.status not in FINAL else {one.status})
        before = after


@settings(max_examples=200, deadline=None)
@given(busy_days(), random_clock())
def test_a_busy_day_is_judged_as_the_long_way_says(case: tuple[list[Fact], dict[str, Any]], now: datetime) -> None:
    facts, rule = case
    moment = now + timedelta(days=16)
    found = {one.activation: one.status.value for one in judged(facts, rule, moment).obligations}
    expected = BruteForce(facts, moment, "Europe/Paris").judge(rule)
    assert found == {activation: verdict.status for activation, verdict in expected.items()}


@settings(max_examples=100, deadline=None)
@given(HISTORIES, RULES, random_clock())
def test_an_identical_new_version_changes_nothing_but_its_number(
    facts: list[Fact], rule: dict[str, Any], now: datetime
) -> None:
    def without_version(evaluation: Evaluation) -> list[Obligation]:
        return [msgspec.structs.replace(one, version=0) for one in evaluation.obligations]

    assert without_version(judged(facts, rule, now, version=2)) == without_version(judged(facts, rule, now))


@settings(max_examples=100, deadline=None)
@given(random_facts(KINDS), RULES, st.integers(-20, 120))
def test_shifting_every_date_by_seven_days_shifts_every_deadline_by_seven_days(
    facts: list[Fact], rule: dict[str, Any], days: int
) -> None:
    """In June and July of a year, where neither a holiday nor a change of clocks is in the way."""
    if any(unit in str(rule) for unit in ("1m'", "-2m'")):
        return  # Months have no constant length.
    summer = [moved(fact, timedelta(days=(date(2026, 6, 1) - FIRST_DAY).days), least=fact.position) for fact in facts]
    quiet = [fact for fact in summer if _day(fact.start) < date(2026, 6, 25)]
    now = local("2026-06-10 00:00") + timedelta(days=min(days, 10))
    shifted = [moved(fact, timedelta(days=7)) for fact in quiet]
    first, second = judged(quiet, rule, now), judged(shifted, rule, now + timedelta(days=7))
    week = timedelta(days=7)
    horizon = local("2026-07-05 00:00")
    for one, other in zip(first.obligations, second.obligations, strict=True):
        if one.close is not None and one.close < horizon:
            assert other.close == one.close + week
            assert (other.status, other.at) == (one.status, one.at and one.at + week)


def moved(fact: Fact, by: timedelta, least: int | None = None) -> Fact:
    position = fact.position if least is None else least
    end = None if fact.end is None else fact.end + by
    return msgspec.structs.replace(fact, start=fact.start + by, end=end, position=position)


def _day(point: date) -> date:
    return point.date() if isinstance(point, datetime) else point
