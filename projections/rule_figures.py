"""The figures that a rule is judged by: counts, shares and medians over what it raised in a period.

Counted each time from the rows of `projections/rule_health.py`, so that any period may be asked for.
"""

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from domain.alert import ClearedBecause
from domain.alert_pause import WaiverCode
from domain.alert_response import Wrong
from projections.projection import Pool

REVIEW_DAYS = 60
REVIEW_UNDER = 0.3
"""Of what was told and stood in those days, a smaller share was acted on: the rule is to be looked at again."""
TIME_TO_ACT_DAYS = 7
"""An alert told since, that still stands, says nothing yet about its rule."""

C = ClearedBecause
BACK_IN_STEP = (C.DONE_LATE, C.LATE_EVIDENCE, C.CORRECTED, C.RETRACTED)
NOBODYS_ANSWER = (C.RULE_CHANGE, C.CALENDAR_CHANGE, C.RESTRICTED, C.ERASED)
"""Reasons for which an alert is cleared whoever acts."""

_CLEARED = "\n".join(
    f"    count(*) FILTER (WHERE counts AND reason = '{each}') AS cleared_{each}," for each in ClearedBecause
)
_WAIVED = "\n".join(
    f"    count(*) FILTER (WHERE counts AND '{each}' = ANY (waived)) AS waived_{each}," for each in WaiverCode
)
_DISPUTED = "\n".join(
    f"    count(*) FILTER (WHERE counts AND '{each}' = ANY (disputed)) AS disputed_{each}," for each in Wrong
)
# One row for each episode, or for each agency of each; then those of one version of one rule together.
FIGURES = f"""
WITH episodes AS (
    SELECT e.rule, e.version, CASE WHEN $5::bool THEN r.agency END AS agency, revision, e.raised_at, e.told_at,
        e.cleared_at, e.escalated_at, e.reason,
        e.raised_at >= $2::timestamptz AND e.raised_at < $3::timestamptz AS counts,
        min(r.delivered_at) AS delivered_at, min(r.acknowledged_at) AS acknowledged_at,
        min(r.snoozed_at) AS snoozed_at, array_remove(array_agg(r.waived), NULL) AS waived,
        array_remove(array_agg(r.disputed), NULL) AS disputed,
        CASE WHEN e.told_at IS NOT NULL THEN least(min(r.acted_at), min(e.cleared_at) FILTER (
            WHERE e.cleared_by = r.agency AND e.reason <> ALL ($8::text[]))) END AS acted_at
    FROM alert_episodes e LEFT JOIN alert_responses r USING (territory, alert, revision)
    WHERE territory = $1 AND (NOT $5::bool OR r.agency IS NOT NULL) AND ($6::text IS NULL OR r.agency = $6)
        AND ($7::text IS NULL OR e.rule = $7)
        AND (NOT $16::bool OR r.agency = ANY (string_to_array(e.entitled, ' ')))
        AND (e.raised_at >= $2::timestamptz AND e.raised_at < $3::timestamptz
            OR e.cleared_at IS NULL OR e.cleared_at > $10::timestamptz)
    GROUP BY territory, alert, revision, e.rule, e.version, e.raised_at, e.told_at, e.cleared_at, e.escalated_at,
        e.reason, CASE WHEN $5::bool THEN r.agency END
), judged AS (
    SELECT *, coalesce(told_at <= $4::timestamptz AND (cleared_at IS NULL OR cleared_at > $10::timestamptz)
        AND (acted_at IS NOT NULL OR cleared_at IS NOT NULL OR told_at <= $11::timestamptz), false) AS says
    FROM episodes
), figures AS (
SELECT rule, version, agency,
    count(*) FILTER (WHERE counts) AS raised,
    count(*) FILTER (WHERE counts AND told_at IS NOT NULL) AS told,
    count(*) FILTER (WHERE counts AND revision > 1) AS repeats,
    count(*) FILTER (WHERE counts AND delivered_at IS NOT NULL) AS delivered,
    count(*) FILTER (WHERE counts AND acknowledged_at IS NOT NULL) AS acknowledged,
    count(*) FILTER (WHERE counts AND acted_at IS NOT NULL) AS acted_on,
    count(*) FILTER (WHERE counts AND waived <> '{{}}') AS waived,
    count(*) FILTER (WHERE counts AND snoozed_at IS NOT NULL) AS snoozed,
    count(*) FILTER (WHERE counts AND escalated_at IS NOT NULL) AS escalated,
    count(*) FILTER (WHERE counts AND cleared_at IS NULL) AS still_open,
    count(*) FILTER (WHERE counts AND disputed <> '{{}}') AS disputed,
    count(*) FILTER (WHERE counts AND acted_at IS NOT NULL AND disputed = '{{}}') AS acted_on_undisputed,
{_CLEARED}
{_WAIVED}
{_DISPUTED}
    percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(acknowledged_at - told_at, interval '0'))
        FILTER (WHERE counts AND acknowledged_at IS NOT NULL AND told_at IS NOT NULL) AS to_acknowledge,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(acted_at - told_at, interval '0'))
        FILTER (WHERE counts AND acted_at IS NOT NULL) AS to_act,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY cleared_at - raised_at)
        FILTER (WHERE counts AND reason = ANY ($9::text[])) AS to_resynchronise,
    count(*) FILTER (WHERE says) AS judged,
    count(*) FILTER (WHERE says AND acted_at IS NOT NULL) AS judged_acted_on
FROM judged GROUP BY rule, version, agency
)
SELECT *, (
    SELECT min(told_at) FROM alert_episodes e
    WHERE e.territory = $1 AND (e.rule, e.version) = (figures.rule, figures.version)) AS first_told_at
FROM figures
WHERE (raised > 0 OR judged > 0) AND (rule, version, coalesce(agency, '')) > ($12::text, $13::int, $14::text)
ORDER BY rule, version, agency LIMIT $15"""

BEFORE_ANY = ("", 0, "")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Of what to count. `since` is within the period, `until` is not."""

    territory: str
    since: datetime
    until: datetime
    now: datetime
    by_agency: bool = False
    """A line for each agency told of it, instead of one for all."""
    agency: str | None = None
    """That one's line alone."""
    as_told: bool = False
    """By each agency, only what it may know: without alerts of which it had a bare notice."""
    rule: str | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one version of one rule: for all told of it (`agency` is null), or for one agency."""

    rule: str
    version: int
    agency: str | None
    raised: int
    told: int
    """Those not only recorded: what imports and changes of rules bring to light is told in a summary."""
    repeats: int
    """Raised again after having been cleared; counted in `raised`."""
    delivered: int
    acknowledged: int
    acted_on: int
    """Of those told: taken up, supported, or cleared by an act of one of the agencies."""
    waived: int
    waived_for: dict[WaiverCode, int]
    snoozed: int
    escalated: int
    still_open: int
    disputed: int
    disputed_for: dict[Wrong, int]
    cleared_because: dict[ClearedBecause, int]
    acted_on_share: float | None
    """Of those told; null when there are none."""
    precision: float | None
    """Of those acted on or disputed, how many nobody disputes; null when there are none."""
    median_hours_to_acknowledge: float | None
    """From when agencies could hear of it."""
    median_hours_to_act: float | None
    """Likewise, of those acted on: to the first answer or act that counts."""
    median_hours_to_resynchronise: float | None
    """From when it was out of step until it was back in step, of those that are."""
    review_told: int
    """Of the last 60 days: what stood and was told, without what came in the last week and stands."""
    review_share: float | None
    """Acted on, of these."""
    to_review: bool
    """The rule has been telling for 60 days, and less than 30 % of it was acted on."""


async def figures(
    pool: Pool, asked: Asked, *, after: tuple[str, int, str] = BEFORE_ANY, limit: int | None = None
) -> list[Figures]:
    """By rule, version and agency. Rules that raised nothing then, and tell nothing now, have no line."""
    rows = await pool.fetch(
        FIGURES,
        asked.territory,
        asked.since,
        asked.until,
        asked.now,
        asked.by_agency or asked.agency is not None,
        asked.agency,
        asked.rule,
        NOBODYS_ANSWER,
        BACK_IN_STEP,
        asked.now - timedelta(days=REVIEW_DAYS),
        asked.now - timedelta(days=TIME_TO_ACT_DAYS),
        *after,
        limit,
        asked.as_told,
    )
    return [_figures(row, asked.now) for row in rows]


def _figures(row: asyncpg.Record, now: datetime) -> Figures:
    counted: dict[str, Any] = {name: row[name] for name in Figures.__struct_fields__ if name in row}
    judged, share = row["judged"], _share(row["judged_acted_on"], row["judged"])
    is_old_enough = row["first_told_at"] is not None and row["first_told_at"] <= now - timedelta(days=REVIEW_DAYS)
    return Figures(
        **counted,
        waived_for={each: row[f"waived_{each}"] for each in WaiverCode if row[f"waived_{each}"]},
        disputed_for={each: row[f"disputed_{each}"] for each in Wrong if row[f"disputed_{each}"]},
        cleared_because={each: row[f"cleared_{each}"] for each in ClearedBecause if row[f"cleared_{each}"]},
        acted_on_share=_share(row["acted_on"], row["told"]),
        precision=_share(row["acted_on_undisputed"], row["acted_on_undisputed"] + row["disputed"]),
        median_hours_to_acknowledge=_hours(row["to_acknowledge"]),
        median_hours_to_act=_hours(row["to_act"]),
        median_hours_to_resynchronise=_hours(row["to_resynchronise"]),
        review_told=judged,
        review_share=share,
        to_review=is_old_enough and share is not None and share < REVIEW_UNDER,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _hours(median: timedelta | None) -> float | None:
    return None if median is None else round(median / timedelta(hours=1), 2)
