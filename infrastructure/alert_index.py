"""Which alerts belong to which pathways, from the clear headers of the log. Nothing is opened."""

from collections.abc import Sequence
from uuid import UUID

from domain.alert import AlertRaised
from infrastructure.database import Pool

ALERTS_OF = f"""
SELECT causation_id, stream_id FROM events
WHERE territory = $1 AND topic = '{AlertRaised.TOPIC}' AND causation_id = ANY ($2::uuid[]) AND position <= $3
ORDER BY position"""
PATHWAY_OF = f"""
SELECT causation_id FROM events
WHERE territory = $1 AND stream_id = $2 AND stream_version = 1 AND topic = '{AlertRaised.TOPIC}'"""


class PostgresAlertIndex:
    """See `application.replay.AlertIndex`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def alerts_of(self, territory: str, pathways: Sequence[UUID], until_position: int) -> dict[UUID, list[UUID]]:
        found: dict[UUID, list[UUID]] = {}
        for pathway, alert in await self._pool.fetch(ALERTS_OF, territory, pathways, until_position):
            found.setdefault(pathway, []).append(alert)
        return found

    async def pathway_of(self, territory: str, alert: UUID) -> UUID | None:
        pathway: UUID | None = await self._pool.fetchval(PATHWAY_OF, territory, alert)
        return pathway
