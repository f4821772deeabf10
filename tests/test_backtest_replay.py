"""Pathways lived again as they were recorded: who would have been told what, and when."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from application.backtest.histories import History
from application.backtest.replay import replay
from application.backtest.unmet import is_plain
from application.backtest.worked_out import FastReplay
from domain.rules import Calendars, compile_rules, parse_rules
from tests.support.backtest_histories import after, lived, random_history, recorded
from tests.support.random_histories import histories
from tests.support.random_rules import every_kind, forbids, related_forbids
from tests.support.rule_histories import KINDS, random_require, random_silence

CALENDARS = Calendars()
QUIET = ("diagnosis", "diagnosis", "referral", "referral", "contact", "contact", "withdrawal")
kinds = st.sampled_from([QUIET, QUIET, (*QUIET, "opened", "closed"), KINDS])


@st.composite
def random_rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    rules = draw(st.lists(random_require() | random_require() | random_silence(), min_size=1, max_size=3))
    return [rule | {"rule": f"r{number}"} for number, rule in enumerate(rules)]


@given(kinds.flatmap(random_history), random_rules(), st.integers(0, 200))
def test_living_a_pathway_again_tells_what_evaluating_it_at_each_moment_tells(
    history: History, rules: list[dict[str, Any]], days: int
) -> None:
    compiled = compile_rules(parse_rules([rules]))

    assert replay(history, compiled, CALENDARS, after(days)) == lived(history, compiled, CALENDARS, after(days))


@given(recorded(histories()), st.lists(every_kind(), min_size=1, max_size=2), st.integers(0, 200))
def test_rules_of_every_kind_are_lived_and_worked_out_alike(
    history: History, rules: list[dict[str, Any]], days: int
) -> None:
    documents = [rule | {"rule": f"r{number}"} for number, rule in enumerate(rules)]
    compiled = compile_rules(parse_rules([documents]))

    expected = lived(history, compiled, CALENDARS, after(days))

    assert replay(history, compiled, CALENDARS, after(days)) == expected
    assert FastReplay(compiled, CALENDARS).judge(history, after(days)) == expected


@st.composite
def random_bans(draw: st.DrawFn) -> dict[str, Any]:
    """One kind of facts around another, bare enough to be worked out."""
    rule = draw(forbids() | related_forbids())
    rule["when"]["on"] = draw(st.sampled_from(["diagnosis", "training", "referral"]))
    rule["forbid"]["on"] = draw(st.sampled_from(["contact", "relocation"]))
    cuts = ("until", "since", "next_among", "prev_among", "unless")
    return {name: value for name, value in rule.items() if name not in cuts}


@given(recorded(histories(may_move=False)) | kinds.flatmap(random_history), random_bans(), st.integers(0, 200))
def test_pairs_that_must_not_be_are_worked_out_as_they_are_lived(
    history: History, rule: dict[str, Any], days: int
) -> None:
    compiled = compile_rules(parse_rules([rule]))

    assert [is_plain(plan) for plan in compiled] == [True]
    assert FastReplay(compiled, CALENDARS).judge(history, after(days)) == lived(
        history, compiled, CALENDARS, after(days)
    )


@given(kinds.flatmap(random_history), random_rules(), st.integers(0, 200))
def test_what_is_worked_out_is_what_is_lived(history: History, rules: list[dict[str, Any]], days: int) -> None:
    compiled = compile_rules(parse_rules([rules]))

    fast = FastReplay(compiled, CALENDARS).judge(history, after(days))

    assert fast == lived(history, compiled, CALENDARS, after(days))
