"""Histories made up for backtests, and the slow way to live them again, on nothing but `evaluate`."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from application.backtest.histories import Cause, Change, History, Step
from application.backtest.replay import Episode, Found, order_of, owner_of
from domain.alert import ClearedBecause
from domain.alert_worth import cleared_because
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Obligation, evaluate
from domain.rules.instants import HOUR, instant_of, moment_of
from tests.support.rule_histories import random_facts

BEGUN = instant_of(datetime(2026, 3, 18, tzinfo=UTC))
HOURS = 24 * 70
CAUSES = (Cause.NEWS, Cause.NEWS, Cause.NEWS, Cause.CORRECTION)


@st.composite
def random_history(draw: st.DrawFn, kinds: Sequence[str], most: int = 10) -> History:
    """Of one territory."""
    return draw(recorded(random_facts(kinds, most)))


@st.composite
def recorded(draw: st.DrawFn, facts: st.SearchStrategy[list[Fact]]) -> History:
    """Late, corrected and retracted facts; several may be recorded at once, and several steps at one instant."""
    first = draw(facts)
    again = {fact.fact_id: fact for fact in draw(facts)} if draw(st.booleans()) else {}
    changes = [Change(fact.fact_id, fact) for fact in first]
    changed = [fact.fact_id for fact in first if fact.fact_id in again and draw(st.booleans())]
    changes += [Change(fact_id, draw(st.sampled_from([None, again[fact_id]]))) for fact_id in changed]
    steps: list[Step] = []
    on = BEGUN
    for position, change in enumerate(changes, start=1):
        on += draw(st.sampled_from([0, 0, 1, 6, 24, 24 * 10]) | st.integers(0, 72)) * HOUR
        placed = change if change.fact is None else Change(change.fact_id, _recorded(change.fact, on, position))
        cause = Cause.RETRACTION if change.fact is None else draw(st.sampled_from(CAUSES))
        if steps and steps[-1].cause is cause and draw(st.integers(0, 4)) == 0:
            steps[-1] = Step(on, cause, (*steps[-1].changes, placed))
        else:
            steps.append(Step(on, cause, (placed,)))
    return History("p1", tuple(steps))


def _recorded(fact: Fact, on: int, position: int) -> Fact:
    return msgspec.structs.replace(fact, recorded_at=moment_of(on), position=position)


def lived(history: History, rules: CompiledRules, calendars: Calendars, until: int) -> Found:
    """One evaluation after each recording and at each deadline; what is raised and what no longer is, compared."""
    known: dict[str, Fact] = {}
    told: dict[Any, tuple[Obligation, Fact, int]] = {}
    judged: tuple[Obligation, ...] = ()
    episodes: list[Episode] = []
    due: int | None = None

    def judge(now: int, cause: Cause) -> None:
        nonlocal due, judged
        moment = moment_of(now)
        assert moment is not None
        evaluation = evaluate(list(known.values()), rules, calendars, moment, explained=False)
        due = None if evaluation.next_due is None else instant_of(evaluation.next_due)
        judged = evaluation.obligations
        raised = {(one.rule, one.activation, one.target): one for one in judged if one.raised}
        for key in sorted(told.keys() - raised.keys(), key=str):
            was, activation, opened = told.pop(key)
            episodes.append(_episode(rules, was, activation, opened, now, _because(was, cause, judged)))
        for key in raised.keys() - told.keys():
            one = raised[key]
            told[key] = one, known[one.activation], now

    for step in history.steps:
        if step.on > until:
            break
        while due is not None and due <= step.on:
            judge(due, Cause.NEWS)
        for change in step.changes:
            known.pop(change.fact_id, None)
            if change.fact is not None:
                known[change.fact_id] = change.fact
        judge(step.on, step.cause)
    while due is not None and due <= until:
        judge(due, Cause.NEWS)
    episodes += [_episode(rules, *was, None, None) for was in told.values()]
    expecting = {(one.rule, one.version, one.activation) for one in judged}
    return Found(sorted(episodes, key=order_of), Counter((rule, version) for rule, version, _ in expecting))


def _because(was: Obligation, cause: Cause, judged: Sequence[Obligation]) -> ClearedBecause:
    if cause is not Cause.NEWS:
        return ClearedBecause.RETRACTED if cause is Cause.RETRACTION else ClearedBecause.CORRECTED
    after = [
        one
        for one in judged
        if (one.rule, one.version, one.activation) == (was.rule, was.version, was.activation)
        and was.target in (None, one.target)
    ]
    return cleared_because(after[0] if after else None)


def _episode(
    rules: CompiledRules,
    was: Obligation,
    activation: Fact,
    opened: int,
    closed: int | None,
    because: ClearedBecause | None,
) -> Episode:
    assert was.at is not None
    return Episode(
        rule=was.rule,
        version=was.version,
        pathway="p1",
        activation=was.activation,
        target=was.target,
        agency=owner_of(rules.ruleset.find(was.rule, was.version), activation),
        imported=False,
        at=instant_of(was.at),
        opened=opened,
        closed=closed,
        because=because,
    )


def after(days: int) -> int:
    moment = datetime(2026, 3, 18, tzinfo=UTC) + timedelta(days=days)
    return instant_of(moment)
