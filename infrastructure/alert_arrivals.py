"""What webhooks and mails have delivered about alerts, from the tables where each is settled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from application.alert_receipts import Delivery, Settled
from domain.alert_response import AlertChannel
from infrastructure.database import Pool

OF_WEBHOOKS = """
SELECT d.message_id, o.subject_id, o.agency, d.settled_at, o.position
FROM deliveries AS d JOIN outbox AS o USING (territory, message_id)
WHERE d.territory = $1 AND d.state = 'delivered' AND (d.settled_at, d.message_id) > ($2, $3)
    AND o.type LIKE 'unisson.alert.%'
ORDER BY d.settled_at, d.message_id LIMIT $4"""
# Not null, as its index says too: of a row compared as a whole PostgreSQL does not know.
OF_MAILS = """
SELECT m.message_id, o.subject_id, o.agency, m.told_at, o.position
FROM mail_items AS m JOIN outbox AS o USING (territory, message_id)
WHERE m.territory = $1 AND m.state = 'told' AND m.told_at IS NOT NULL AND (m.told_at, m.message_id) > ($2, $3)
    AND o.type LIKE 'unisson.alert.%'
ORDER BY m.told_at, m.message_id LIMIT $4"""
SETTLED: Mapping[AlertChannel, str] = {AlertChannel.WEBHOOK: OF_WEBHOOKS, AlertChannel.MAIL: OF_MAILS}
PLACE = "SELECT until FROM receipt_places WHERE territory = $1 AND channel = $2"
MOVE = """
INSERT INTO receipt_places (territory, channel, until) VALUES ($1, $2, $3)
ON CONFLICT (territory, channel) DO UPDATE SET until = greatest(receipt_places.until, excluded.until)"""


class PostgresArrivals:
    """See `application.alert_receipts.Arrivals`. Two addresses of one agency count as one: the first."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def after(
        self, territory: str, channel: AlertChannel, at: datetime, message_id: UUID, *, limit: int
    ) -> Sequence[Settled]:
        rows = await self._pool.fetch(SETTLED[channel], territory, at, message_id, limit)
        return [
            Settled(
                message,
                Delivery(alert_id=alert_id, agency=agency, channel=channel, at=settled_at, position=position),
            )
            for message, alert_id, agency, settled_at, position in rows
        ]

    async def place(self, territory: str, channel: AlertChannel) -> datetime | None:
        place: datetime | None = await self._pool.fetchval(PLACE, territory, channel)
        return place

    async def move(self, territory: str, channel: AlertChannel, at: datetime) -> None:
        await self._pool.execute(MOVE, territory, channel, at)
