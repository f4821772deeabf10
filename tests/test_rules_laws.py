"""Laws every evaluator must obey, on random histories and rules of every kind."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.facts import Fact
from domain.rules import Calendars, Evaluation, Obligation, Status, compile_rules, evaluate, parse_rules
from tests.support.oracle_check import assert_agreed
from tests.support.random_histories import KINDS, Learnt, clocks, facts, histories, known, moved, streams
from tests.support.random_rules import RuleDocument, every_kind, forbids, requires
from tests.support.rule_histories import FIRST_DAY, fact, local, require, silence

HISTORIES = histories(KINDS)
ONCE_OPEN = histories([kind for kind in KINDS if kind != "reopened"], may_move=False)
"""Nothing but positions says what came first when a pathway moves, or opens again and again, in one instant."""
RULES = every_kind()
WEEK = timedelta(days=7)
often = settings(max_examples=max(60, settings().max_examples))


def judged(facts: Sequence[Fact], rule: RuleDocument, now: datetime, *, version: int = 1) -> Evaluation:
    return evaluate(facts, compile_rules(parse_rules([rule | {"version": version}])), Calendars(), now)


def as_bytes(evaluation: Evaluation) -> bytes:
    """Everything about every obligation, in order, and when to look again."""
    return msgspec.json.encode(evaluation)


@often
@given(HISTORIES, RULES, clocks(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_obligations_byte_for_byte(
    facts: list[Fact], rule: RuleDocument, now: datetime, chance: Any
) -> None:
    shuffled = chance.sample(facts, len(facts))
    assert as_bytes(judged(shuffled, rule, now)) == as_bytes(judged(facts, rule, now))


@often
@given(ONCE_OPEN, requires() | forbids(), clocks(), st.randoms(use_true_random=False))
def test_positions_break_ties_of_naming_only_and_never_change_a_verdict(
    facts: list[Fact], rule: RuleDocument, now: datetime, chance: Any
) -> None:
    positions = chance.sample(range(1, len(facts) + 1), len(facts))
    renumbered = [
        msgspec.structs.replace(fact, position=position) for fact, position in zip(facts, positions, strict=True)
    ]

    def verdicts(evaluation: Evaluation) -> set[Any]:
        return {(one.activation, one.status, one.close, one.at, one.late_by) for one in evaluation.obligations}

    assert verdicts(judged(renumbered, rule, now)) == verdicts(judged(facts, rule, now))


@often
@given(histories(KINDS, most=8), facts("added"), RULES, clocks())
def test_adding_a_fact_and_then_retracting_it_is_never_having_added_it(
    facts: list[Fact], added: Fact, rule: RuleDocument, now: datetime
) -> None:
    """One set of compiled rules and calendars sees both: nothing may be remembered between evaluations."""
    compiled, calendars = compile_rules(parse_rules([rule])), Calendars()
    before = evaluate(facts, compiled, calendars, now)
    evaluate([*facts, added], compiled, calendars, now)
    assert as_bytes(evaluate(facts, compiled, calendars, now)) == as_bytes(before)
    assert as_bytes(judged(facts, rule, now)) == as_bytes(before)


@often
@given(streams(), facts("added"), st.integers(0, 20), st.integers(0, 20), RULES, clocks())
def test_what_was_retracted_long_after_leaves_no_trace_in_what_was_learnt_since(
    stream: list[Learnt], added: Fact, first: int, second: int, rule: RuleDocument, now: datetime
) -> None:
    early, late = sorted((first % (len(stream) + 1), second % (len(stream) + 1)))
    noisy = [
        *stream[:early],
        Learnt("added", added),
        *stream[early:late],
        Learnt("added", None),
        *stream[late:],
    ]
    assert as_bytes(judged(known(noisy), rule, now)) == as_bytes(judged(known(stream), rule, now))


@often
@given(HISTORIES, RULES, clocks(), st.integers(0, 11), st.integers(-40, 40))
def test_correcting_a_date_is_retracting_and_adding_under_the_same_fact_id(
    facts: list[Fact], rule: RuleDocument, now: datetime, index: int, days: int
) -> None:
    wrong = facts[index % len(facts)]
    right = moved(wrong, timedelta(days=days))
    heard = [Learnt(one.fact_id, one) for one in facts]
    corrected = known([*heard, Learnt(right.fact_id, right)])
    added_again = known([*heard, Learnt(wrong.fact_id, None), Learnt(right.fact_id, right)])
    assert as_bytes(judged(corrected, rule, now)) == as_bytes(judged(added_again, rule, now))


@often
@given(HISTORIES, RULES, clocks())
def test_splitting_clock_ticks_changes_nothing(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    """Before `next_due` nothing changes: ticks may be split or skipped at will, only the due ones matter."""
    evaluation = judged(facts, rule, now)
    due = evaluation.next_due or now + timedelta(days=4_000)
    assert due > now
    for instant in (now + (due - now) / 2, due - timedelta(microseconds=1)):
        assert judged(facts, rule, instant).obligations == evaluation.obligations


@often
@given(HISTORIES, RULES, clocks())
def test_replaying_gives_the_same_bytes(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert as_bytes(judged(facts, rule, now)) == as_bytes(judged(facts, rule, now))


FINAL = {Status.SATISFIED, Status.VIOLATED_LATE, Status.CANCELLED}


@often
@given(HISTORIES, RULES, clocks(), st.integers(0, 48) | st.integers(0, 24 * 200))
def test_with_the_same_knowledge_no_verdict_flips_back(
    facts: list[Fact], rule: RuleDocument, now: datetime, hours: int
) -> None:
    """A verdict without target may still find its pair, while it waits."""
    later = {pair_of(one): one for one in judged(facts, rule, now + timedelta(hours=hours)).obligations}
    found = {one.activation: one for one in later.values()}
    for one in judged(facts, rule, now).obligations:
        after = later.get(pair_of(one)) if rule["kind"] == "forbid" else found[one.activation]
        if one.status in FINAL:
            assert after is not None
            assert after.status is one.status
            if "planned" not in rule.get("accept", ()):  # What was booked may be done sooner, by another fact.
                assert after.at == one.at
        if one.status is Status.VIOLATED_OPEN:
            assert after is not None
            assert after.status in open_becomes(rule)


def pair_of(obligation: Obligation) -> tuple[str, str | None]:
    return obligation.activation, obligation.target


def open_becomes(rule: RuleDocument) -> set[Status]:
    """Only a fact that exempts takes a violation away by its mere coming."""
    exempted = {Status.CANCELLED} if "unless" in rule else set[Status]()
    return {Status.VIOLATED_OPEN, Status.VIOLATED_LATE, *exempted}


@st.composite
def busy_days(draw: st.DrawFn) -> tuple[list[Fact], RuleDocument]:
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
    within = {"from": window[0], "to": window[1]}
    if draw(st.booleans()):
        rule = {"rule": "r", "kind": "forbid", "when": {"on": "opened"}, "forbid": {"on": "b"}, "within": within}
        return facts, rule | options
    until = {"on": "withdrawal", "effect": draw(st.sampled_from(["release", "deadline"]))}
    rule = require(when={"on": "opened"}, expect={"on": "b"}, within=within, until=until, **options)
    return facts, rule


@often
@given(busy_days())
def test_hour_after_hour_of_a_busy_day_nothing_flips_back_nor_changes_unforeseen(
    case: tuple[list[Fact], RuleDocument],
) -> None:
    facts, rule = case
    now, before = local("2026-04-06 00:00"), judged(facts, rule, local("2026-04-06 00:00"))
    for _ in range(64):
        now += timedelta(hours=1)
        after = judged(facts, rule, now)
        if before.next_due is None or before.next_due > now:
            assert after.obligations == before.obligations
        pairs = {pair_of(one): one.status for one in after.obligations}
        found = {one.activation: one.status for one in after.obligations}
        for one in before.obligations:
            status = pairs.get(pair_of(one)) if rule["kind"] == "forbid" else found[one.activation]
            if one.status in FINAL:
                assert status is one.status
            if one.status is Status.VIOLATED_OPEN:
                assert status in open_becomes(rule)
        before = after


@often
@given(busy_days(), clocks())
def test_a_busy_day_is_judged_as_the_long_way_says(case: tuple[list[Fact], RuleDocument], now: datetime) -> None:
    facts, rule = case
    assert_agreed(facts, [rule], now + timedelta(days=16))


@often
@given(HISTORIES, RULES, clocks())
def test_publishing_an_identical_version_changes_nothing_but_its_number(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    """Alone or after the first one: the obligations, and so the alerts, are the same."""

    def without_version(evaluation: Evaluation) -> list[Obligation]:
        return [msgspec.structs.replace(one, version=0) for one in evaluation.obligations]

    first, second = rule | {"version": 1}, rule | {"version": 2}
    both = [first, second] if rule.get("state") != "shadow" else [second]
    published = evaluate(facts, compile_rules(parse_rules([both])), Calendars(), now)
    assert without_version(published) == without_version(judged(facts, rule, now))
    assert {one.version for one in published.obligations} <= {2}


@often
@given(HISTORIES, RULES, st.integers(-20, 10))
def test_shifting_every_date_by_seven_days_shifts_every_deadline_by_seven_days(
    facts: list[Fact], rule: RuleDocument, days: int
) -> None:
    """In June and July of a year, where neither a holiday nor a change of clocks is in the way."""
    if any(unit in str(rule) for unit in ("1m'", "-2m'")):
        return  # Months have no constant length.
    rule = {name: value for name, value in rule.items() if name != "effective"}
    to_summer = date(2026, 6, 1) - FIRST_DAY
    quiet = [moved(one, to_summer) for one in facts if local_day(one.start) + to_summer < date(2026, 6, 25)]
    now = local("2026-06-10 00:00") + timedelta(days=days)
    first = judged([recorded_then(one) for one in quiet], rule, now)
    second = judged([recorded_then(moved(one, WEEK)) for one in quiet], rule, now + WEEK)
    horizon = local("2026-07-05 00:00")
    for one, other in zip(first.obligations, second.obligations, strict=True):
        if one.close is not None and one.close < horizon:
            assert other.close == one.close + WEEK
            assert (other.status, other.at) == (one.status, one.at and one.at + WEEK)


def local_day(point: date) -> date:
    return point.date() if isinstance(point, datetime) else point


def recorded_then(one: Fact) -> Fact:
    """When a fact was recorded is moved with it."""
    day = local_day(one.start)
    return msgspec.structs.replace(one, recorded_at=local(f"{day} 18:00"))
