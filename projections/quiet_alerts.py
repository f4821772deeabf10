"""Alerts of which nobody was told one by one: what imports, changes of rules and of calendars bring to light.

Each agency that they concern gets one message per civil day, when the first is recorded; here it reads how many.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from application.alert_histories import Moment, alerts_at
from application.event_log import EventLog, Stored
from application.message_types import MESSAGE_TYPES, MessageTypes
from domain.alert import Alert, AlertDisclosed, AlertRaised, AlertReopened
from domain.ids import uuid8_of
from domain.rules import Calendars
from projections.news import News, rows_of
from projections.outbox_rows import OutboxRow, put
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
ON CONFLICT (territory, agency, alert, revision) DO NOTHING RETURNING agency, alert, revision"""
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

    @property
    def key(self) -> tuple[str, UUID, int]:
        return self.agency, self.alert, self.revision


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

    def __init__(self, log: EventLog, calendars: Calendars, types: MessageTypes = MESSAGE_TYPES) -> None:
        self._log = log
        self._calendars = calendars
        self._types = types

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        found = {stored.position: stored for stored in page.events if _is_quiet(stored)}
        moments = [Moment(stored.event.originator_id, position) for position, stored in found.items()]
        alerts = await alerts_at(self._log, page.territory, moments)
        rows: dict[tuple[str, UUID, int], QuietAlert] = {}
        why: dict[tuple[str, UUID, int], Stored] = {}
        for moment, alert in alerts.items():
            stored = found[moment.position]
            if alert.hushed_by_waiver:
                continue  # As agreed: it is no news.
            for row in _rows(alert, self._day_of(stored)):
                rows.setdefault(row.key, row)
                why.setdefault(row.key, stored)
        if rows:
            added = await db.fetch(build.sql(PUT), page.territory, *zip(*rows.values(), strict=True))
            if not page.replay:
                new = sorted((why[key].position, key) for row in added if (key := tuple(row.values())))
                await put(db, page.territory, list(self._messages((why[key], rows[key]) for _, key in new)))
        if page.erased:
            await db.execute(build.sql(FORGET), page.territory, list(page.erased), list(page.forgotten_alerts))

    def _day_of(self, stored: Stored) -> date:
        recorded_at: datetime = stored.event.timestamp
        return recorded_at.astimezone(self._calendars.of(stored.territory).tz).date()

    def _messages(self, found: Iterable[tuple[Stored, QuietAlert]]) -> Iterator[OutboxRow]:
        """One per agency and day, always with the same id: of those of one day only the first is told."""
        said: set[UUID] = set()
        for stored, row in found:
            summary_id = summary_id_of(stored.territory, row.agency, row.day)
            if summary_id not in said:
                said.add(summary_id)
                for message in rows_of(News(stored, NAME, row.agency, summary_id, None), self._types):
                    yield message._replace(message_id=uuid8_of("message", str(summary_id), message.type))


def _is_quiet(stored: Stored) -> bool:
    match stored.event:
        case AlertRaised(quiet=True) | AlertReopened(quiet=True) | AlertDisclosed(quiet=True):
            return True
    return False


def _rows(alert: Alert, day: date) -> Iterator[QuietAlert]:
    assert alert.finding is not None
    for one in alert.recipients:
        yield QuietAlert(alert.id, alert.finding.pathway, day, alert.revision, one.agency, alert.finding.severity)
