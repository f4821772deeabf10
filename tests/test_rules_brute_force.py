"""The evaluator agrees with one of another design, obligation by obligation, on random histories and rules."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.facts import Fact
from tests.support.oracle_check import assert_agreed
from tests.support.random_histories import CONTACTS, LIFE, LONG_STAYS, Learnt, clocks, histories, known, streams
from tests.support.random_rules import (
    RuleDocument,
    chained_forbids,
    chained_requires,
    exempted,
    forbids,
    limits,
    one_to_one_requires,
    related_forbids,
    related_requires,
    requires,
    self_requires,
    silences,
    watching_silences,
)

often = settings(max_examples=max(60, settings().max_examples))
NOWHERE = histories(may_move=False).map(lambda facts: [msgspec.structs.replace(fact, territory=None) for fact in facts])


@often
@given(histories(), requires(), clocks())
def test_require_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), chained_requires(), clocks())
def test_chains_and_alternations_are_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), self_requires(), clocks())
def test_late_recording_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), one_to_one_requires(), clocks())
def test_one_target_for_one_activation_is_given_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(CONTACTS), silences(), clocks())
def test_silence_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories((*["training"] * 2, *["contact"] * 3, *LIFE)), watching_silences(), clocks())
def test_silence_while_something_lasts_is_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), forbids(), clocks())
def test_forbid_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), chained_forbids(), clocks())
def test_bans_that_are_lifted_or_chained_are_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(LONG_STAYS), related_forbids(), clocks())
def test_forbidden_relations_of_intervals_are_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(LONG_STAYS), related_requires(), clocks())
def test_expected_relations_of_intervals_are_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(LONG_STAYS), limits(), clocks())
def test_limit_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(
    histories(), st.one_of(*map(exempted, (requires(), forbids(), chained_requires(), one_to_one_requires()))), clocks()
)
def test_what_exempts_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(LONG_STAYS), st.one_of(exempted(related_forbids()), exempted(limits())), clocks())
def test_what_exempts_long_stays_is_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(streams(), st.one_of(requires(), forbids(), silences(), limits()), clocks())
def test_what_was_learnt_late_corrected_or_retracted_is_judged_as_the_long_way_says(
    stream: list[Learnt], rule: RuleDocument, now: datetime
) -> None:
    """At every point of the stream, as the facts were known then."""
    for position in range(1, len(stream) + 1):
        assert_agreed(known(stream[:position]), [rule], now)


@often
@given(histories(), st.lists(requires(), min_size=2, max_size=3), clocks(), st.data())
def test_the_version_of_the_day_is_the_one_that_the_long_way_takes(
    facts: list[Fact], rules: list[RuleDocument], now: datetime, data: st.DataObject
) -> None:
    """And one in shadow is judged beside it."""
    states: Any = st.sampled_from(["active", "active", "retired", "draft"])
    versions = [rule | {"version": number, "state": data.draw(states)} for number, rule in enumerate(rules, start=1)]
    versions[-1]["state"] = data.draw(st.sampled_from(["active", "shadow"]))
    assert_agreed(facts, versions, now)


@pytest.mark.parametrize("tz", ["Pacific/Auckland", "America/Montreal"])
@often
@given(facts=NOWHERE, rule=st.one_of(requires(), forbids()), now=clocks())
def test_a_default_time_zone_is_for_what_has_no_zone_of_its_own(
    tz: str, facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now, tz)
