"""Recoveries in the database (the port `application.webhook_recoveries`), and the steps that carry them out.

A step queues a page of messages and moves the cursor in one transaction: killed anywhere, it is done or it is not.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from application.message_types import CHALLENGE_MESSAGE
from application.messages import OUTBOX_CHANNEL
from application.webhook_recoveries import Asked, Recovery, RecoveryState, RecoveryUnderWay, UnknownRecovery
from application.webhooks import EndpointStatus
from domain.ids import uuid7
from infrastructure.database import Pool, Record
from infrastructure.webhook_endpoints import must_be_active, one_endpoint

PAGE = 500
LEASE = timedelta(seconds=30)
SHOWN = 50

COLUMNS = (
    """recovery_id, endpoint_id, since, after_position, again, state, total, looked_at, queued, asked_at, ended_at"""
)

INSERT = f"""
INSERT INTO webhook_recoveries
    (territory, recovery_id, endpoint_id, since, after_position, cursor_position, again, asked_at)
VALUES ($1, $2, $3, $4, $5, coalesce($5::bigint, -1), $6, $7) RETURNING {COLUMNS}"""

FORGET = """
DELETE FROM webhook_recoveries WHERE territory = $1 AND recovery_id IN (
    SELECT recovery_id FROM webhook_recoveries
    WHERE territory = $1 AND endpoint_id = $2 AND state NOT IN ('queued', 'running')
    ORDER BY recovery_id DESC OFFSET $3)"""

LIST = f"""
SELECT {COLUMNS} FROM webhook_recoveries
WHERE territory = $1 AND endpoint_id = $2 ORDER BY recovery_id DESC LIMIT $3"""

FIND = f"SELECT {COLUMNS} FROM webhook_recoveries WHERE territory = $1 AND endpoint_id = $2 AND recovery_id = $3"

CANCEL = """
UPDATE webhook_recoveries SET state = 'cancelled', ended_at = $4, lease_until = NULL
WHERE territory = $1 AND endpoint_id = $2 AND recovery_id = $3 AND state IN ('queued', 'running')"""

CLAIM = """
UPDATE webhook_recoveries
SET state = 'running', fence = fence + 1, lease_until = clock_timestamp() + $1
WHERE (territory, recovery_id) = (
    SELECT territory, recovery_id FROM webhook_recoveries
    WHERE state = 'queued' OR state = 'running' AND lease_until < clock_timestamp()
    ORDER BY asked_at, recovery_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING territory, recovery_id, endpoint_id, fence"""

MINE = "WHERE territory = $1 AND recovery_id = $2 AND fence = $3 AND state = 'running'"
"""Still that of who claimed it: neither cancelled nor taken over."""

HOLD = f"""
SELECT total, since, again, stored_until, cursor_position, cursor_message FROM webhook_recoveries {MINE} FOR UPDATE"""
ENDPOINT_OF = """
SELECT agency, status, event_types, created_at FROM webhook_endpoints
WHERE territory = $1 AND endpoint_id = $2 FOR KEY SHARE"""
GIVE_BACK = f"UPDATE webhook_recoveries SET state = 'queued', lease_until = NULL {MINE}"
END = f"UPDATE webhook_recoveries SET state = $4, ended_at = $5, lease_until = NULL {MINE}"

WANTED = f"""
FROM outbox AS o
WHERE o.territory = $1 AND o.agency = $2 AND (o.position, o.message_id) > ($3, $4) AND o.stored_at <= $5
  AND o.created_at >= $6 AND o.type <> '{CHALLENGE_MESSAGE}'
  AND CASE WHEN o.endpoint_id IS NULL THEN $8::text[] = '{{}}' OR o.type = ANY ($8) ELSE o.endpoint_id = $7 END"""

COUNT = f"SELECT count(*) {WANTED}"
COUNTED = f"UPDATE webhook_recoveries SET total = $4 {MINE}"

# A message that came while the endpoint was disabled has no delivery yet; one that was given up starts again.
QUEUE = f"""
WITH page AS (
    SELECT o.message_id, o.position, o.subject_id, o.pathway {WANTED} ORDER BY o.position, o.message_id LIMIT $9
), sent AS (
    INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, pathway)
    SELECT $1, message_id, $7, subject_id, pathway FROM page ORDER BY position, message_id
    ON CONFLICT (territory, message_id, endpoint_id) DO UPDATE
    SET state = 'pending', attempt = 0, due_at = '-infinity', lease_until = NULL, settled_at = NULL
    WHERE deliveries.state = 'dead' OR deliveries.state = 'delivered' AND $10
    RETURNING true
)
SELECT position, message_id, count(*) OVER () AS looked_at, (SELECT count(*) FROM sent) AS queued
FROM page ORDER BY position DESC, message_id DESC LIMIT 1"""

ADVANCE = f"""
UPDATE webhook_recoveries
SET cursor_position = $4, cursor_message = $5, looked_at = looked_at + $6, queued = queued + $7,
    lease_until = clock_timestamp() + $8
{MINE}"""

WAKE = f"SELECT pg_notify('{OUTBOX_CHANNEL}', '')"


class Claim(msgspec.Struct, frozen=True):
    """A recovery that is ours to carry on until its lease ends."""

    territory: str
    recovery_id: UUID
    endpoint_id: UUID
    fence: int

    @property
    def key(self) -> tuple[str, UUID, int]:
        return self.territory, self.recovery_id, self.fence


class PostgresRecoveries:
    """Any number of processes may claim; each recovery is one process's at a time."""

    def __init__(self, pool: Pool, *, page: int = PAGE, lease: timedelta = LEASE) -> None:
        self._pool = pool
        self._page = page
        self._lease = lease

    async def ask(self, territory: str, agency: str, endpoint_id: UUID, asked: Asked, now: datetime) -> Recovery:
        values = (endpoint_id, asked.since, asked.after_position, asked.again, now)
        async with self._pool.acquire() as db, db.transaction():
            await must_be_active(db, territory, agency, endpoint_id)
            try:
                row = await db.fetchrow(INSERT, territory, uuid7(), *values)
            except asyncpg.UniqueViolationError:
                raise RecoveryUnderWay from None
            await db.execute(FORGET, territory, endpoint_id, SHOWN - 1)
            await db.execute(WAKE)
        assert row is not None
        return _recovery(row)

    async def recoveries(self, territory: str, agency: str, endpoint_id: UUID) -> list[Recovery]:
        await one_endpoint(self._pool, territory, agency, endpoint_id)
        return [_recovery(row) for row in await self._pool.fetch(LIST, territory, endpoint_id, SHOWN)]

    async def recovery(self, territory: str, agency: str, endpoint_id: UUID, recovery_id: UUID) -> Recovery:
        await one_endpoint(self._pool, territory, agency, endpoint_id)
        row = await self._pool.fetchrow(FIND, territory, endpoint_id, recovery_id)
        if row is None:
            raise UnknownRecovery
        return _recovery(row)

    async def cancel(
        self, territory: str, agency: str, endpoint_id: UUID, recovery_id: UUID, now: datetime
    ) -> Recovery:
        await one_endpoint(self._pool, territory, agency, endpoint_id)
        await self._pool.execute(CANCEL, territory, endpoint_id, recovery_id, now)
        return await self.recovery(territory, agency, endpoint_id, recovery_id)

    async def claim(self) -> Claim | None:
        """The oldest that waits, or that nobody carries on any more."""
        row = await self._pool.fetchrow(CLAIM, self._lease)
        return None if row is None else Claim(*row.values())

    async def step(self, claim: Claim, now: datetime) -> bool:
        """Queue one more page. False when that was the end, or when it is no longer ours."""
        async with self._pool.acquire() as db, db.transaction():
            held = await db.fetchrow(HOLD, *claim.key)
            if held is None:
                return False
            endpoint = await db.fetchrow(ENDPOINT_OF, claim.territory, claim.endpoint_id)
            if endpoint is None or endpoint["status"] != EndpointStatus.ACTIVE:
                await db.execute(END, *claim.key, RecoveryState.STOPPED, now)
                return False
            wanted = _wanted(claim, held, endpoint)
            if held["total"] is None:
                await db.execute(COUNTED, *claim.key, await db.fetchval(COUNT, *wanted))
            page = await db.fetchrow(QUEUE, *wanted, self._page, held["again"])
            if page is None:
                await db.execute(END, *claim.key, RecoveryState.DONE, now)
                return False
            await db.execute(ADVANCE, *claim.key, *page.values(), self._lease)
            await db.execute(WAKE)
            return True

    async def give_back(self, claim: Claim) -> None:
        """To be carried on from where it is, by whoever comes first."""
        await self._pool.execute(GIVE_BACK, *claim.key)


def _wanted(claim: Claim, held: Record, endpoint: Record) -> tuple[Any, ...]:
    """What the endpoint would have been told, after the cursor and until the recovery was asked for."""
    return (
        claim.territory,
        endpoint["agency"],
        held["cursor_position"],
        held["cursor_message"],
        held["stored_until"],
        max(endpoint["created_at"], held["since"] or endpoint["created_at"]),
        claim.endpoint_id,
        endpoint["event_types"],
    )


def _recovery(row: Record) -> Recovery:
    return msgspec.convert(dict(row), Recovery)
