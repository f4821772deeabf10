"""What a rule expects of a pathway and is nearly due: shown in the work list, never told as an alert.

The pathways come from behind the walls; which obligations are theirs is then asked by their ids alone.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from projections.projection import Connection

LAST_SHARE = 0.2
"""Of the window."""

MINE = """
SELECT pathway FROM pathway_participants
WHERE territory = $1 AND agency = $2 AND status NOT IN ('closed', 'restricted', 'erased')"""
# From its last part on, and then until the alert is raised: grace is the very time to act.
IS_DUE_SOON = f"""
territory = $1 AND pathway = ANY($2::uuid[]) AND status IN ('pending', 'violated_open') AND NOT raised AND NOT shadow
    AND close - (close - greatest(open, occurred)) * {LAST_SHARE} <= $3"""
DUE_SOON = f"""
SELECT pathway, alert, rule, version, greatest(open, occurred) AS opens, close AS closes, raise_at FROM obligations
WHERE {IS_DUE_SOON} AND (close, alert, version) > ($4, $5::uuid, $6::int)
ORDER BY close, alert, version LIMIT $7"""
COUNTS = f"SELECT pathway, count(*) FROM obligations WHERE {IS_DUE_SOON} GROUP BY pathway"

Place = tuple[datetime, UUID, int]
BEFORE_ANY: Place = (datetime.min.replace(tzinfo=UTC), UUID(int=0), 0)


class DueSoon(NamedTuple):
    """One thing that a rule still waits for. In the order (closes, alert, version)."""

    pathway: UUID
    alert: UUID
    """The one that it would become."""
    rule: str
    version: int
    opens: datetime | None
    closes: datetime
    raise_at: datetime | None
    """When it would be told, grace included."""

    @property
    def place(self) -> Place:
        return self.closes, self.alert, self.version


async def pathways_at_work(walled: Connection, territory: str, agency: str) -> list[UUID]:
    """Those that an agency takes part in and where something may still be expected."""
    return [row["pathway"] for row in await walled.fetch(MINE, territory, agency)]


async def due_soon(
    db: Connection,
    territory: str,
    pathways: Sequence[UUID],
    now: datetime,
    *,
    after: Place = BEFORE_ANY,
    limit: int = 100,
) -> list[DueSoon]:
    """The first to close first."""
    rows = await db.fetch(DUE_SOON, territory, pathways, now, *after, limit)
    return [DueSoon(*row.values()) for row in rows]


async def due_soon_counts(db: Connection, territory: str, pathways: Collection[UUID], now: datetime) -> dict[UUID, int]:
    """How much is nearly due on each pathway that has any."""
    rows = await db.fetch(COUNTS, territory, list(pathways), now) if pathways else []
    return {row["pathway"]: row["count"] for row in rows}
