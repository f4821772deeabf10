"""Every alert as it stands, and whom each concerns. Codes, ids and dates only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from application.event_log import Stored
from domain.alert import (
    AlertCleared,
    AlertRaised,
    AlertReopened,
    AlertStatus,
    NearMiss,
    RaisedBecause,
    Recipient,
    Role,
    Sees,
)
from projections.projection import Build, Connection, Page
from projections.walls import OF_AGENCY, OF_ALERT

ALERTS = """
CREATE TABLE {alerts} (
    alert       uuid NOT NULL,
    pathway     uuid NOT NULL,
    position    bigint NOT NULL,      -- Of the last event of the alert.
    raised_at   timestamptz NOT NULL, -- Logical times: of the deadline or the event, not of its processing.
    changed_at  timestamptz NOT NULL,
    opens       timestamptz,
    closes      timestamptz,
    at          timestamptz,
    known_at    bigint NOT NULL,      -- How much of the log was known when it was last found.
    version     integer NOT NULL,
    revision    integer NOT NULL,
    quiet       boolean NOT NULL,
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
    recipients  jsonb NOT NULL,
    PRIMARY KEY (territory, alert)
);
CREATE INDEX ON {alerts} (territory, pathway, alert)"""
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
    because)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
    $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::int[], $12::int[], $13::bool[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::jsonb[],
    $22::jsonb[], $23::jsonb[], $24::text[])
ON CONFLICT (territory, alert) DO UPDATE SET position = excluded.position, raised_at = excluded.raised_at,
    changed_at = excluded.changed_at, opens = excluded.opens, closes = excluded.closes, at = excluded.at,
    known_at = excluded.known_at, version = excluded.version, revision = excluded.revision, quiet = excluded.quiet,
    severity = excluded.severity, status = excluded.status, reason = excluded.reason, target = excluded.target,
    calendar = excluded.calendar, evidence = excluded.evidence, near_misses = excluded.near_misses,
    recipients = excluded.recipients, because = excluded.because"""
CLEAR_ALERTS = """
UPDATE {alerts} AS a SET status = 'cleared', position = c.position, changed_at = c.changed_at, reason = c.reason
FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::text[]) AS c (alert, position, changed_at, reason)
WHERE a.territory = $1 AND a.alert = c.alert"""
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

COLUMNS = """a.alert, a.pathway, a.position, a.raised_at, a.changed_at, a.opens, a.closes, a.at, a.known_at, a.version,
    a.revision, a.quiet, a.rule, a.severity, a.status, a.reason, a.activation, a.target, a.calendar, a.evidence,
    a.near_misses, a.recipients, a.because"""
# What an agency was told once it reads for as long as it takes part, and while the person's data may be used.
STILL_THERE = """EXISTS (
    SELECT FROM pathway_participants p
    WHERE p.territory = $1 AND p.agency = $2 AND p.pathway = a.pathway AND p.status <> 'restricted')"""
TOLD = f"""{COLUMNS}, r.role,
    CASE WHEN r.sees = 'content' AND {STILL_THERE} THEN 'content' ELSE 'notice' END AS sees"""
ALERT = f"""
SELECT {TOLD} FROM alerts a JOIN alert_recipients r USING (territory, alert)
WHERE a.territory = $1 AND r.agency = $2 AND a.alert = $3"""
ALERTS_OF_AGENCY = f"""
SELECT {TOLD} FROM alert_recipients r JOIN alerts a USING (territory, alert)
WHERE r.territory = $1 AND r.agency = $2 AND r.alert > $3 AND ($4::text IS NULL OR a.status = $4)
    AND ($5::text IS NULL OR a.rule = $5)
    AND ($6::uuid IS NULL OR (a.pathway = $6 AND r.sees = 'content' AND {STILL_THERE}))
ORDER BY r.alert LIMIT $7"""
ALERTS_OF_PATHWAYS = f"""
SELECT l.* FROM unnest($3::uuid[]) AS p (pathway) CROSS JOIN LATERAL (
    SELECT {TOLD} FROM alerts a JOIN alert_recipients r USING (territory, alert)
    WHERE a.territory = $1 AND a.pathway = p.pathway AND r.agency = $2 AND r.sees = 'content' AND {STILL_THERE}
    ORDER BY a.position DESC LIMIT $4
) AS l ORDER BY l.position DESC"""

BEFORE_ANY = UUID(int=0)


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, and in what capacity the agency that asks is told of it."""

    alert: UUID
    pathway: UUID
    position: int
    raised_at: datetime
    changed_at: datetime
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
    """With `notice` only the alert's own id, status and dates may be shown."""


async def alert(db: Connection, territory: str, agency: str, alert_id: UUID) -> AlertRow | None:
    """The alert, if it concerns the agency."""
    row = await db.fetchrow(ALERT, territory, agency, alert_id)
    return None if row is None else _alert_row(row)


async def alerts(
    db: Connection,
    territory: str,
    agency: str,
    *,
    status: AlertStatus | None = None,
    rule: str | None = None,
    pathway: UUID | None = None,
    after: UUID = BEFORE_ANY,
    limit: int = 100,
) -> list[AlertRow]:
    """Alerts that concern an agency, by id. By pathway, only those whose content it may see."""
    rows = await db.fetch(ALERTS_OF_AGENCY, territory, agency, after, status, rule, pathway, limit)
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
    for name in ("evidence", "near_misses", "recipients"):
        fields[name] = msgspec.json.decode(fields[name])
    return msgspec.convert(fields, AlertRow)


class AlertBoard:
    name = "alert_board"
    version = 2
    tables: Mapping[str, str] = {"alerts": ALERTS, "alert_recipients": RECIPIENTS}
    walls: Mapping[str, str] = {"alerts": OF_ALERT, "alert_recipients": OF_AGENCY}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        found: dict[UUID, list[Any]] = {}
        told: dict[UUID, tuple[Recipient, ...]] = {}
        cleared: dict[UUID, tuple[UUID, int, datetime, str]] = {}
        for stored in page.events:
            match stored.event:
                case AlertRaised() | AlertReopened() as event:
                    found[event.originator_id] = _found_row(stored, event)
                    told[event.originator_id] = event.recipients
                    cleared.pop(event.originator_id, None)
                case AlertCleared() as event:
                    alert_id = event.originator_id
                    cleared[alert_id] = (alert_id, stored.position, event.on, event.reason.value)
        if found:
            await db.execute(build.sql(PUT_ALERTS), page.territory, *zip(*found.values(), strict=True))
            await db.execute(build.sql(DROP_RECIPIENTS), page.territory, list(told))
            await _put_recipients(db, build, page.territory, told)
        if cleared:
            await db.execute(build.sql(CLEAR_ALERTS), page.territory, *zip(*cleared.values(), strict=True))
        for statement in FORGET if page.erased else ():
            await db.execute(build.sql(statement), page.territory, list(page.erased), list(page.forgotten_alerts))


async def _put_recipients(
    db: Connection, build: Build, territory: str, told: Mapping[UUID, Sequence[Recipient]]
) -> None:
    rows = [(alert_id, one.agency, one.role.value, one.sees.value) for alert_id, some in told.items() for one in some]
    if rows:
        await db.execute(build.sql(PUT_RECIPIENTS), territory, *zip(*rows, strict=True))


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
    ]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
