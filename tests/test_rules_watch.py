"""A pathway judged again and again stands as if it had been judged once, whatever came, went or changed between."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.facts import Fact, FactState
from domain.rules import Calendars, Status, compile_rules, evaluate, parse_rules
from domain.rules.watch import Watch
from tests.support.random_histories import histories
from tests.support.random_rules import every_kind
from tests.support.rule_histories import (
    fact,
    local,
    random_clock,
    random_require,
    random_silence,
    require,
)

RULES = st.lists(st.one_of(every_kind(), random_require(), random_silence()), min_size=1, max_size=4)
FIRST = datetime(2026, 3, 20, tzinfo=UTC)
MOMENTS = st.lists(st.tuples(histories(), random_clock(), st.randoms(use_true_random=False)), min_size=1, max_size=3)


@settings(max_examples=80, deadline=None)
@given(RULES, MOMENTS)
def test_judging_again_what_may_have_changed_is_judging_everything(
    rules: list[dict[str, Any]], moments: list[tuple[list[Fact], datetime, Any]]
) -> None:
    compiled = compile_rules(parse_rules([rule | {"rule": f"rule-{n}"} for n, rule in enumerate(rules)]))
    watch = Watch(compiled, Calendars())
    for facts, now, chance in moments:
        for count in range(len(facts) + 1):
            known = chance.sample(facts, count)
            assert watch.judge(known, now) == evaluate(known, compiled, Calendars(), now, explained=False)
        later = max(now for _, now, _ in moments)
        assert watch.judge(facts, later) == evaluate(facts, compiled, Calendars(), later, explained=False)


@settings(max_examples=80, deadline=None)
@given(RULES, histories(), random_clock(), st.randoms(use_true_random=False))
def test_a_history_that_grows_is_judged_as_a_whole(
    rules: list[dict[str, Any]], facts: list[Fact], last: datetime, chance: Any
) -> None:
    """Most facts are learnt in the order in which they became true, each after all others; the clock goes on."""
    compiled = compile_rules(parse_rules([rule | {"rule": f"rule-{n}"} for n, rule in enumerate(rules)]))
    in_time = sorted(facts, key=lambda fact: str(fact.start))
    learnt = [msgspec.structs.replace(fact, position=position) for position, fact in enumerate(in_time, start=1)]
    watch = Watch(compiled, Calendars())
    clocks = sorted(FIRST + chance.random() * (last - FIRST) for _ in range(2 * len(learnt))) if last > FIRST else []
    for count, now in enumerate(clocks):
        known = learnt[: count // 2 + 1]
        assert watch.judge(known, now) == evaluate(known, compiled, Calendars(), now, explained=False)
    for state in FactState:  # Then one of them is corrected.
        known = [msgspec.structs.replace(learnt[0], state=state, position=99), *learnt[1:]] if learnt else []
        assert watch.judge(known, last) == evaluate(known, compiled, Calendars(), last, explained=False)


def test_a_rule_is_not_asked_again_when_nothing_it_reads_has_changed() -> None:
    compiled = compile_rules(parse_rules([require()]))
    need, contact = fact("d", "diagnosis", "2026-01-05", theme="it"), fact("c", "contact", "2026-01-06")
    watch = Watch(compiled, Calendars())
    (before,) = watch.judge([need], local("2026-01-07 00:00")).obligations
    (after,) = watch.judge([need, contact], local("2026-01-08 00:00")).obligations
    assert after is before
    (late,) = watch.judge([need, contact], local("2026-03-01 00:00")).obligations
    assert late.status is Status.VIOLATED_OPEN


def test_a_closing_to_come_that_forces_the_deadline_moves_it_even_once_answered() -> None:
    compiled = compile_rules(parse_rules([require(on_close="force")]))
    need, answer = fact("d", "diagnosis", "2026-01-05", theme="it"), fact("r", "referral", "2026-01-06", theme="it")
    facts = [fact("o", "opened", "2026-01-01"), need, answer, fact("c", "closed", "2026-01-20")]
    watch = Watch(compiled, Calendars())
    (before,) = watch.judge(facts, local("2026-01-07 00:00")).obligations
    (after,) = watch.judge(facts, local("2026-01-22 00:00")).obligations
    assert (before.status, before.close) == (Status.SATISFIED, local("2026-02-05 00:00"))
    assert (after.status, after.close) == (Status.SATISFIED, local("2026-01-21 00:00"))


def test_an_answer_foretold_or_booked_is_not_settled_before_its_time() -> None:
    """What came first once its time is there decides, whichever was learnt first."""
    compiled = compile_rules(parse_rules([require()]))
    need, late = fact("d", "diagnosis", "2026-01-05", theme="it"), fact("r2", "referral", "2026-01-20", theme="it")
    soon = fact("r1", "referral", "2026-01-10", theme="it")
    watch = Watch(compiled, Calendars())
    for known, now in (([need, late], "2026-01-07 00:00"), ([need, late, soon], "2026-01-08 00:00")):
        assert watch.judge(known, local(now)) == evaluate(known, compiled, Calendars(), local(now), explained=False)
    (one,) = watch.judge([need, late, soon], local("2026-01-22 00:00")).obligations
    assert one.target == "r1"
