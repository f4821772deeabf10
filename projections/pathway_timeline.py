"""What happened on each pathway, in the order in which it was learnt, and where each pathway stands.

Codes, ids, dates and states only: names, notes and the themes of health are opened elsewhere, for those with the right.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints
from uuid import UUID

import asyncpg
import msgspec

from application.event_log import Stored
from domain.aggregate import Event, compartments_of
from domain.compartments import Compartment
from domain.pathway import Pathway
from projections.projection import Build, Connection, Page

TIMELINE = """
CREATE TABLE {pathway_timeline} (
    pathway     uuid NOT NULL,
    position    bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz,   -- Null: known to the day only.
    occurred_on date,          -- UTC day of `occurred_at`, or the day itself. Null: the event says nothing of it.
    version     integer NOT NULL,
    territory   text COLLATE "C" NOT NULL,
    topic       text COLLATE "C" NOT NULL,
    agency      text COLLATE "C" NOT NULL,
    actor       text COLLATE "C",
    summary     jsonb NOT NULL,
    PRIMARY KEY (territory, pathway, position)
)"""
SUMMARIES = """
CREATE TABLE {pathway_summaries} (
    pathway      uuid NOT NULL,
    position     bigint NOT NULL,
    updated_at   timestamptz NOT NULL,
    version      integer NOT NULL,
    territory    text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,   -- open, suspended, closed or erased
    referent     text COLLATE "C",
    participants text[] NOT NULL,
    PRIMARY KEY (territory, pathway)
)"""
PARTICIPANTS = """
CREATE TABLE {pathway_participants} (
    pathway   uuid NOT NULL,
    territory text COLLATE "C" NOT NULL,
    agency    text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, agency, pathway)
);
CREATE INDEX ON {pathway_participants} (territory, pathway)"""

COLUMNS = (
    "pathway",
    "position",
    "recorded_at",
    "occurred_at",
    "occurred_on",
    "version",
    "territory",
    "topic",
    "agency",
    "actor",
    "summary",
)
PUT_SUMMARIES = """
WITH member AS (SELECT * FROM unnest($8::uuid[], $9::text[]) AS m (pathway, agency)),
summarised AS (
    INSERT INTO {pathway_summaries}
        (territory, pathway, position, updated_at, version, status, referent, participants)
    SELECT $1, pathway, position, updated_at, version, status, referent,
        ARRAY(SELECT agency FROM member WHERE member.pathway = s.pathway ORDER BY agency)
    FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::int[], $6::text[], $7::text[])
        AS s (pathway, position, updated_at, version, status, referent)
    ON CONFLICT (territory, pathway) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at,
        version = excluded.version, status = excluded.status, referent = excluded.referent,
        participants = excluded.participants
),
left_out AS (
    DELETE FROM {pathway_participants} p WHERE p.territory = $1 AND p.pathway = ANY($2::uuid[])
        AND NOT EXISTS (SELECT FROM member WHERE member.pathway = p.pathway AND member.agency = p.agency)
)
INSERT INTO {pathway_participants} (territory, pathway, agency) SELECT $1, * FROM member ON CONFLICT DO NOTHING"""

TIMELINE_PAGE = """
SELECT position, version, recorded_at, occurred_at, occurred_on, topic, agency, actor, summary
FROM pathway_timeline WHERE territory = $1 AND pathway = $2 AND position > $3 ORDER BY position LIMIT $4"""
SUMMARY = """
SELECT pathway, status, referent, participants, version, position, updated_at
FROM pathway_summaries WHERE territory = $1 AND pathway = $2"""
SUMMARIES_OF_AGENCY = """
SELECT s.pathway, s.status, s.referent, s.participants, s.version, s.position, s.updated_at
FROM pathway_participants p JOIN pathway_summaries s USING (territory, pathway)
WHERE p.territory = $1 AND p.agency = $2 AND p.pathway > $3 ORDER BY p.pathway LIMIT $4"""

BEFORE_ANY = UUID(int=0)


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    version: int
    recorded_at: datetime
    occurred: date | datetime | None
    topic: str
    agency: str
    actor: str | None
    summary: Mapping[str, Any]


class PathwaySummary(msgspec.Struct, frozen=True, kw_only=True):
    pathway: UUID
    status: str
    referent: str | None
    participants: tuple[str, ...]
    version: int
    position: int
    updated_at: datetime


async def timeline(
    db: Connection, territory: str, pathway: UUID, *, after: int = 0, limit: int = 100
) -> list[TimelineRow]:
    """A pathway's events after a position, oldest first. Whether the reader may see them is the caller's to check."""
    rows = await db.fetch(TIMELINE_PAGE, territory, pathway, after, limit)
    return [
        TimelineRow(
            position=row["position"],
            version=row["version"],
            recorded_at=row["recorded_at"],
            occurred=row["occurred_at"] or row["occurred_on"],
            topic=row["topic"],
            agency=row["agency"],
            actor=row["actor"],
            summary=msgspec.json.decode(row["summary"]),
        )
        for row in rows
    ]


async def summary(db: Connection, territory: str, pathway: UUID) -> PathwaySummary | None:
    row = await db.fetchrow(SUMMARY, territory, pathway)
    return None if row is None else _summary(row)


async def summaries(
    db: Connection, territory: str, agency: str, *, after: UUID = BEFORE_ANY, limit: int = 100
) -> list[PathwaySummary]:
    """The pathways an agency takes part in, in the order of their ids: oldest first."""
    return [_summary(row) for row in await db.fetch(SUMMARIES_OF_AGENCY, territory, agency, after, limit)]


def _summary(row: asyncpg.Record) -> PathwaySummary:
    return PathwaySummary(**dict(row) | {"participants": tuple(row["participants"])})


class PathwayTimeline:
    name = "pathway_timeline"
    version = 1
    tables: Mapping[str, str] = {
        "pathway_timeline": TIMELINE,
        "pathway_summaries": SUMMARIES,
        "pathway_participants": PARTICIPANTS,
    }

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        rows = [_row(stored) for stored in page.events if stored.event.originator_id in page.pathways]
        if not rows:
            return
        await build.copy(db, "pathway_timeline", COLUMNS, rows)
        await _put_summaries(db, build, page)


async def _put_summaries(db: Connection, build: Build, page: Page) -> None:
    last = {stored.event.originator_id: stored for stored in page.events}
    rows = [_summary_row(pathway, last[pathway.id]) for pathway in page.pathways.values()]
    members = [(pathway.id, agency) for pathway in page.pathways.values() for agency in sorted(pathway.participants)]
    pathways = [pathway for pathway, _ in members]
    agencies = [agency for _, agency in members]
    await db.execute(build.sql(PUT_SUMMARIES), page.territory, *zip(*rows, strict=True), pathways, agencies)


def _summary_row(pathway: Pathway, last: Stored) -> tuple[Any, ...]:
    return (
        pathway.id,
        last.position,
        last.event.timestamp,
        pathway.version,
        status_of(pathway),
        pathway.referent,
    )


def status_of(pathway: Pathway) -> str:
    if pathway.erased:
        return "erased"
    if pathway.is_closed:
        return "closed"
    return "suspended" if pathway.is_suspended else "open"


def _row(stored: Stored) -> tuple[Any, ...]:
    event = stored.event
    shape = _shape_of(type(event))
    occurred = next((point for name in shape.points if (point := getattr(event, name)) is not None), None)
    is_instant = isinstance(occurred, datetime)
    return (
        event.originator_id,
        stored.position,
        event.timestamp,
        occurred if is_instant else None,
        occurred.date() if isinstance(occurred, datetime) else occurred,
        event.originator_version,
        stored.territory,
        stored.topic,
        event.agency,
        event.actor,
        _encode({name: getattr(event, name) for name in shape.fields}).decode(),
    )


_encode = msgspec.json.Encoder().encode


class Shape(NamedTuple):
    """What of an event type is shown."""

    fields: tuple[str, ...]
    points: tuple[str, ...]
    """Fields that may say when it became true, the likeliest first."""


@cache
def _shape_of(event_type: type[Event]) -> Shape:
    """Coded facts only. An erased event has none, and shows that something happened."""
    fields = tuple(name for name, where in compartments_of(event_type).items() if where is Compartment.CASE)
    hints = get_type_hints(event_type)
    points = [name for name in fields if {date, datetime} & {hints[name], *get_args(hints[name])}]
    return Shape(
        fields, tuple(sorted(points, key=lambda name: (name not in ("on", "at", "start"), fields.index(name))))
    )
