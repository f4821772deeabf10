"""The pathways of one agency, page by page: in either order of their openings or of their latest events, filtered."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from projections.projection import Connection

STATUSES = ("open", "suspended", "closed", "restricted", "erased")


class Sort(StrEnum):
    OPENED = "opened"
    LATEST_OPENED = "-opened"
    UPDATED = "updated"
    LATEST_UPDATED = "-updated"


class Place(NamedTuple):
    """Where a page ended: an instant of the column sorted by, and the position that goes with it."""

    at: datetime
    position: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which pathways, in which order."""

    sort: Sort = Sort.OPENED
    status: str | None = None
    zone: str | None = None
    opened_after: datetime | None = None
    """That instant included."""
    opened_before: datetime | None = None
    """That instant excluded."""
    opened: int | None = None
    """The one opened at this position."""


class PathwaySummary(msgspec.Struct, frozen=True, kw_only=True):
    pathway: UUID
    opened: int
    """Position of its opening."""
    status: str
    referent: str | None
    participants: tuple[str, ...]
    zone: str | None
    version: int
    position: int
    opened_at: datetime
    updated_at: datetime

    def place(self, sort: Sort) -> Place:
        if sort in (Sort.OPENED, Sort.LATEST_OPENED):
            return Place(self.opened_at, self.opened)
        return Place(self.updated_at, self.position)


# One short walk along the index for each status, then the best of them: as fast for a status that is rare.
BY_STATUS = """
    SELECT own.* FROM unnest($3::text[]) AS wanted (status) CROSS JOIN LATERAL (
        SELECT * FROM pathway_participants WHERE territory = $1 AND agency = $2 AND status = wanted.status{and_beyond}
    ) AS own"""
NARROWED = """
    SELECT * FROM pathway_participants WHERE territory = $1 AND agency = $2 AND status = ANY($3::text[])
    AND {narrow}{and_beyond}"""
NARROW = {
    "zone": "zone = $9",
    "opened": "pathway = (SELECT pathway FROM pathway_summaries WHERE territory = $1 AND opened = $9)",
}
AND_BEYOND = """
        AND opened_at >= coalesce($4::timestamptz, '-infinity') AND opened_at < coalesce($5::timestamptz, 'infinity')
        AND ({columns}) {beyond} ($6, $7) ORDER BY {order} LIMIT $8"""
PAGE = """
SELECT s.pathway, s.opened, s.status, s.referent, s.participants, p.zone, s.version, s.position, p.opened_at,
    s.updated_at
FROM ({chosen} ORDER BY {order} LIMIT $8) AS p JOIN pathway_summaries s ON s.territory = $1 AND s.pathway = p.pathway
ORDER BY {order_of_page}"""
COLUMNS = {"opened": ("opened_at", "opened"), "updated": ("updated_at", "position")}


def _page_sql(sort: Sort, narrow: str | None) -> str:
    columns = COLUMNS[sort.removeprefix("-")]
    beyond, direction = ("<", "DESC") if sort.startswith("-") else (">", "ASC")
    order = ", ".join(f"{column} {direction}" for column in columns)
    and_beyond = AND_BEYOND.format(columns=", ".join(columns), beyond=beyond, order=order)
    chosen = (NARROWED if narrow else BY_STATUS).format(narrow=NARROW.get(narrow or ""), and_beyond=and_beyond)
    order_of_page = ", ".join(f"p.{column} {direction}" for column in columns)
    return PAGE.format(chosen=f"SELECT * FROM ({chosen}) AS c", order=order, order_of_page=order_of_page)


PAGES = {(sort, narrow): _page_sql(sort, narrow) for sort in Sort for narrow in (None, *NARROW)}
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


async def pathways_of(
    db: Connection, territory: str, agency: str, wanted: Wanted, *, after: Place | None = None, limit: int = 100
) -> list[PathwaySummary]:
    """The next page of the pathways that an agency takes part in."""
    statuses = STATUSES if wanted.status is None else (wanted.status,)
    narrow = "opened" if wanted.opened is not None else "zone" if wanted.zone is not None else None
    value = () if narrow is None else (getattr(wanted, narrow),)
    rows = await db.fetch(
        PAGES[wanted.sort, narrow],
        territory,
        agency,
        statuses,
        wanted.opened_after,
        wanted.opened_before,
        *(after or _start(wanted)),
        limit,
        *value,
    )
    found = [_summary(row) for row in rows]
    return [row for row in found if wanted.zone in (None, row.zone)]


def _start(wanted: Wanted) -> Place:
    """Before the first: no walk through what the filters leave out."""
    match wanted.sort:
        case Sort.OPENED:
            return Place(wanted.opened_after or FIRST, 0)
        case Sort.LATEST_OPENED:
            return Place(wanted.opened_before or LAST, 0)
        case Sort.UPDATED:
            return Place(wanted.opened_after or FIRST, 0)  # Nothing is updated before it is opened.
        case Sort.LATEST_UPDATED:
            return Place(LAST, 0)


def _summary(row: asyncpg.Record) -> PathwaySummary:
    return PathwaySummary(**dict(row) | {"participants": tuple(row["participants"])})
