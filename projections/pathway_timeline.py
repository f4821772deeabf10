"""What happened on each pathway, in the order in which it was learnt, and where each pathway stands.

Codes, ids, dates and states only: names, notes and the themes of health are opened elsewhere, for those with the right.
"""

from collections.abc import Mapping, Sequence
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
from projections.pathway_viewers import VIEWERS, put_viewers
from projections.projection import Build, Connection, Page
from projections.walls import OF_AGENCY, OF_PATHWAY

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
    opened       bigint NOT NULL,             -- Position of its opening: its human reference.
    position     bigint NOT NULL,
    updated_at   timestamptz NOT NULL,
    version      integer NOT NULL,
    territory    text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,   -- open, suspended, closed, restricted or erased
    referent     text COLLATE "C",
    participants text[] NOT NULL,
    PRIMARY KEY (territory, pathway)
);
CREATE INDEX ON {pathway_summaries} (territory, opened)"""
PARTICIPANTS = """
CREATE TABLE {pathway_participants} (
    pathway    uuid NOT NULL,
    opened     bigint NOT NULL,       -- These six are the pathway's own, here so that a list is read in its order.
    position   bigint NOT NULL,
    opened_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    territory  text COLLATE "C" NOT NULL,
    agency     text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    zone       text COLLATE "C",      -- Where the person last moved to.
    PRIMARY KEY (territory, agency, pathway)
);
CREATE INDEX ON {pathway_participants} (territory, pathway);
CREATE INDEX ON {pathway_participants} (territory, agency, status, opened_at, opened);
CREATE INDEX ON {pathway_participants} (territory, agency, status, updated_at, position) INCLUDE (opened_at);
CREATE INDEX ON {pathway_participants} (territory, agency, zone, opened_at, opened) WHERE zone IS NOT NULL;
CREATE INDEX ON {pathway_participants} (territory, agency, zone, updated_at, position) WHERE zone IS NOT NULL"""

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
WITH member AS (SELECT * FROM unnest($11::uuid[], $12::text[]) AS m (pathway, agency)),
standing AS (
    SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::int[],
        $8::text[], $9::text[], $10::text[])
        AS s (pathway, opened, position, opened_at, updated_at, version, status, referent, zone)
),
summarised AS (
    INSERT INTO {pathway_summaries}
        (territory, pathway, opened, position, updated_at, version, status, referent, participants)
    SELECT $1, pathway, opened, position, updated_at, version, status, referent,
        ARRAY(SELECT agency FROM member WHERE member.pathway = s.pathway ORDER BY agency)
    FROM standing s
    ON CONFLICT (territory, pathway) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at,
        version = excluded.version, status = excluded.status, referent = excluded.referent,
        participants = excluded.participants
    RETURNING pathway, opened
),
left_out AS (
    DELETE FROM {pathway_participants} p WHERE p.territory = $1 AND p.pathway = ANY($2::uuid[])
        AND NOT EXISTS (SELECT FROM member WHERE member.pathway = p.pathway AND member.agency = p.agency)
)
INSERT INTO {pathway_participants}
    (territory, pathway, agency, opened, position, opened_at, updated_at, status, zone)
SELECT $1, pathway, m.agency, p.opened, s.position, s.opened_at, s.updated_at, s.status, s.zone
FROM member m JOIN standing s USING (pathway) JOIN summarised p USING (pathway)
ON CONFLICT (territory, agency, pathway) DO UPDATE SET position = excluded.position,
    updated_at = excluded.updated_at, status = excluded.status, zone = excluded.zone"""

TIMELINE_PAGE = """
SELECT position, version, recorded_at, occurred_at, occurred_on, topic, agency, actor, summary
FROM pathway_timeline WHERE territory = $1 AND pathway = $2 AND position > $3 ORDER BY position LIMIT $4"""
LATEST = """
SELECT e.* FROM unnest($2::uuid[]) AS p (pathway) CROSS JOIN LATERAL (
    SELECT pathway, position, version, recorded_at, occurred_at, occurred_on, topic, agency, actor, summary
    FROM pathway_timeline t WHERE t.territory = $1 AND t.pathway = p.pathway ORDER BY position DESC LIMIT $3
) AS e ORDER BY e.position"""


FORGET = (
    "DELETE FROM {pathway_timeline} WHERE territory = $1 AND pathway = ANY($2::uuid[])",
    "DELETE FROM {pathway_summaries} WHERE territory = $1 AND pathway = ANY($2::uuid[])",
    "DELETE FROM {pathway_participants} WHERE territory = $1 AND pathway = ANY($2::uuid[])",
    "DELETE FROM {pathway_viewers} WHERE territory = $1 AND pathway = ANY($2::uuid[])",
)


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    version: int
    recorded_at: datetime
    occurred: date | datetime | None
    topic: str
    agency: str
    actor: str | None
    summary: Mapping[str, Any]


async def timeline(
    db: Connection, territory: str, pathway: UUID, *, after: int = 0, limit: int = 100
) -> list[TimelineRow]:
    """A pathway's events after a position, oldest first. Whether the reader may see them is the caller's to check."""
    return [_timeline_row(row) for row in await db.fetch(TIMELINE_PAGE, territory, pathway, after, limit)]


async def latest(
    db: Connection, territory: str, pathways: Sequence[UUID], *, each: int
) -> dict[UUID, list[TimelineRow]]:
    """The latest events of several pathways, at most `each` of every one, oldest first."""
    found: dict[UUID, list[TimelineRow]] = {pathway: [] for pathway in pathways}
    for row in await db.fetch(LATEST, territory, pathways, each):
        found[row["pathway"]].append(_timeline_row(row))
    return found


def _timeline_row(row: asyncpg.Record) -> TimelineRow:
    return TimelineRow(
        position=row["position"],
        version=row["version"],
        recorded_at=row["recorded_at"],
        occurred=row["occurred_at"] or row["occurred_on"],
        topic=row["topic"],
        agency=row["agency"],
        actor=row["actor"],
        summary=msgspec.json.decode(row["summary"]),
    )


def timeline_row(stored: Stored) -> TimelineRow:
    """What the timeline shows of an event, worked out from it alone."""
    columns = dict(zip(COLUMNS, _row(stored), strict=True))
    return TimelineRow(
        position=stored.position,
        version=columns["version"],
        recorded_at=columns["recorded_at"],
        occurred=columns["occurred_at"] or columns["occurred_on"],
        topic=stored.topic,
        agency=columns["agency"],
        actor=columns["actor"],
        summary=msgspec.json.decode(columns["summary"]),
    )


class PathwayTimeline:
    name = "pathway_timeline"
    version = 3
    tables: Mapping[str, str] = {
        "pathway_timeline": TIMELINE,
        "pathway_summaries": SUMMARIES,
        "pathway_participants": PARTICIPANTS,
        "pathway_viewers": VIEWERS,
    }
    walls: Mapping[str, str] = {
        "pathway_timeline": OF_PATHWAY,
        "pathway_summaries": OF_PATHWAY,
        "pathway_participants": OF_AGENCY,
        "pathway_viewers": OF_AGENCY,
    }

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        rows = [_row(stored) for stored in page.events if stored.event.originator_id in page.living]
        if rows:
            await build.copy(db, "pathway_timeline", COLUMNS, rows)
            await _put_summaries(db, build, page)
            await put_viewers(db, build, page)
        for statement in FORGET if page.erased else ():
            await db.execute(build.sql(statement), page.territory, list(page.erased))


async def _put_summaries(db: Connection, build: Build, page: Page) -> None:
    last = {stored.event.originator_id: stored for stored in page.events}
    opened = {
        event.originator_id: stored.position
        for stored in page.events
        if (event := stored.event).originator_version == 1
    }
    rows = [_summary_row(pathway, last[pathway.id], opened.get(pathway.id, 0)) for pathway in page.living.values()]
    members = [(pathway.id, agency) for pathway in page.living.values() for agency in sorted(pathway.participants)]
    pathways = [pathway for pathway, _ in members]
    agencies = [agency for _, agency in members]
    await db.execute(build.sql(PUT_SUMMARIES), page.territory, *zip(*rows, strict=True), pathways, agencies)


def _summary_row(pathway: Pathway, last: Stored, opened: int) -> tuple[Any, ...]:
    """`opened` counts for a new pathway only: those known keep what they were given."""
    return (
        pathway.id,
        opened,
        last.position,
        pathway.created_on,
        last.event.timestamp,
        pathway.version,
        status_of(pathway),
        pathway.referent,
        pathway.zone,
    )


def status_of(pathway: Pathway) -> str:
    if pathway.erased:
        return "erased"
    if pathway.is_restricted:
        return "restricted"
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
