"""Why an alert was raised: judged again, on what was known then, by the rule that raised it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from api.runtime import Runtime
from application.pathways import fold
from domain.rules import evaluate
from domain.rules.explain import Explanation, explain

ALERT = """
SELECT territory, alert, rule, version, severity, status, reason, pathway, activation, raised_at, changed_at, closes,
    at, known_at, recipients
FROM alerts WHERE alert = $1"""


async def alert_row(runtime: Runtime, alert: UUID) -> dict[str, Any] | None:
    """The alert in codes, with everyone who was told; None when there is none."""
    row = await runtime.pool.fetchrow(ALERT, alert)
    return None if row is None else dict(row) | {"recipients": msgspec.json.decode(row["recipients"])}


async def explanation_of(runtime: Runtime, alert: dict[str, Any]) -> Explanation | None:
    """None when the pathway can no longer be read, or the rule is no longer shipped."""
    history = await runtime.log.read_stream(alert["territory"], alert["pathway"], until_position=alert["known_at"])
    pathway = fold(None, history)
    if pathway is None:
        return None
    facts, calendars = pathway.facts(), runtime.calendars
    now: datetime = alert["changed_at"]
    identity = (alert["rule"], alert["version"], alert["activation"])
    for obligation in evaluate(facts, runtime.rules, calendars, now).obligations:
        if (obligation.rule, obligation.version, obligation.activation) == identity:
            rule = next(rule for rule in runtime.rules.ruleset if (rule.slug, rule.version) == identity[:2])
            explanation = explain(obligation, facts, rule, calendars.of(alert["territory"]))
            return msgspec.structs.replace(explanation, known_at=alert["known_at"])
    return None
