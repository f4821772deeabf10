"""Facts judged column by column: the same obligations as the evaluator's, one by one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.backtest.fast_hindsight import FastHindsight
from application.backtest.hindsight import Hindsight
from application.backtest.histories import History, histories_of_file
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, compile_rules, evaluate, parse_rules
from domain.rules.instants import instant_of, moment_of
from tests.support.backtest_histories import after, random_history
from tests.support.rule_histories import (
    random_clock,
    random_facts,
    random_require,
    random_silence,
    require,
    silence,
)

np = pytest.importorskip("numpy", reason="the extra `analysis` is not installed")

from application.backtest.columns import NO_ROW, Columns, ColumnsBuilder  # noqa: E402
from application.backtest.vectors import STATUSES, Vectors, is_vectorised  # noqa: E402

CALENDARS = Calendars()
KINDS = ("diagnosis", "diagnosis", "referral", "referral", "contact", "contact", "opened", "closed")
Judged = tuple[Any, ...]


@st.composite
def random_rules(draw: st.DrawFn) -> CompiledRules:
    kinds = random_require() | random_require() | random_silence() | apart()
    rules = draw(st.lists(kinds, min_size=1, max_size=4))
    plain = [{name: value for name, value in rule.items() if name not in ("until", "strict")} for rule in rules]
    for rule in plain:
        rule.get("expect", {}).pop("differ", None)
        if draw(st.integers(0, 3)) == 0:
            rule["territory"] = [draw(st.sampled_from(["FR-34", "FR-974"]))]
        if draw(st.integers(0, 3)) == 0:
            rule["effective"] = {"from": "2026-03-25"}
        if "when" in rule and draw(st.integers(0, 2)) == 0:
            rule["when"]["where"] = draw(st.sampled_from(WHERES))
    return compile_rules(parse_rules([[rule | {"rule": f"r{number}"} for number, rule in enumerate(plain)]]))


@st.composite
def apart(draw: st.DrawFn) -> dict[str, Any]:
    """Forbids one kind of facts around another kind."""
    rule = draw(random_require())
    forbidden = {"on": draw(st.sampled_from(["referral", "contact"]))} | draw(
        st.sampled_from([{}, {"match": {"theme": "theme"}}])
    )
    kept = {name: value for name, value in rule.items() if name in ("within", "accept", "on_close", "roll")}
    if draw(st.integers(0, 3)) == 0:
        kept["grace"] = "3bd"
    return kept | {"rule": "apart", "kind": "forbid", "when": {"on": "diagnosis"}, "forbid": forbidden}


WHERES: list[dict[str, Any]] = [
    {"theme": "it"},
    {"theme": ["it", "wood"]},
    {"theme": {"exists": False}},
    {"not": {"theme": "it"}},
    {"any": [{"theme": "it"}, {"agency": "ccas"}]},
    {"theme": {"gt": "it"}, "state": "done"},
]
histories = st.lists(random_facts(KINDS, 10) | random_facts(KINDS[:6], 10), min_size=1, max_size=4)


@given(histories, random_rules(), random_clock())
def test_columns_are_judged_as_the_evaluator_judges_each_pathway(
    histories: list[list[Fact]], rules: CompiledRules, now: Any
) -> None:
    instant = instant_of(now)
    plans = [plan for plan in rules.plans if is_vectorised(plan)]
    builder = ColumnsBuilder(rules, CALENDARS, instant)
    pathways = {f"p{number}": facts for number, facts in enumerate(histories)}
    covered = {pathway: facts for pathway, facts in pathways.items() if builder.add(pathway, facts)}
    columns = builder.build()

    vectors = Vectors(columns, instant)
    fast = sorted(one for plan in plans for one in judged_of(columns, plan.rule.slug, vectors.judge(plan)))

    slow = []
    for pathway, facts in covered.items():
        obligations = evaluate(facts, rules, CALENDARS, now, explained=False).obligations
        slugs = {plan.rule.slug for plan in plans}
        slow += [judged(pathway, one) for one in obligations if one.rule in slugs]
    assert fast == sorted(slow)


def judged(pathway: str, one: Any) -> Judged:
    moments = [str(each) for each in (one.at, one.open, one.close, one.raise_at)]
    return (one.rule, pathway, one.activation, one.target or "", one.status.value, *moments, one.raised)


def judged_of(columns: Columns, slug: str, verdicts: Any) -> list[Judged]:
    found = []
    for row, status, target, at, opens, close, raise_at, raised in zip(*verdicts, strict=True):
        moments = [str(moment_of(int(each))) for each in (at, opens, close, raise_at)]
        pathway = columns.pathways[columns.pathway[row]]
        answer = "" if target == NO_ROW else columns.ids[target].decode()
        activation = columns.ids[row].decode()
        found.append((slug, pathway, activation, answer, STATUSES[status].value, *moments, bool(raised)))
    return found


@given(st.lists(random_history(KINDS), min_size=1, max_size=4), random_rules(), st.integers(0, 200))
def test_hindsight_on_many_pathways_is_hindsight_on_each(
    histories: list[History], rules: CompiledRules, days: int
) -> None:
    fast, slow = FastHindsight(rules, CALENDARS), Hindsight(rules, CALENDARS)

    found = fast.judge_all(histories, after(days))

    assert found == [slow.judge(history, after(days)) for history in histories]


def test_without_numpy_the_evaluator_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = compile_rules(parse_rules([[require(), silence()]]))
    fact_ids = ["f00"]
    (history,) = histories_of_file([ONE_NEED], CALENDARS)
    monkeypatch.setattr("application.backtest.fast_hindsight.HAS_NUMPY", False)

    (found,) = FastHindsight(rules, CALENDARS).judge_all([history], after(200))

    assert [one.activation for one in found.episodes] == fact_ids


ONE_NEED = b'{"pathway": "p1", "fact_id": "f00", "type": "diagnosis", "start": "2026-03-20", "attrs": {"theme": "it"}}'
