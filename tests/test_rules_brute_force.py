"""The evaluator agrees with one of another design, obligation by obligation, on random histories and rules."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.facts import Fact
from tests.support.oracle_check import assert_agreed
from tests.support.random_histories import CONTACTS, Learnt, histories, known, streams
from tests.support.random_rules import (
    RuleDocument,
    chained_requires,
    forbids,
    one_to_one_requires,
    requires,
    self_requires,
    silences,
)
from tests.support.rule_histories import random_clock

often = settings(max_examples=max(100, settings().max_examples))
NOWHERE = histories(may_move=False).map(lambda facts: [msgspec.structs.replace(fact, territory=None) for fact in facts])


@often
@given(histories(), requires(), random_clock())
def test_require_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), chained_requires(), random_clock())
def test_chains_and_alternations_are_judged_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), self_requires(), random_clock())
def test_late_recording_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(may_move=False), one_to_one_requires(), random_clock())
def test_one_target_for_one_activation_is_given_as_the_long_way_says(
    facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(CONTACTS), silences(), random_clock())
def test_silence_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(histories(), forbids(), random_clock())
def test_forbid_is_judged_as_the_long_way_says(facts: list[Fact], rule: RuleDocument, now: datetime) -> None:
    assert_agreed(facts, [rule], now)


@often
@given(streams(), st.one_of(requires(), forbids(), silences()), random_clock())
def test_what_was_learnt_late_corrected_or_retracted_is_judged_as_the_long_way_says(
    stream: list[Learnt], rule: RuleDocument, now: datetime
) -> None:
    """At every point of the stream, as the facts were known then."""
    for position in range(1, len(stream) + 1):
        assert_agreed(known(stream[:position]), [rule], now)


@often
@given(histories(), st.lists(requires(), min_size=2, max_size=3), random_clock(), st.data())
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
@given(facts=NOWHERE, rule=st.one_of(requires(), forbids()), now=random_clock())
def test_a_default_time_zone_is_for_what_has_no_zone_of_its_own(
    tz: str, facts: list[Fact], rule: RuleDocument, now: datetime
) -> None:
    assert_agreed(facts, [rule], now, tz)
