"""Conditions: the closed grammar, JSON's kinds kept apart, references."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rules import Calendars
from domain.rules.refusal import RuleRefused
from domain.rules.values import Of, Scope, key_of, same
from domain.rules.where import compile_where, fields_of, is_fixed, parse_where
from tests.support.rule_histories import fact

CALENDAR = Calendars().default
KNOWN = frozenset({Of.WHEN, Of.PATHWAY})
DIAGNOSIS = fact(
    "d1", "diagnosis", "2026-01-05", theme="it", needs=["training", "housing"], score=3, urgent=True, agency="ccas"
)


def holds(where: Any, when: Any = None, **pathway: Any) -> bool:
    condition = parse_where(where, "/where", KNOWN)
    return compile_where(condition)(DIAGNOSIS, Scope(CALENDAR, pathway, when))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"theme": "it"}, True),
        ({"theme": "wood"}, False),
        ({"theme": ["wood", "it"]}, True),
        ({"theme": {"in": ["wood"]}}, False),
        ({"theme": {"ne": "wood"}}, True),
        ({"absent": {"ne": "wood"}}, True),
        ({"absent": None}, True),
        ({"absent": {"exists": False}}, True),
        ({"theme": {"exists": True}}, True),
        ({"theme": {"exists": False}}, False),
        ({"needs": {"has": "training"}}, True),
        ({"needs": {"has": "health"}}, False),
        ({"needs": "training"}, False),
        ({"theme": {"has": "it"}}, True),
        ({"absent": {"has": None}}, False),
        ({"score": {"gt": 2, "lt": 4}}, True),
        ({"score": {"ge": 3}}, True),
        ({"score": {"gt": 3}}, False),
        ({"score": {"le": 2}}, False),
        ({"score": {"between": [3, 5]}}, True),
        ({"score": {"between": [4, 5]}}, False),
        ({"theme": {"gt": 3}}, False),
        ({"absent": {"lt": 3}}, False),
        ({"score": 3.0}, True),
        ({"score": "3"}, False),
        ({"urgent": True}, True),
        ({"urgent": 1}, False),
        ({"score": True}, False),
        ({"theme": "it", "score": 4}, False),
        ({"any": [{"theme": "wood"}, {"score": 3}]}, True),
        ({"all": [{"theme": "it"}, {"score": 4}]}, False),
        ({"not": {"theme": "wood"}}, True),
        ({"not": {"any": [{"theme": "it"}, {"score": 4}]}}, False),
        ({"state": "done"}, True),
        ({"precision": "day"}, True),
        ({"id": "d1"}, True),
        ({"type": ["referral", "diagnosis"]}, True),
        ({"start": {"ge": "2026-01-05"}}, True),
        ({"start": {"lt": "2026-01-05"}}, False),
        ({"start": "2026-01-05"}, True),
        ({"start": {"between": ["2026-01-01", "2026-01-31"]}}, True),
        ({"start": {"gt": "2026-01-05T23:00:00+01:00"}}, False),
        ({"start": {"gt": "not a date"}}, False),
    ],
)
def test_a_condition_holds_or_not(where: dict[str, Any], expected: bool) -> None:
    assert holds(where) is expected


def test_references_are_read_from_the_activation_and_the_pathway() -> None:
    referral = fact("r1", "referral", "2026-01-09", theme="it", to_agency="ccas", wanted=["it", "wood"])
    assert holds({"theme": "$when.theme"}, referral)
    assert holds({"agency": "$when.to_agency"}, referral)
    assert holds({"theme": {"in": "$when.wanted"}}, referral)
    assert holds({"start": {"lt": "$when.start"}}, referral)
    assert not holds({"theme": "$when.absent"}, referral)
    assert holds({"agency": "$pathway.referent"}, referent="ccas")
    assert not holds({"agency": "$pathway.referent"})


def test_a_minute_fact_compares_with_a_date_by_its_local_day() -> None:
    late_evening = fact("c1", "contact", "2026-01-05 00:30")  # Still the 4th in UTC.
    condition = compile_where(parse_where({"start": "2026-01-05"}, "", KNOWN))
    assert condition(late_evening, Scope(CALENDAR, {}))


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ({}, "/where"),
        ([], "/where"),
        ("theme", "/where"),
        ({"theme": {}}, "/where/theme"),
        ({"theme": {"like": "i%"}}, "/where/theme/like"),
        ({"theme": {"in": "it"}}, "/where/theme/in"),
        ({"theme": []}, "/where/theme"),
        ({"theme": {"exists": "yes"}}, "/where/theme/exists"),
        ({"theme": {"between": [1]}}, "/where/theme/between"),
        ({"theme": {"lt": None}}, "/where/theme/lt"),
        ({"theme": {"eq": {"a": 1}}}, "/where/theme/eq"),
        ({"theme": [["it"]]}, "/where/theme/0"),
        ({"theme": "$agency.name"}, "/where/theme"),
        ({"theme": "$when"}, "/where/theme"),
        ({"theme": "$while.id"}, "/where/theme"),
        ({"any": [{"theme": {"like": 1}}]}, "/where/any/0/theme/like"),
        ({"not": []}, "/where/not"),
        ({1: "it"}, "/where"),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_its_path(where: Any, path: str) -> None:
    with pytest.raises(RuleRefused) as refusal:
        parse_where(where, "/where", KNOWN)
    assert refusal.value.field == path
    assert refusal.value.sentence.endswith((".", "?"))


def test_conditions_nest_only_so_deep() -> None:
    where: dict[str, Any] = {"theme": "it"}
    for _ in range(20):
        where = {"not": where}
    with pytest.raises(RuleRefused, match="nested"):
        parse_where(where, "", KNOWN)


def test_only_conditions_that_need_the_activation_wait_for_it() -> None:
    assert is_fixed(parse_where({"theme": "it", "agency": "$pathway.referent"}, "", KNOWN))
    assert not is_fixed(parse_where({"any": [{"theme": "it"}, {"theme": "$when.theme"}]}, "", KNOWN))
    assert set(fields_of(parse_where({"not": {"any": [{"a": 1}, {"b": 2}]}}, "", KNOWN))) == {"a", "b"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text("ab1", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=4,
)


@given(json_values, json_values)
def test_equal_values_and_only_they_share_a_key(left: Any, right: Any) -> None:
    def kind(value: Any) -> Any:
        return "number" if type(value) in (int, float) else type(value)

    scalar = not isinstance(left, list | dict) and not isinstance(right, list | dict)
    if scalar:
        assert same(left, right) == (kind(left) == kind(right) and left == right)
    assert same(left, left)
    assert hash(key_of(left)) == hash(key_of(left))
