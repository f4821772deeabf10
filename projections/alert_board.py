"""Every alert as it stands, and whom each concerns. Codes, ids and dates only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from application.event_log import Stored
from domain.alert import (
    Alert,
    AlertCleared,
    AlertDisclosed,
    AlertRaised,
    AlertReopened,
    AlertStatus,
    NearMiss,
    RaisedBecause,
    Recipient,
    Role,
    Sees,
)
from domain.alert_escalation import AlertEscalated, EscalationLevel, level_of
from domain.alert_pause import AlertWaived, AlertWaiverEnded, WaiverCode
from domain.alert_response import Response
from domain.alert_steps import AlertAnswered, AlertDelivered, AlertRead, AlertStep
from projections.projection import Build, Connection, Page
from projections.walls import OF_AGENCY, OF_ALERT

ALERTS = """
CREATE TABLE {alerts} (
    alert       uuid NOT NULL,
    pathway     uuid NOT NULL,
    position    bigint NOT NULL,      -- Of the last event of the alert.
    raised_at   timestamptz NOT NULL, -- Logical times: of the deadline or the event, not of its processing.
    changed_at  timestamptz NOT NULL,
    news_at     timestamptz NOT NULL, -- Of the last event that is told to all whom it concerns.
    news_position bigint NOT NULL,
    waived_to   timestamptz,          -- That instant excluded.
    opens       timestamptz,
    closes      timestamptz,
    at          timestamptz,
    known_at    bigint NOT NULL,      -- How much of the log was known when it was last found.
    version     integer NOT NULL,
    revision    integer NOT NULL,
    quiet       boolean NOT NULL,     -- Nobody is told of it: found by an import, say, hidden, or under a waiver.
    territory   text COLLATE "C" NOT NULL,
    rule        text COLLATE "C" NOT NULL,
    severity    text COLLATE "C" NOT NULL,
    status      text COLLATE "C" NOT NULL,
    reason      text COLLATE "C",     -- Why it was cleared.
    because     text COLLATE "C",     -- Why it was found just then; null: an event of the pathway, or time.
    activation  text COLLATE "C" NOT NULL,
    target      text COLLATE "C",
    calendar    text COLLATE "C" NOT NULL,
    evidence    jsonb NOT NULL,
    near_misses jsonb NOT NULL,
    waived_by   text COLLATE "C",
    waiver_code text COLLATE "C",
    level       text COLLATE "C",     -- How high it was escalated.
    recipients  jsonb NOT NULL,
    responses   jsonb NOT NULL DEFAULT jsonb_build_object(), -- To the present revision, by agency.
    PRIMARY KEY (territory, alert)
);
CREATE INDEX ON {alerts} (territory, pathway, alert);
CREATE INDEX ON {alerts} (territory, alert) WHERE level = 'coordinator';
CREATE INDEX ON {alerts} (territory, changed_at) WHERE status = 'cleared' AND NOT quiet"""
RECIPIENTS = """
CREATE TABLE {alert_recipients} (
    alert     uuid NOT NULL,
    territory text COLLATE "C" NOT NULL,
    agency    text COLLATE "C" NOT NULL,
    role      text COLLATE "C" NOT NULL,
    sees      text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, agency, alert)
);
CREATE INDEX ON {alert_recipients} (territory, alert)"""

PUT_ALERTS = """
INSERT INTO {alerts} (territory, alert, pathway, position, raised_at, changed_at, opens, closes, at, known_at, version,
    revision, quiet, rule, severity, status, reason, activation, target, calendar, evidence, near_misses, recipients,
    because, news_at, news_position)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
    $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::int[], $12::int[], $13::bool[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::jsonb[],
    $22::jsonb[], $23::jsonb[], $24::text[], $25::timestamptz[], $26::bigint[])
ON CONFLICT (territory, alert) DO UPDATE SET position = excluded.position, raised_at = excluded.raised_at,
    changed_at = excluded.changed_at, opens = excluded.opens, closes = excluded.closes, at = excluded.at,
    known_at = excluded.known_at, version = excluded.version, revision = excluded.revision, quiet = excluded.quiet,
    severity = excluded.severity, status = excluded.status, reason = excluded.reason, target = excluded.target,
    calendar = excluded.calendar, evidence = excluded.evidence, near_misses = excluded.near_misses,
    recipients = excluded.recipients, because = excluded.because, news_at = excluded.news_at,
    news_position = excluded.news_position"""
CLEAR_ALERTS = """
UPDATE {alerts} AS a SET status = 'cleared', position = c.position, changed_at = c.changed_at, reason = c.reason,
    news_at = c.changed_at, news_position = c.position
FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::text[]) AS c (alert, position, changed_at, reason)
WHERE a.territory = $1 AND a.alert = c.alert"""
STAND = """
UPDATE {alerts} AS a SET position = s.position, changed_at = coalesce(s.changed_at, a.changed_at),
    quiet = s.quiet, severity = s.severity, recipients = s.recipients, responses = s.responses, level = s.level,
    waived_to = s.waived_to, waived_by = s.waived_by, waiver_code = s.waiver_code,
    news_at = coalesce(s.news_at, a.news_at), news_position = coalesce(s.news_position, a.news_position)
FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::bool[], $6::text[], $7::jsonb[], $8::jsonb[], $9::text[],
    $10::timestamptz[], $11::text[], $12::text[], $13::timestamptz[], $14::bigint[])
    AS s (alert, position, changed_at, quiet, severity, recipients, responses, level, waived_to, waived_by, waiver_code,
        news_at, news_position)
WHERE a.territory = $1 AND a.alert = s.alert"""
DROP_RECIPIENTS = "DELETE FROM {alert_recipients} WHERE territory = $1 AND alert = ANY($2::uuid[])"
PUT_RECIPIENTS = """
INSERT INTO {alert_recipients} (territory, alert, agency, role, sees)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[])"""

FORGET = (
    """
DELETE FROM {alert_recipients} WHERE territory = $1
    AND (alert = ANY($3::uuid[]) OR alert IN (
        SELECT alert FROM {alerts} WHERE territory = $1 AND pathway = ANY($2::uuid[])))""",
    "DELETE FROM {alerts} WHERE territory = $1 AND (pathway = ANY($2::uuid[]) OR alert = ANY($3::uuid[]))",
)

SHOWN_CLEARED_DAYS = 7
"""How long what is cleared stays among what is recent."""

COLUMNS = """a.alert, a.pathway, a.position, a.raised_at, a.changed_at, a.opens, a.closes, a.at, a.known_at, a.version,
    a.revision, a.quiet, a.rule, a.severity, a.status, a.reason, a.activation, a.target, a.calendar, a.evidence,
    a.near_misses, a.recipients, a.because, a.responses, a.level,
    a.waived_to AS waived_until, a.waived_by, a.waiver_code, a.news_at, a.news_position"""
# What an agency was told once it reads for as long as it takes part, and while the person's data may be used.
STILL_THERE = """EXISTS (
    SELECT FROM pathway_participants p
    WHERE p.territory = $1 AND p.agency = $2 AND p.pathway = a.pathway AND p.status <> 'restricted')"""
# Who was told the content and takes part no more is not told the rest as a notice: not even whether it is over.
NOT_ENDED = """(r.sees = 'notice' OR EXISTS (
    SELECT FROM pathway_participants p WHERE p.territory = $1 AND p.agency = $2 AND p.pathway = a.pathway))"""
TOLD = f"""{COLUMNS}, r.role,
    CASE WHEN r.sees = 'content' AND {STILL_THERE} THEN 'content' ELSE 'notice' END AS sees"""
# A coordinator, whichever agency they act for, reads what came to the coordinators.
IN_USE = """NOT EXISTS (
    SELECT FROM pathway_participants p
    WHERE p.territory = $1 AND p.pathway = a.pathway AND p.status = 'restricted')"""
COORDINATED = f"""{COLUMNS}, coalesce(r.role, 'coordinator') AS role,
    CASE WHEN a.level = 'coordinator' AND {IN_USE} OR r.sees = 'content' AND {STILL_THERE}
        THEN 'content' ELSE 'notice' END AS sees"""
ALERT = f"""
SELECT {TOLD} FROM alerts a JOIN alert_recipients r USING (territory, alert)
WHERE a.territory = $1 AND r.agency = $2 AND a.alert = $3 AND {NOT_ENDED}"""
COORDINATED_ALERT = f"""
SELECT {COORDINATED} FROM alerts a
LEFT JOIN alert_recipients r ON r.territory = a.territory AND r.alert = a.alert AND r.agency = $2
WHERE a.territory = $1 AND a.alert = $3 AND ({NOT_ENDED} OR a.level = 'coordinator')"""
SNOOZED = "coalesce((a.responses #>> ARRAY[$2, 'snoozed_until'])::timestamptz > $8::timestamptz, false)"
WAIVED = "coalesce(a.waived_to > $8::timestamptz, false)"
LISTED = f"""
    CASE $4::text WHEN 'cleared' THEN a.status = 'cleared' WHEN 'waived' THEN a.status = 'open' AND {WAIVED}
        WHEN 'snoozed' THEN a.status = 'open' AND {SNOOZED}
        WHEN 'open' THEN a.status = 'open' AND NOT {WAIVED} AND NOT {SNOOZED} ELSE true END
    AND ($5::text IS NULL OR a.rule = $5)
    AND ($6::uuid IS NULL OR a.pathway = $6)
    AND ($9::timestamptz IS NULL OR CASE WHEN r.sees = 'notice' THEN a.news_at ELSE a.changed_at END > $9)
    AND (NOT $10::boolean OR a.status = 'open'
        OR a.changed_at > $8::timestamptz - interval '{SHOWN_CLEARED_DAYS} days')"""
# What it is about is asked only of whoever may know: of a bare notice not even how many there are would be told.
UNFILTERED = "$5::text IS NULL AND $6::uuid IS NULL"
ALERTS_OF_AGENCY = f"""
SELECT {TOLD} FROM alert_recipients r JOIN alerts a USING (territory, alert)
WHERE r.territory = $1 AND r.agency = $2 AND r.alert > $3 AND {NOT_ENDED} AND {LISTED}
    AND (({UNFILTERED}) OR (r.sees = 'content' AND {STILL_THERE}))
ORDER BY r.alert LIMIT $7"""
ALERTS_OF_COORDINATOR = f"""
SELECT {COORDINATED} FROM (
    SELECT alert FROM alert_recipients WHERE territory = $1 AND agency = $2 AND alert > $3
    UNION SELECT alert FROM alerts WHERE territory = $1 AND level = 'coordinator' AND alert > $3
) AS t JOIN alerts a ON a.territory = $1 AND a.alert = t.alert
LEFT JOIN alert_recipients r ON r.territory = $1 AND r.alert = t.alert AND r.agency = $2
WHERE ({NOT_ENDED} OR a.level = 'coordinator') AND {LISTED}
    AND (({UNFILTERED}) OR a.level = 'coordinator' AND {IN_USE} OR (r.sees = 'content' AND {STILL_THERE}))
ORDER BY t.alert LIMIT $7"""
ALERTS_OF_PATHWAYS = f"""
SELECT l.* FROM unnest($3::uuid[]) AS p (pathway) CROSS JOIN LATERAL (
    SELECT {TOLD} FROM alerts a JOIN alert_recipients r USING (territory, alert)
    WHERE a.territory = $1 AND a.pathway = p.pathway AND r.agency = $2 AND r.sees = 'content' AND {STILL_THERE}
    ORDER BY a.position DESC LIMIT $4
) AS l ORDER BY l.position DESC"""

BEFORE_ANY = UUID(int=0)

TOLD_TO_ALL = (AlertDisclosed, AlertAnswered, AlertWaived, AlertWaiverEnded, AlertEscalated)
"""Besides those that make a row anew. Of any other step a bare notice does not even show that there was one."""


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, and in what capacity the agency that asks is told of it."""

    alert: UUID
    pathway: UUID
    position: int
    raised_at: datetime
    changed_at: datetime
    news_at: datetime
    """Of the last event that is told to all whom it concerns."""
    news_position: int
    opens: datetime | None
    closes: datetime | None
    at: datetime | None
    known_at: int
    version: int
    revision: int
    quiet: bool
    rule: str
    severity: str
    status: AlertStatus
    reason: str | None
    because: RaisedBecause | None
    activation: str
    target: str | None
    calendar: str
    evidence: tuple[str, ...]
    near_misses: tuple[NearMiss, ...]
    recipients: tuple[Recipient, ...]
    role: Role
    sees: Sees
    """With `notice` only the alert's own id, status, severity and dates may be shown, and the agency's own response."""
    responses: Mapping[str, Response] = {}
    level: EscalationLevel | None = None
    waived_until: datetime | None = None
    waived_by: str | None = None
    waiver_code: WaiverCode | None = None


class Listed(StrEnum):
    """Which alerts are asked for."""

    OPEN = "open"  # And neither waived nor put aside by the agency that asks.
    CLEARED = "cleared"
    WAIVED = "waived"
    SNOOZED = "snoozed"  # By the agency that asks.


async def alert(
    db: Connection, territory: str, agency: str, alert_id: UUID, *, coordinates: bool = False
) -> AlertRow | None:
    """The alert, if it concerns the agency, or came to the coordinators and one of them asks."""
    row = await db.fetchrow(COORDINATED_ALERT if coordinates else ALERT, territory, agency, alert_id)
    return None if row is None else _alert_row(row)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which of them. Without a time nothing counts as put aside."""

    now: datetime | None = None
    status: Listed | None = None
    rule: str | None = None
    pathway: UUID | None = None
    """By either, only those whose content may be seen."""
    changed_after: datetime | None = None
    recent: bool = False
    """The open ones, and what was cleared in the last seven days."""


EVERY = Wanted()


async def alerts(
    db: Connection,
    territory: str,
    agency: str,
    wanted: Wanted = EVERY,
    *,
    after: UUID = BEFORE_ANY,
    limit: int = 100,
    coordinates: bool = False,
) -> list[AlertRow]:
    """Alerts that concern an agency, by id; beside them, for a coordinator, those that came to the coordinators."""
    rows = await db.fetch(
        ALERTS_OF_COORDINATOR if coordinates else ALERTS_OF_AGENCY,
        territory,
        agency,
        after,
        wanted.status,
        wanted.rule,
        wanted.pathway,
        limit,
        wanted.now,
        wanted.changed_after,
        wanted.recent,
    )
    return [_alert_row(row) for row in rows]


async def alerts_of(
    db: Connection, territory: str, agency: str, pathways: Sequence[UUID], *, each: int
) -> dict[UUID, list[AlertRow]]:
    """The alerts of several pathways whose content an agency may see: at most `each`, the latest changed first."""
    found: dict[UUID, list[AlertRow]] = {pathway: [] for pathway in pathways}
    for row in await db.fetch(ALERTS_OF_PATHWAYS, territory, agency, pathways, each):
        found[row["pathway"]].append(_alert_row(row))
    return found


def _alert_row(row: asyncpg.Record) -> AlertRow:
    fields = dict(row)
    for name in ("evidence", "near_misses", "recipients", "responses"):
        fields[name] = msgspec.json.decode(fields[name])
    return msgspec.convert(fields, AlertRow)


class AlertBoard:
    name = "alert_board"
    version = 4
    tables: Mapping[str, str] = {"alerts": ALERTS, "alert_recipients": RECIPIENTS}
    walls: Mapping[str, str] = {"alerts": OF_ALERT, "alert_recipients": OF_AGENCY}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        found: dict[UUID, list[Any]] = {}
        cleared: dict[UUID, tuple[UUID, int, datetime, str]] = {}
        told: set[UUID] = set()
        for stored in page.events:
            match stored.event:
                case AlertRaised() | AlertReopened() as event:
                    found[event.originator_id] = _found_row(stored, event)
                    told.add(event.originator_id)
                    cleared.pop(event.originator_id, None)
                case AlertCleared() as event:
                    alert_id = event.originator_id
                    cleared[alert_id] = (alert_id, stored.position, event.on, event.reason.value)
                case AlertEscalated() as event:
                    told.add(event.originator_id)
        if found:
            await db.execute(build.sql(PUT_ALERTS), page.territory, *zip(*found.values(), strict=True))
        if cleared:
            await db.execute(build.sql(CLEAR_ALERTS), page.territory, *zip(*cleared.values(), strict=True))
        await _put_standings(db, build, page)
        await _put_recipients(db, build, page, told)
        for statement in FORGET if page.erased else ():
            await db.execute(build.sql(statement), page.territory, list(page.erased), list(page.forgotten_alerts))


async def _put_standings(db: Connection, build: Build, page: Page) -> None:
    """How the alerts touched stand at the end of the page, whatever was done about them."""
    positions: dict[UUID, int] = {}
    changed: dict[UUID, datetime] = {}
    news: dict[UUID, tuple[datetime, int]] = {}
    for stored in page.events:
        alert_id = stored.event.originator_id
        if alert_id in page.alerts:
            positions[alert_id] = stored.position
            if isinstance(stored.event, AlertStep) and not isinstance(stored.event, AlertDelivered | AlertRead):
                changed[alert_id] = stored.event.on
            elif isinstance(stored.event, AlertRaised | AlertReopened | AlertCleared):
                changed.pop(alert_id, None)  # Its own row says so.
                news.pop(alert_id, None)
            if isinstance(stored.event, TOLD_TO_ALL):
                news[alert_id] = (stored.event.on, stored.position)
    rows = [
        _standing_row(page.alerts[alert_id], position, changed.get(alert_id), news.get(alert_id, (None, None)))
        for alert_id, position in positions.items()
        if not page.alerts[alert_id].erased
    ]
    if rows:
        await db.execute(build.sql(STAND), page.territory, *zip(*rows, strict=True))


def _standing_row(
    alert: Alert, position: int, changed: datetime | None, news: tuple[datetime | None, int | None]
) -> tuple[Any, ...]:
    return (
        alert.id,
        position,
        changed,
        is_quiet(alert),
        alert.severity,
        _json(alert.recipients),
        _json(alert.responses),
        level_of(alert),
        alert.waived_until,
        alert.waived_by,
        alert.waiver_code,
        *news,
    )


def is_quiet(alert: Alert) -> bool:
    """Nobody has been told of it."""
    return alert.quiet or alert.hidden


async def _put_recipients(db: Connection, build: Build, page: Page, told: Iterable[UUID]) -> None:
    known = [page.alerts[alert_id] for alert_id in sorted(told) if alert_id in page.alerts]
    rows = [(alert.id, one.agency, one.role.value, one.sees.value) for alert in known for one in alert.recipients]
    if rows:
        await db.execute(build.sql(DROP_RECIPIENTS), page.territory, [alert.id for alert in known])
        await db.execute(build.sql(PUT_RECIPIENTS), page.territory, *zip(*rows, strict=True))


def _found_row(stored: Stored, event: AlertRaised | AlertReopened) -> list[Any]:
    finding = event.finding
    return [
        event.originator_id,
        finding.pathway,
        stored.position,
        event.on,
        event.on,
        finding.opens,
        finding.closes,
        finding.at,
        event.known_at,
        finding.version,
        event.revision if isinstance(event, AlertReopened) else 1,
        event.quiet,
        finding.rule,
        finding.severity,
        AlertStatus.OPEN.value,
        None,
        finding.activation,
        finding.target,
        finding.calendar,
        _json(finding.evidence),
        _json(finding.near_misses),
        _json(event.recipients),
        event.because,
        event.on,
        stored.position,
    ]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
