"""Why an alert was raised: judged again, on what was known then, by the rule that raised it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from api.runtime import Runtime
from application.pathways import fold
from domain.rulebook import rules_in_force
from domain.rules import Obligation, Rule, compile_rules, evaluate
from domain.rules.calendars import Calendar
from domain.rules.explain import Explanation, explain
from domain.rules.rule import RuleState

ALERT = """
SELECT territory, alert, rule, version, severity, status, reason, pathway, activation, target, raised_at, changed_at,
    closes, at, calendar, known_at, recipients
FROM alerts WHERE alert = $1"""


async def alert_row(runtime: Runtime, alert: UUID) -> dict[str, Any] | None:
    """The alert in codes, with everyone who was told; None when there is none."""
    row = await runtime.pool.fetchrow(ALERT, alert)
    return None if row is None else dict(row) | {"recipients": msgspec.json.decode(row["recipients"])}


async def explanation_of(runtime: Runtime, alert: dict[str, Any]) -> Explanation | None:
    """None when the pathway can no longer be read, or the rule that raised it is known to nobody."""
    history = await runtime.log.read_stream(alert["territory"], alert["pathway"], until_position=alert["known_at"])
    pathway = fold(None, history)
    rule = await rule_of(runtime, alert["territory"], alert["rule"], alert["version"])
    if pathway is None or rule is None:
        return None
    now: datetime = alert["changed_at"]
    facts, alone = pathway.facts(), compile_rules([msgspec.structs.replace(rule, state=RuleState.ACTIVE)])
    for obligation in evaluate(facts, alone, runtime.calendars, now).obligations:
        if _is_about(obligation, alert):
            explanation = explain(obligation, facts, rule, _calendar_of(runtime, alert))
            return msgspec.structs.replace(explanation, known_at=alert["known_at"])
    return None


async def rule_of(runtime: Runtime, territory: str, slug: str, version: int) -> Rule | None:
    """The very version that raised an alert, whatever has become of it."""
    book = await runtime.rulebooks.read(territory)
    rules = rules_in_force(runtime.rulebooks.rules.shipped, book.versions.values())
    return next((rule for rule in rules if (rule.slug, rule.version) == (slug, version)), None)


def _is_about(obligation: Obligation, alert: Mapping[str, Any]) -> bool:
    """The target counts only where each pair of facts is a situation of its own: then the alert names one."""
    is_it = alert["target"] is None or obligation.target == alert["target"]
    situation = (obligation.rule, obligation.version, obligation.activation)
    return is_it and situation == (alert["rule"], alert["version"], alert["activation"])


def _calendar_of(runtime: Runtime, alert: Mapping[str, Any]) -> Calendar:
    """The version that the alert was judged by; the one in force when it is no longer known."""
    try:
        return runtime.calendars.judged_by(alert["calendar"])
    except LookupError:
        return runtime.calendars.of(alert["territory"])
