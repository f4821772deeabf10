"""Traces of a person in the database beside the log, the vault and the read models: messages, remembered outcomes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from application.erasure import ERASED_CHANNEL, Notice
from application.message_types import ERASED_MESSAGE
from application.messages import OUTBOX_CHANNEL
from domain.alert import AlertRaised
from domain.ids import uuid8_of
from infrastructure.database import Pool

# By the clear header alone: the keys may be gone.
ALERTS_OF = f"""
SELECT stream_id FROM events
WHERE territory = $1 AND causation_id = $2 AND topic = '{AlertRaised.TOPIC}' ORDER BY stream_id"""
TELL = "SELECT pg_notify($1, $2)"
PURGE_MESSAGES = """
DELETE FROM outbox WHERE territory = $1 AND (pathway = $2 OR subject_id = $2 OR subject_id = ANY($3::uuid[]))
    AND type <> $4"""
# A fingerprint is a hash of what was sent, names included; a key is whatever the client made of it. No index leads from
# a person to their events, an erasure being rare.
PURGE_OUTCOMES = """
DELETE FROM idempotency i USING events e
WHERE e.territory = $1 AND e.subject = $2 AND i.territory = $1 AND i.first_position = e.position"""
NOTIFY = f"""
WITH told AS (
    INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, created_at)
    SELECT $1, n.message_id, n.agency, $4, $5, $6, $7 FROM unnest($2::uuid[], $3::text[]) AS n (message_id, agency)
    ON CONFLICT (territory, message_id) DO NOTHING RETURNING true
), woken AS (SELECT pg_notify('{OUTBOX_CHANNEL}', '') FROM told LIMIT 1)
SELECT count(*) FROM told LEFT JOIN woken ON true"""


class PostgresTraces:
    """See `Traces`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def alerts_of(self, territory: str, pathway: UUID) -> list[UUID]:
        rows = await self._pool.fetch(ALERTS_OF, territory, pathway)
        return [row["stream_id"] for row in rows]

    async def tell_processes(self, territory: str, pathway: UUID) -> None:
        await self._pool.execute(TELL, ERASED_CHANNEL, f"{territory} {pathway}")

    async def purge_messages(self, territory: str, subject: UUID, pathway: UUID, alerts: Sequence[UUID]) -> int:
        async with self._pool.acquire() as db, db.transaction():
            messages = await db.execute(PURGE_MESSAGES, territory, pathway, alerts, ERASED_MESSAGE)
            outcomes = await db.execute(PURGE_OUTCOMES, territory, subject)
        return sum(int(done.rpartition(" ")[2]) for done in (messages, outcomes))

    async def notify(self, notice: Notice, now: datetime) -> int:
        messages = [
            uuid8_of("message", notice.territory, str(notice.erasure_id), agency) for agency in notice.recipients
        ]
        told: int = await self._pool.fetchval(
            NOTIFY,
            notice.territory,
            messages,
            list(notice.recipients),
            ERASED_MESSAGE,
            notice.pathway,
            notice.position,
            now,
        )
        return told
