"""Deliveries in the database: taken with a lease, settled once, retried on a schedule, at last given up."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from application.message_types import DISABLED_MESSAGE, MESSAGE_TYPES
from application.messages import OUTBOX_CHANNEL, Audience, Message
from application.webhooks import DeliveryState, DisabledReason
from domain.ids import uuid7
from infrastructure.database import Database, Pool, Record
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sent

RETRY_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))
)
"""Waits between attempts, as Standard Webhooks advises: ten attempts in about three days."""
RETRY_AFTER_MAX = timedelta(hours=24)
JITTER = 0.2  # A wait is lengthened by up to a fifth: partners that fell together do not come back together.

CIRCUIT_FAILURES = 10
CIRCUIT_PAUSE = timedelta(seconds=60)  # Doubled by each failed trial.
CIRCUIT_PAUSE_MAX = timedelta(hours=1)
FAILING_MAX = timedelta(days=5)

NOT_ECHOED = "not_echoed"

CLAIM = """
SELECT c.*, (SELECT e.correlation_id FROM events AS e WHERE e.territory = c.territory AND e.position = c.position)
FROM claim_deliveries($1, $2, $3, $4) AS c"""

SETTLE = """
UPDATE deliveries SET state = $5, due_at = coalesce($6, due_at), lease_until = NULL, last_status = $7,
       last_error_code = $8, settled_at = CASE WHEN $5 = 'dead' THEN $9::timestamptz END,
       attempts = one_more_attempt(attempts, $9, $10, $7, $8)
WHERE territory = $1 AND message_id = $2 AND endpoint_id = $3 AND fence = $4 AND state = 'delivering'
RETURNING true"""

WITHHOLD = """
UPDATE deliveries SET state = 'withheld', lease_until = NULL, last_error_code = 'withheld', settled_at = $5
WHERE territory = $1 AND message_id = $2 AND endpoint_id = $3 AND fence = $4 AND state = 'delivering'"""

DELIVERED = "SELECT settle_delivered($1, $2, $3, $4, $5, $6, $7, $8, $9)"

LOCK_ENDPOINT = """
SELECT consecutive_failures, failing_since FROM webhook_endpoints
WHERE territory = $1 AND endpoint_id = $2 FOR NO KEY UPDATE"""

FAILED = """
UPDATE webhook_endpoints SET consecutive_failures = $3, failing_since = $4, circuit_open_until = $5
WHERE territory = $1 AND endpoint_id = $2"""

DISABLE = """
UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = $3, disabled_at = $4
WHERE territory = $1 AND endpoint_id = $2 AND status <> 'disabled'
RETURNING agency"""

GIVE_UP_ALL = """
UPDATE deliveries SET state = 'dead', lease_until = NULL, last_error_code = 'endpoint_disabled', settled_at = $3
WHERE territory = $1 AND endpoint_id = $2 AND state IN ('pending', 'delivering')"""

TELL_OF_DISABLING = f"""
WITH told AS (
    INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, created_at, audience)
    VALUES ($1, $2, $3, '{DISABLED_MESSAGE}', $4, 0, $5, '{MESSAGE_TYPES[DISABLED_MESSAGE].audience}') RETURNING true
)
SELECT pg_notify('{OUTBOX_CHANNEL}', '') FROM told"""

RELEASE = """
UPDATE deliveries SET state = 'pending', lease_until = NULL, attempt = attempt - 1, due_at = $5
WHERE territory = $1 AND message_id = $2 AND endpoint_id = $3 AND fence = $4 AND state = 'delivering'"""

FORGET = """
DELETE FROM outbox WHERE (territory, message_id) IN (
    SELECT o.territory, o.message_id FROM outbox AS o
    WHERE o.stored_at < $1 AND NOT EXISTS (
        SELECT FROM deliveries AS d
        WHERE d.territory = o.territory AND d.message_id = o.message_id AND d.state IN ('pending', 'delivering'))
    ORDER BY o.stored_at LIMIT $2)"""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is ours to attempt until the lease ends."""

    message: Message
    endpoint_id: UUID
    fence: int
    attempt: int
    """1 for the first."""
    url: str
    sealed_secrets: tuple[bytes, ...]
    """The one in force, then, during a rotation, the one before."""

    @property
    def key(self) -> tuple[str, UUID, UUID, int]:
        return self.message.territory, self.message.message_id, self.endpoint_id, self.fence


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    waits: Sequence[timedelta] = RETRY_AFTER
    circuit_failures: int = CIRCUIT_FAILURES
    circuit_pause: timedelta = CIRCUIT_PAUSE
    failing_max: timedelta = FAILING_MAX
    jitter: Callable[[], float] = random.random

    def next_attempt(self, attempt: int, sent: Sent, now: datetime) -> datetime | None:
        """None when this was the last. A longer Retry-After is obeyed, up to a day."""
        if attempt > len(self.waits):
            return None
        wait: timedelta = self.waits[attempt - 1] * (1 + JITTER * self.jitter())
        if sent.retry_after_seconds is not None:
            asked = min(sent.retry_after_seconds, RETRY_AFTER_MAX.total_seconds())
            wait = max(wait, timedelta(seconds=asked))
        return now + wait

    def circuit_open_until(self, failures: int, now: datetime) -> datetime | None:
        if failures < self.circuit_failures:
            return None
        doublings = min(failures - self.circuit_failures, 16)
        return now + min(self.circuit_pause * (1 << doublings), CIRCUIT_PAUSE_MAX)


class Outbox:
    """Shared by any number of workers. A worker that dies loses nothing: its leases end and others take over."""

    def __init__(self, pool: Pool, secrets: SecretBox, policy: RetryPolicy | None = None) -> None:
        self._pool = pool
        self._secrets = secrets
        self._policy = policy or RetryPolicy()

    async def claim(self, now: datetime, *, most: int, lease: timedelta, per_endpoint: int) -> list[Claim]:
        return [_claim(row) for row in await self._pool.fetch(CLAIM, now, most, lease, per_endpoint)]

    def secrets(self, claim: Claim) -> list[str]:
        territory = claim.message.territory
        return [self._secrets.open(sealed, territory, claim.endpoint_id) for sealed in claim.sealed_secrets]

    async def settle(self, claim: Claim, sent: Sent, now: datetime) -> DeliveryState | None:
        """Records how the attempt ended and what follows from it; None when somebody else holds the delivery by now."""
        if sent.delivered:
            return await self._delivered(claim, sent, now)
        async with self._pool.acquire() as db, db.transaction():
            endpoint = await db.fetchrow(LOCK_ENDPOINT, claim.message.territory, claim.endpoint_id)
            assert endpoint is not None, "endpoints are never deleted"
            failing_since = endpoint["failing_since"] or now
            reason = self._reason_to_disable(sent, failing_since, now)
            due = None if reason else self._policy.next_attempt(claim.attempt, sent, now)
            state = DeliveryState.PENDING if due else DeliveryState.DEAD
            values = (state, due, sent.status, sent.error_code, now, sent.milliseconds)
            if not await db.fetchval(SETTLE, *claim.key, *values):
                return None
            failures = endpoint["consecutive_failures"] + 1
            pause = self._policy.circuit_open_until(failures, now)
            await db.execute(FAILED, claim.message.territory, claim.endpoint_id, failures, failing_since, pause)
            if reason:
                await disable(db, claim.message.territory, claim.endpoint_id, reason, now)
            return state

    def _reason_to_disable(self, sent: Sent, failing_since: datetime, now: datetime) -> DisabledReason | None:
        if sent.gone:
            return DisabledReason.GONE
        return DisabledReason.FAILING if now - failing_since >= self._policy.failing_max else None

    async def withhold(self, claim: Claim, now: datetime) -> None:
        """The agency is no longer entitled to it: never sent, and no fault of the endpoint."""
        await self._pool.execute(WITHHOLD, *claim.key, now)

    async def release(self, claim: Claim, due: datetime) -> None:
        """Give it back, untried or interrupted: the attempt does not count."""
        await self._pool.execute(RELEASE, *claim.key, due)

    async def forget(self, before: datetime, *, most: int = 1000) -> int:
        """Drop messages stored before a time, with their deliveries, once nothing of them is left to do."""
        return int((await self._pool.execute(FORGET, before, most)).rpartition(" ")[2])

    async def _delivered(self, claim: Claim, sent: Sent, now: datetime) -> DeliveryState | None:
        """A challenge that was taken and not given back is delivered too: its owner may still tell it."""
        error = NOT_ECHOED if claim.message.challenge is not None and sent.echoed is None else None
        values = (sent.status, now, sent.milliseconds, error, sent.echoed)
        mine = await self._pool.fetchval(DELIVERED, *claim.key, *values)
        return DeliveryState.DELIVERED if mine else None


async def disable(db: Database, territory: str, endpoint_id: UUID, reason: DisabledReason, now: datetime) -> None:
    """Nothing more is sent; what waited goes to the dead letters. An endpoint already disabled keeps its reason.

    Unless its owner asked, the owner is told by other channels.
    """
    agency = await db.fetchval(DISABLE, territory, endpoint_id, reason, now)
    await db.execute(GIVE_UP_ALL, territory, endpoint_id, now)
    if agency is not None and reason is not DisabledReason.ASKED:
        await db.execute(TELL_OF_DISABLING, territory, uuid7(), agency, endpoint_id, now)


def _claim(row: Record) -> Claim:
    message = Message(
        territory=row["territory"],
        message_id=row["message_id"],
        agency=row["agency"],
        type=row["type"],
        subject_id=row["subject_id"],
        pathway=row["pathway"],
        position=row["position"],
        created_at=row["created_at"],
        severity=row["severity"],
        urgent=row["urgent"],
        audience=Audience(row["audience"]),
        level=row["level"],
        challenge=row["challenge"],
        correlation_id=row["correlation_id"],
    )
    previous = (row["previous_secret"],) if row["previous_secret"] is not None else ()
    return Claim(
        message=message,
        endpoint_id=row["endpoint_id"],
        fence=row["fence"],
        attempt=row["attempt"],
        url=row["url"],
        sealed_secrets=(row["secret"], *previous),
    )
