"""Alerts of which nobody was told one by one: what imports, changes of rules and of calendars bring to light.

Each agency that they concern gets one message per civil day, when the first is recorded; here it reads how many. Who
tells is `notifications`: a view that is new to a log must not tell of all its past.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from application.alert_histories import Moment, alerts_at
from application.event_log import EventLog, Stored
from application.message_types import MessageTypes
from domain.alert import Alert, AlertDisclosed, AlertRaised, AlertReopened
from domain.ids import uuid8_of
from domain.rules import Calendars
from projections.news import News, rows_of
from projections.outbox_rows import OutboxRow
from projections.projection import Build, Connection, Page
from projections.walls import OF_AGENCY

QUIET = """
CREATE TABLE {quiet_alerts} (
    alert     uuid NOT NULL,
    pathway   uuid NOT NULL,
    day       date NOT NULL,     -- On which it was recorded, where the territory is.
    revision  integer NOT NULL,
    territory text COLLATE "C" NOT NULL,
    agency    text COLLATE "C" NOT NULL,
    severity  text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, agency, alert, revision)
);
CREATE INDEX ON {quiet_alerts} (territory, agency, day);
CREATE INDEX ON {quiet_alerts} (territory, alert);
CREATE INDEX ON {quiet_alerts} (territory, pathway)"""

PUT = """
INSERT INTO {quiet_alerts} (territory, alert, pathway, day, revision, agency, severity)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::date[], $5::int[], $6::text[], $7::text[])
ON CONFLICT (territory, agency, alert, revision) DO NOTHING"""
FORGET = "DELETE FROM {quiet_alerts} WHERE territory = $1 AND (pathway = ANY($2::uuid[]) OR alert = ANY($3::uuid[]))"
SUMMARIES = """
SELECT q.day, count(*) AS alerts, count(*) FILTER (WHERE q.severity = 'critical') AS critical,
    count(*) FILTER (WHERE a.status = 'open' AND a.revision = q.revision) AS still_open
FROM quiet_alerts q LEFT JOIN alerts a USING (territory, alert)
WHERE q.territory = $1 AND q.agency = $2 AND q.day < $3
GROUP BY q.day ORDER BY q.day DESC LIMIT $4"""

NAME = "alerts.summary"
AFTER_ANY = date.max


class QuietAlert(NamedTuple):
    alert: UUID
    pathway: UUID
    day: date
    revision: int
    agency: str
    severity: str


class Summary(NamedTuple):
    """Of one agency and one civil day."""

    day: date
    alerts: int
    critical: int
    still_open: int


async def summaries(
    db: Connection, territory: str, agency: str, *, before: date = AFTER_ANY, limit: int = 100
) -> list[Summary]:
    """The latest day first."""
    return [Summary(*row.values()) for row in await db.fetch(SUMMARIES, territory, agency, before, limit)]


def summary_id_of(territory: str, agency: str, day: date) -> UUID:
    return uuid8_of("summary", territory, agency, day.isoformat())


class QuietAlerts:
    name = "quiet_alerts"
    version = 1
    tables: Mapping[str, str] = {"quiet_alerts": QUIET}
    walls: Mapping[str, str] = {"quiet_alerts": OF_AGENCY}

    def __init__(self, log: EventLog, calendars: Calendars) -> None:
        self._log = log
        self._calendars = calendars

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        rows = [
            QuietAlert(alert.id, alert.finding.pathway, day, alert.revision, one.agency, alert.finding.severity)
            for stored, alert in await found_quietly(self._log, page)
            if alert.finding is not None
            for day in [day_of(stored, self._calendars)]
            for one in alert.recipients
        ]
        if rows:
            await db.execute(build.sql(PUT), page.territory, *zip(*rows, strict=True))
        if page.erased:
            await db.execute(build.sql(FORGET), page.territory, list(page.erased), list(page.forgotten_alerts))


async def found_quietly(log: EventLog, page: Page) -> list[tuple[Stored, Alert]]:
    """What was recorded without telling anybody, and each alert as it stood then. What a waiver hushed is no news."""
    events = {
        stored.position: stored
        for stored in page.events
        if isinstance(stored.event, AlertRaised | AlertReopened | AlertDisclosed) and stored.event.quiet
    }
    then = [Moment(stored.event.originator_id, position) for position, stored in events.items()]
    before = [Moment(each.alert_id, each.position - 1) for each in then if _is_disclosure(events[each.position])]
    alerts = await alerts_at(log, page.territory, [*then, *before])
    counted = {each.position + 1 for each in before if each in alerts and alerts[each].quiet}
    return [
        (events[moment.position], alerts[moment])
        for moment in then
        if moment in alerts and not alerts[moment].hushed_by_waiver and moment.position not in counted
    ]


def _is_disclosure(stored: Stored) -> bool:
    """Of what was hidden: it may have been quiet from the first."""
    return isinstance(stored.event, AlertDisclosed)


def summaries_of(
    found: Iterable[tuple[Stored, Alert]], calendars: Calendars, types: MessageTypes
) -> dict[UUID, OutboxRow]:
    """The messages of that day, by id, always the same: of those of one agency and day only the first is told."""
    rows: dict[UUID, OutboxRow] = {}
    for stored, alert in found:
        for one in alert.recipients:
            summary_id = summary_id_of(stored.territory, one.agency, day_of(stored, calendars))
            for row in rows_of(News(stored, NAME, one.agency, summary_id, None), types):
                message_id = uuid8_of("message", str(summary_id), row.type)
                rows.setdefault(message_id, row._replace(message_id=message_id))
    return rows


def day_of(stored: Stored, calendars: Calendars) -> date:
    """On which it was recorded, where the territory is."""
    recorded_at: datetime = stored.event.timestamp
    return recorded_at.astimezone(calendars.of(stored.territory).tz).date()
