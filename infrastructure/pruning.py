"""Pruning on PostgreSQL, by stretches of positions: no statement runs for long, however large the log."""

from uuid import UUID

import asyncpg

from application.pruning import NotErased
from infrastructure.database import Pool

STRETCH = 500_000
HEAD = "SELECT position FROM log_head WHERE territory = $1"
PRUNE = "SELECT prune_payloads($1, $2, $3, $4)"


class PostgresPruning:
    """See `Pruning`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def prune(self, territory: str, subject: UUID) -> int:
        head = await self._pool.fetchval(HEAD, territory) or 0
        pruned = 0
        try:
            for after in range(0, max(head, 1), STRETCH):
                pruned += await self._pool.fetchval(PRUNE, territory, subject, after, after + STRETCH)
        except asyncpg.IntegrityConstraintViolationError:
            raise NotErased from None
        return pruned
