"""The evaluator agrees with one of another design on random histories."""

from datetime import datetime
from typing import Any

from hypothesis import HealthCheck, given, settings

from domain.facts import Fact
from domain.rules import Calendars, compile_rules, evaluate, parse_rules
from tests.support.brute_force_rules import BruteForce, Verdict
from tests.support.rule_histories import KINDS, random_clock, random_facts, random_require, random_silence


def verdicts(facts: list[Fact], rule: dict[str, Any], now: datetime) -> dict[str, Verdict]:
    compiled = compile_rules(parse_rules([rule]))
    return {
        one.activation: Verdict(one.status.value, one.open, one.close, one.at, one.target, one.late_by, one.raised)
        for one in evaluate(facts, compiled, Calendars(), now).obligations
    }


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(facts=random_facts(KINDS), rule=random_require(), now=random_clock())
def test_a_require_rule_is_judged_as_the_long_way_says(facts: list[Fact], rule: dict[str, Any], now: datetime) -> None:
    assert verdicts(facts, rule, now) == BruteForce(facts, now, "Europe/Paris").judge(rule)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    facts=random_facts(("contact", "contact", "contact", "opened", "closed", "reopened", "suspension")),
    rule=random_silence(),
    now=random_clock(),
)
def test_a_silence_rule_is_judged_as_the_long_way_says(facts: list[Fact], rule: dict[str, Any], now: datetime) -> None:
    assert verdicts(facts, rule, now) == BruteForce(facts, now, "Europe/Paris").judge(rule)
