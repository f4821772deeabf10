"""The rules that come with the product: complete in both languages, discreet, and listed as they are."""

import re

import pytest

from application.importing import IMPORTER
from application.rulebook import shipped_rules
from domain.rules.rule import Rule
from tests.support.default_rules_page import ORDER, PAGE, SITUATIONS, page

RULES = list(shipped_rules())
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.slug)
NAMED = re.compile(r"\{(\w+(?:\.\w+)?)\}")
SAID = frozenset({"close", "open", "when.start", "when.end", "target.start"})
"""Days only: a theme, a kind or a family would tell what the person needs."""


def test_the_page_is_what_the_rules_say() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python -m tests.support.default_rules_page`"


def test_every_rule_has_its_number() -> None:
    assert sorted(ORDER) == [rule.slug for rule in RULES]


def test_every_situation_is_found_or_says_why_not() -> None:
    slugs = {rule.slug for rule in RULES}
    for situation, found_by, remark in SITUATIONS:
        assert set(found_by) <= slugs, situation
        assert found_by or remark, situation


@EACH
def test_a_rule_is_worded_routed_and_founded(rule: Rule) -> None:
    assert set(rule.text) == {"fr", "en"}
    assert rule.route.owner is not None
    assert rule.stale_after is not None
    assert rule.basis


@EACH
def test_a_text_says_when_and_nothing_else(rule: Rule) -> None:
    for text in rule.text.values():
        assert set(NAMED.findall(text)) <= SAID
        assert not re.search("santé|health|médic|medic|handicap", text)


def test_what_hides_a_rule_is_a_rule() -> None:
    assert {hidden for rule in RULES for hidden in rule.inhibited_by} <= {rule.slug for rule in RULES}


def test_the_importer_is_named_as_it_acts() -> None:
    named = re.findall(r"'actor': \{'ne': '([^']+)'\}", str([dict(rule.source) for rule in RULES]))
    assert set(named) == {IMPORTER}
