"""Sets the evaluator beside the oracle on one case."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.facts import Fact
from domain.rules import Calendars, compile_rules, evaluate, parse_rules
from tests.support.oracle import long_way
from tests.support.oracle_verdict import Verdict


def evaluated(facts: Sequence[Fact], rules: Sequence[Mapping[str, Any]], now: datetime, tz: str) -> list[Verdict]:
    """What the evaluator says, in the oracle's words and order."""
    evaluation = evaluate(facts, compile_rules(parse_rules([list(rules)])), Calendars(tz), now)
    verdicts = [
        Verdict(
            one.rule,
            one.version,
            one.activation,
            one.target,
            one.status.value,
            one.open,
            one.close,
            one.at,
            one.late_by,
            one.evidence,
            None if one.reason is None else one.reason.value,
            one.raised,
        )
        for one in evaluation.obligations
    ]
    return sorted(verdicts, key=lambda one: (one.rule, one.version, one.activation, one.target or ""))


def assert_agreed(
    facts: Sequence[Fact], rules: Sequence[Mapping[str, Any]], now: datetime, tz: str = "Europe/Paris"
) -> None:
    assert evaluated(facts, rules, now, tz) == long_way(facts, rules, now, tz)
