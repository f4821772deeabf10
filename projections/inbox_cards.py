"""The inbox as cards: the alerts of one pathway together, the gravest first; what was cleared stays for a week."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from domain.alert_escalation import EscalationLevel
from domain.rules.rule import Severity
from projections.projection import Connection

CLEARED_SHOWN = timedelta(days=7)
LINES_MOST = 20
SEVERITIES = [severity.value for severity in Severity]
LEVELS = [EscalationLevel.RULE.value, EscalationLevel.LEAD.value, EscalationLevel.COORDINATOR.value]
"""Lowest first, both."""

# A bare notice is a card by itself: nothing may say that two are of one pathway.
CARDS = """
WITH lines AS (
    SELECT coalesce(p.pathway, i.item) AS card, p.pathway, i.item AS alert, i.since AS at,
        array_position($6::text[], i.severity) AS gravity, array_position($7::text[], i.level) AS level,
        true AS open, NULL::text AS reason
    FROM agency_inbox i LEFT JOIN pathway_participants p
        ON p.territory = i.territory AND p.agency = i.agency AND p.pathway = i.pathway AND p.status <> 'restricted'
    WHERE i.territory = $1 AND i.agency = $2 AND i.kind = 'alert' AND (i.pathway IS NULL OR p.pathway IS NOT NULL)
        AND NOT EXISTS (
        SELECT FROM sleeping_alerts s WHERE s.territory = i.territory AND s.agency = i.agency AND s.alert = i.item)
    UNION ALL
    SELECT coalesce(p.pathway, a.alert), p.pathway, a.alert, a.changed_at, NULL, NULL, false,
        CASE WHEN p.pathway IS NOT NULL THEN a.reason END
    FROM alert_recipients r JOIN alerts a USING (territory, alert) LEFT JOIN pathway_participants p
        ON p.territory = a.territory AND p.agency = r.agency AND p.pathway = a.pathway AND p.status <> 'restricted'
            AND r.sees = 'content'
    WHERE r.territory = $1 AND r.agency = $2 AND a.status = 'cleared' AND a.changed_at > $3 AND NOT a.quiet
        AND (r.sees = 'notice' OR p.pathway IS NOT NULL)
),
cards AS (
    SELECT card, pathway, -coalesce(max(gravity), 0) AS weight, max(level) AS level,
        coalesce(min(at) FILTER (WHERE open), min(at)) AS since, count(*) FILTER (WHERE open) AS open,
        (array_agg(alert ORDER BY at, alert) FILTER (WHERE open))[:$8] AS alerts,
        (array_agg(jsonb_build_object('id', alert, 'cleared_at', at, 'because', reason) ORDER BY at DESC, alert)
            FILTER (WHERE NOT open))[:$8] AS cleared
    FROM lines GROUP BY card, pathway
)
SELECT card, pathway, weight, level, since, open, coalesce(alerts, '{}') AS alerts,
    coalesce(to_jsonb(cleared), '[]') AS cleared
FROM cards WHERE (weight, since, card) > ($4::int, $5::timestamptz, $9::uuid)
ORDER BY weight, since, card LIMIT $10"""

Place = tuple[int, datetime, UUID]
BEFORE_ANY: Place = (-1_000, datetime.min.replace(tzinfo=UTC), UUID(int=0))


class Cleared(msgspec.Struct, frozen=True):
    """An alert that was cleared lately."""

    id: UUID
    cleared_at: datetime
    because: str | None


class Card(NamedTuple):
    """In the order (weight, since, id), which is also what pages go by."""

    id: UUID
    """Of the pathway; of the alert for a bare notice."""
    pathway: UUID | None
    severity: str | None
    """The worst of those open; None: none is."""
    level: str | None
    """The highest up to where one of them went."""
    since: datetime
    open: int
    alerts: Sequence[UUID]
    cleared: Sequence[Cleared]

    @property
    def place(self) -> Place:
        weight = 0 if self.severity is None else -SEVERITIES.index(self.severity) - 1
        return weight, self.since, self.id


async def cards(
    db: Connection,
    territory: str,
    agency: str,
    now: datetime,
    *,
    after: Place = BEFORE_ANY,
    limit: int = 100,
) -> list[Card]:
    """The gravest first, then those that wait the longest; those with nothing open last."""
    weight, since, card = after
    rows = await db.fetch(
        CARDS, territory, agency, now - CLEARED_SHOWN, weight, since, SEVERITIES, LEVELS, LINES_MOST, card, limit
    )
    return [
        Card(
            id=row["card"],
            pathway=row["pathway"],
            severity=SEVERITIES[-row["weight"] - 1] if row["weight"] else None,
            level=None if row["level"] is None else LEVELS[row["level"] - 1],
            since=row["since"],
            open=row["open"],
            alerts=row["alerts"],
            cleared=msgspec.json.decode(row["cleared"], type=list[Cleared]),
        )
        for row in rows
    ]
