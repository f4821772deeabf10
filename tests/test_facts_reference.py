"""docs/reference/facts.md lists exactly the facts that the domain makes."""

import re
from collections import defaultdict
from pathlib import Path

from domain.fact_types import FACT_TYPES
from domain.facts import Fact
from domain.rules.vocabulary import GROUPS, LIFE_TYPES
from tests.support.pathways import Scenario, opened
from tests.support.stories import EVENTFUL

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "facts.md"
ROW = re.compile(
    r"^\| `(?P<type>\w+)` \| (?P<lasts>[^|]+) \| (?P<states>[^|]+) \| (?P<attributes>[^|]*)\|$", re.MULTILINE
)


def documented() -> dict[str, re.Match[str]]:
    return {row["type"]: row for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def facts_on_the_way() -> list[Fact]:
    """Every version of every fact of a pathway where everything happens."""
    scenario, facts = Scenario(opened()), []
    for agency, command in EVENTFUL:
        facts += scenario.given(command, by=agency).pathway.facts()
    return facts


def test_every_type_and_attribute_is_documented_and_made() -> None:
    made: dict[str, set[str]] = defaultdict(set)
    for fact in facts_on_the_way():
        made[fact.type] |= set(fact.attrs)
    assert {name: set(re.findall(r"`(\w+)`", row["attributes"])) for name, row in documented().items()} == made
    assert made == FACT_TYPES


def test_facts_last_and_stand_as_documented() -> None:
    rows = documented()
    for fact in facts_on_the_way():
        row = rows[fact.type]
        assert fact.state.value in row["states"]
        assert row["lasts"].startswith("interval") or fact.end == fact.start
        assert fact.precision.value in (row["lasts"] if "minute" in row["lasts"] else "day")


def test_attributes_hold_simple_values_only() -> None:
    for fact in facts_on_the_way():
        for name, value in fact.attrs.items():
            values = value if isinstance(value, list) else [value]
            assert all(isinstance(item, str | int | bool) for item in values), name


def test_the_rules_know_the_facts_of_a_pathway_s_life() -> None:
    """Types that the evaluator gives a meaning to are spelt as the domain spells them."""
    assert set(LIFE_TYPES.values()) <= set(documented())
    assert "contact" in GROUPS["contact_events"]
