"""Making sure that nothing of an erased person is left in any view."""

from collections.abc import Sequence
from uuid import UUID

from projections.follower import Follower
from projections.projection import Connection, Pool

SETTLED_WITHIN_S = 5.0
TABLES = """
SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.column_name) AS columns
FROM projection_builds b CROSS JOIN LATERAL unnest(b.tables) AS t (name)
JOIN information_schema.columns c ON c.table_schema = current_schema() AND c.table_name = t.name
WHERE c.column_name IN ('pathway', 'alert', 'item')
GROUP BY c.table_name ORDER BY c.table_name"""
PARKED = "DELETE FROM parked_events WHERE territory = $1 AND (stream_id = $2 OR stream_id = ANY($3::uuid[]))"
CONDITIONS = {
    "pathway": "pathway = $2",
    "alert": "alert = ANY($3::uuid[])",
    "item": "item = ANY($3::uuid[])",
}


class FollowedReadModels:
    """See `application.erasure.ReadModels`. The follower may be this process's or another's."""

    def __init__(self, pool: Pool, follower: Follower, settled_within_s: float = SETTLED_WITHIN_S) -> None:
        self._pool = pool
        self._follower = follower
        self._settled_within_s = settled_within_s

    async def settled(self, territory: str, position: int) -> bool:
        return await self._follower.caught_up(territory, position, self._settled_within_s)

    async def sweep(self, territory: str, pathway: UUID, alerts: Sequence[UUID]) -> int:
        """By the names of their columns, so that a view made tomorrow is swept as well."""
        async with self._pool.acquire() as db, db.transaction():
            return sum([await _delete(db, statement, territory, pathway, alerts) for statement in await _sweeps(db)])


async def _sweeps(db: Connection) -> list[str]:
    statements = [PARKED]
    for name, columns in await db.fetch(TABLES):
        conditions = " OR ".join(CONDITIONS[column] for column in columns)
        statements.append(f'DELETE FROM "{name}" WHERE territory = $1 AND ({conditions})')
    return statements


async def _delete(db: Connection, statement: str, territory: str, pathway: UUID, alerts: Sequence[UUID]) -> int:
    """A statement that names no alert still gets them: PostgreSQL must be told their type."""
    typed = f"{statement} AND $2::uuid IS NOT NULL AND $3::uuid[] IS NOT NULL"
    return int((await db.execute(typed, territory, pathway, list(alerts))).rpartition(" ")[2])
