"""Every appointment as it stands: when, whose, of which pathway. What calendars show; codes, ids and dates only."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from application.calendar_feeds import Appointment, CalendarFeed
from domain.appointment import AppointmentBooked, AppointmentConcluded
from domain.correction import EntryCorrected, EntryRetracted
from domain.ledger import Entry
from domain.pathway import Pathway
from projections.projection import Build, Connection, Page
from projections.walls import OF_AGENCY

APPOINTMENTS = """
CREATE TABLE {appointments} (
    pathway     uuid NOT NULL,
    appointment uuid NOT NULL,
    start_at    timestamptz NOT NULL,
    end_at      timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    sequence    integer NOT NULL,
    territory   text COLLATE "C" NOT NULL,
    agency      text COLLATE "C" NOT NULL,
    agent       text COLLATE "C",           -- Who booked it.
    reference   text COLLATE "C" NOT NULL,  -- The pathway's, for people.
    status      text COLLATE "C" NOT NULL,  -- booked, an outcome, or retracted
    PRIMARY KEY (territory, pathway, appointment)
);
CREATE INDEX ON {appointments} (territory, agency, start_at)"""
PUT = """
INSERT INTO {appointments}
    (territory, pathway, appointment, start_at, end_at, changed_at, sequence, agency, agent, reference, status)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::int[],
    $8::text[], $9::text[], $10::text[], $11::text[])
ON CONFLICT (territory, pathway, appointment) DO UPDATE SET start_at = excluded.start_at, end_at = excluded.end_at,
    changed_at = excluded.changed_at, sequence = excluded.sequence, status = excluded.status"""
FORGET = "DELETE FROM {appointments} WHERE territory = $1 AND pathway = ANY($2::uuid[])"

# Only while the agency takes part, and while the person's data may be used.
OF_FEED = """
SELECT a.pathway, a.appointment, a.reference, a.start_at, a.end_at, a.status, a.sequence, a.changed_at
FROM appointments a JOIN pathway_participants p USING (territory, pathway, agency)
WHERE a.territory = $1 AND a.agency = $2 AND ($3::text IS NULL OR a.agent = $3) AND p.status <> 'restricted'
    AND a.start_at >= $4 AND a.start_at < $5
ORDER BY a.start_at, a.pathway, a.appointment LIMIT $6"""

CHANGING = (AppointmentBooked, AppointmentConcluded, EntryCorrected, EntryRetracted)
RETRACTED = "retracted"


async def appointments_of(
    db: Connection, feed: CalendarFeed, *, since: datetime, until: datetime, limit: int
) -> list[Appointment]:
    """Those that start in [since, until), by their start: of pathways that the agency still takes part in."""
    rows = await db.fetch(OF_FEED, feed.territory, feed.agency, feed.agent, since, until, limit)
    return [Appointment(**row) for row in rows]


class AppointmentBook:
    name = "appointment_book"
    version = 1
    tables: Mapping[str, str] = {"appointments": APPOINTMENTS}
    walls: Mapping[str, str] = {"appointments": OF_AGENCY}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        touched = {stored.event.originator_id for stored in page.events if isinstance(stored.event, CHANGING)}
        rows = [row for pathway_id in sorted(touched & page.living.keys()) for row in _rows(page.living[pathway_id])]
        if rows:
            await db.execute(build.sql(PUT), page.territory, *zip(*rows, strict=True))
        if page.erased:
            await db.execute(build.sql(FORGET), page.territory, list(page.erased))


def _rows(pathway: Pathway) -> Iterator[tuple[Any, ...]]:
    """All of the pathway's, those taken back too: whoever has them in a calendar must see that they are off."""
    for entry in pathway.ledger.entries.values():
        if entry.type == "appointment":
            yield _row(pathway, entry)


def _row(pathway: Pathway, entry: Entry) -> tuple[Any, ...]:
    current = pathway.ledger.current(entry.id)
    if current is None:
        last = max([entry, *entry.steps], key=lambda each: each.version)
        # Beyond every version that it had: taking it back was a later event than all of them.
        start, end, status = entry.start, entry.end, RETRACTED
        changed_at, sequence = last.recorded_at, last.version + 1
    else:
        start, end, status = current.start, current.end, current.attrs["status"]
        changed_at, sequence = current.recorded_at, current.version
    return (
        pathway.id,
        entry.id,
        start,
        end,
        changed_at,
        sequence,
        entry.agency,
        entry.actor,
        pathway.reference,
        status,
    )
