"""The JSON Schema of a rule accepts what the reader accepts, and refuses what no rule may say."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from application.rulebook import shipped_rules
from domain.rules import Rule, RuleRefused, parse_rules
from domain.rules.document.kinds import OWNERS
from domain.rules.schema import TITLES, rule_schema
from tests.support.rule_histories import random_require, random_silence, require

SCHEMA = validator_for(rule_schema())


@pytest.mark.parametrize("rule", shipped_rules().rules, ids=lambda rule: rule.slug)
def test_the_shipped_rules_are_rules(rule: Rule) -> None:
    assert [error.message for error in SCHEMA.iter_errors(dict(rule.source))] == []


@settings(max_examples=200)
@given(st.one_of(random_require(), random_silence()))
def test_what_is_read_is_valid(rule: dict[str, Any]) -> None:
    parse_rules([rule])
    assert SCHEMA.is_valid(rule)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "permit"},
        {"widthin": {"from": "0d", "to": "1d"}},
        {"within": {"from": "0d", "to": "ten days"}},
        {"within": {"from": "0d"}},
        {"when": {"on": "diagnosis", "at": "noon"}},
        {"when": {"where": {"theme": "it"}}},
        {"when": {"on": "diagnosis", "where": {}}},
        {"when": {"on": "diagnosis", "where": {"theme": {"like": "it"}}}},
        {"gap": "90d"},
        {"max": 3},
        {"min": 0},
        {"relation": "beside"},
        {"severity": {"raise": "loud"}},
        {"version": 0},
        {"version": "1"},
    ],
    ids=str,
)
def test_what_is_refused_at_first_sight_is_invalid(change: dict[str, Any]) -> None:
    rule = require() | change
    with pytest.raises(RuleRefused):
        parse_rules([rule])
    assert not SCHEMA.is_valid(rule)


def test_every_key_has_a_title_in_french_and_in_english() -> None:
    properties = rule_schema()["properties"]
    assert properties.keys() == TITLES.keys() >= OWNERS.keys()
    assert all(schema["title"] and schema["x-title-fr"] for schema in properties.values())
