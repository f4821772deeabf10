"""The rules that come with the product: complete in both languages, discreet, and listed as they are."""

import re

import pytest

from api.demo.faults import FAULTS
from application.importing import IMPORTER
from application.rulebook import shipped_rules
from domain.facts import Fact
from domain.rules import Calendars, Status, compile_rules, evaluate
from domain.rules.rule import Rule
from tests.support.default_rules_page import ORDER, PAGE, SITUATIONS, page
from tests.support.rule_histories import fact, local

RULES = list(shipped_rules())
COMPILED = compile_rules(shipped_rules())
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


def broken(*facts: Fact, now: str = "2026-12-01") -> set[str]:
    """The rules that are out of step."""
    judged = evaluate(facts, COMPILED, Calendars(), local(f"{now} 00:00")).obligations
    return {one.rule for one in judged if one.raised}


def need(fact_id: str, day: str, theme: str, **attrs: str) -> Fact:
    family = theme.partition("--")[0]
    return fact(fact_id, "diagnosis", day, theme=theme, family=family, kind=family, needs=[family], **attrs)


def enrolled(start: str, **attrs: str) -> Fact:
    return fact("t1", "training", start, "2026-08-31", status="enrolled", theme="se-former--x", **attrs)


def accepted(theme: str, day: str = "2026-03-20", **attrs: str) -> Fact:
    return fact("k1", "referral_ack", day, referral_id="r1", outcome="accepted", theme=theme, **attrs)


CHILDCARE, LICENCE = "famille--garde-denfants", "mobilite--preparer-un-permis"
NO_HOME = fact("s1", "situation", "2026-03-02", topic="housing", value="homeless")
SANCTION = fact("x1", "suspension", "2026-04-01", "2026-05-01", motive="sanction")


@pytest.mark.parametrize(
    ("rule", "facts", "put_right"),
    [
        (
            "diagnosis-yearly",
            (fact("o1", "opened", "2025-01-06"), need("d1", "2025-02-03", LICENCE)),
            need("d2", "2026-01-30", LICENCE),
        ),
        (
            "decision-before-next-request",
            (
                fact("r1", "referral", "2026-03-02", theme="it", to_agency="ml", status="requested"),
                fact("r2", "referral", "2026-03-30", theme="it", to_agency="ml", status="requested"),
            ),
            fact("c1", "decision", "2026-03-12", theme="it", kind="aid"),
        ),
        (
            "no-training-just-after-move",
            (fact("m1", "relocation", "2026-03-02"), enrolled("2026-03-06")),
            enrolled("2026-03-10"),
        ),
        (
            "housing-first-contact",
            (accepted("logement-hebergement--x", kind="housing", agency="siao"),),
            fact("c1", "contact", "2026-06-20", agency="siao"),
        ),
        (
            "social-track-reexamined",
            (fact("o1", "orientation", "2026-03-02", track="social", to_agency="ccas"),),
            fact("c1", "decision", "2026-09-02", kind="reexamination"),
        ),
        (
            "sanction-despite-impediment",
            (SANCTION, need("d1", "2026-03-02", CHILDCARE, status="active")),
            need("d1", "2026-03-02", CHILDCARE, status="withdrawn"),
        ),
        ("training-childcare", (need("d1", "2026-03-02", CHILDCARE), enrolled("2026-04-01")), accepted(CHILDCARE)),
        ("training-mobility", (need("d1", "2026-03-02", LICENCE), enrolled("2026-04-01")), accepted(LICENCE)),
        (
            "training-unstable-housing",
            (NO_HOME, enrolled("2026-04-01", state="planned")),
            fact("s2", "situation", "2026-03-25", topic="housing", value="hosted"),
        ),
    ],
)
def test_a_rule_finds_what_it_says_until_that_is_put_right(rule: str, facts: tuple[Fact, ...], put_right: Fact) -> None:
    """The rules that the demonstration does not break."""
    assert rule in broken(*facts)
    kept = [one for one in facts if one.fact_id != put_right.fact_id]
    assert rule not in broken(*kept, put_right)


def test_what_is_recorded_late_is_counted() -> None:
    late = fact("c1", "contact", "2026-03-02", recorded_at=local("2026-04-01 10:00"))
    in_time = fact("c2", "contact", "2026-03-02", recorded_at=local("2026-03-16 10:00"))
    judged = evaluate((late, in_time), COMPILED, Calendars(), local("2026-05-01 00:00")).obligations
    statuses = {one.activation: one.status for one in judged if one.rule == "late-recording"}
    assert statuses == {"c1": Status.VIOLATED_LATE, "c2": Status.SATISFIED}


def test_each_rule_is_tried_here_or_broken_by_the_demonstration() -> None:
    marks = test_a_rule_finds_what_it_says_until_that_is_put_right.pytestmark  # type: ignore[attr-defined]
    tried = {case[0] for case in marks[0].args[1]} | {"late-recording"}
    assert tried | set(FAULTS) == {rule.slug for rule in RULES}
