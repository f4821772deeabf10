"""Agencies' webhook endpoints in the database (the port `application.webhooks.Webhooks`). Secrets are stored sealed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from application.message_types import CHALLENGE_MESSAGE, TEST_MESSAGE
from application.messages import OUTBOX_CHANNEL, Message
from application.webhooks import (
    Attempt,
    ChallengeFailed,
    DeliveryDetail,
    DeliveryLine,
    DeliveryState,
    DisabledReason,
    Endpoint,
    EndpointDisabled,
    EndpointStatus,
    EndpointUnverified,
    NewEndpoint,
    TooManyChallenges,
    TooManyEndpoints,
    UnknownEndpoint,
    UnknownMessage,
)
from domain.ids import uuid7
from infrastructure.database import Database, Pool, Record
from infrastructure.endpoint_address import check_url
from infrastructure.outbox import disable
from infrastructure.webhook_challenges import is_same, new_challenge
from infrastructure.webhook_secret import SecretBox, new_secret

ENDPOINTS_MAX = 10
CHALLENGES_MAX = 20
CHALLENGES_PERIOD = timedelta(hours=1)
CHALLENGE_GOOD_FOR = timedelta(days=4)  # As long as it is tried at the most.
ROTATION = timedelta(hours=24)

COLUMNS = """territory, endpoint_id, agency, url, event_types, status, disabled_reason, disabled_at,
challenge_until, verified_at, consecutive_failures, last_success_at, created_at"""

INSERT = """
INSERT INTO webhook_endpoints (territory, endpoint_id, agency, url, event_types, secret, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""

CHALLENGES = f"""
SELECT count(*) FROM outbox
WHERE territory = $1 AND agency = $2 AND type = '{CHALLENGE_MESSAGE}' AND created_at > $3"""

# Old failures say nothing of whether it answers now.
CHALLENGE = f"""
UPDATE webhook_endpoints
SET challenge = $3, challenge_until = $4, consecutive_failures = 0, failing_since = NULL, circuit_open_until = NULL
WHERE territory = $1 AND endpoint_id = $2 RETURNING {COLUMNS}"""

DROP_CHALLENGES = f"""
UPDATE deliveries AS d
SET state = 'dead', lease_until = NULL, last_error_code = 'superseded', settled_at = $3
FROM outbox AS o
WHERE d.territory = $1 AND d.endpoint_id = $2 AND d.state IN ('pending', 'delivering')
  AND o.territory = d.territory AND o.message_id = d.message_id AND o.type = '{CHALLENGE_MESSAGE}'"""

ASKED = "SELECT challenge FROM webhook_endpoints WHERE territory = $1 AND endpoint_id = $2 FOR NO KEY UPDATE"

VERIFY = f"""
UPDATE webhook_endpoints SET status = 'active', verified_at = $3, challenge = NULL, challenge_until = NULL
WHERE territory = $1 AND endpoint_id = $2 RETURNING {COLUMNS}"""

ROTATE = """
UPDATE webhook_endpoints SET previous_secret = secret, previous_until = $4, secret = $5
WHERE territory = $1 AND agency = $2 AND endpoint_id = $3"""

ENABLE = """
UPDATE webhook_endpoints
SET status = CASE WHEN verified_at IS NULL THEN 'unverified' ELSE 'active' END,
    disabled_reason = NULL, disabled_at = NULL,
    consecutive_failures = 0, failing_since = NULL, circuit_open_until = NULL
WHERE territory = $1 AND agency = $2 AND endpoint_id = $3 AND status = 'disabled'"""

TELL_ONE = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, created_at, endpoint_id)
VALUES ($1, $2, $3, $4, $5, 0, $6, $5)"""

LINES = """
SELECT d.sequence, d.message_id, o.type, o.subject_id, d.state, d.attempt AS attempts,
       CASE WHEN d.state = 'pending' AND isfinite(d.due_at) THEN d.due_at END AS due_at,
       d.last_status, d.last_error_code, o.created_at, d.settled_at
FROM deliveries AS d JOIN outbox AS o USING (territory, message_id)
WHERE d.territory = $1 AND d.endpoint_id = $2 AND ($3::text IS NULL OR d.state = $3)
  AND ($4::bigint IS NULL OR d.sequence < $4)
ORDER BY d.sequence DESC LIMIT $5"""

DETAIL = """
SELECT d.sequence, d.message_id, o.type, o.subject_id, d.state, d.attempt AS attempts,
       CASE WHEN d.state = 'pending' AND isfinite(d.due_at) THEN d.due_at END AS due_at,
       d.last_status, d.last_error_code, o.created_at, d.settled_at, d.attempts AS attempts_made,
       o.agency, o.position, o.level
FROM deliveries AS d JOIN outbox AS o USING (territory, message_id)
WHERE d.territory = $1 AND d.endpoint_id = $2 AND d.message_id = $3"""

# One that came while the endpoint was disabled has no delivery yet.
REPLAY = f"""
INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, pathway)
SELECT o.territory, o.message_id, e.endpoint_id, o.subject_id, o.pathway
FROM webhook_endpoints AS e JOIN outbox AS o ON o.territory = e.territory AND o.agency = e.agency
WHERE e.territory = $1 AND e.endpoint_id = $2 AND o.message_id = $3 AND o.created_at >= e.created_at
  AND o.type <> '{CHALLENGE_MESSAGE}'
  AND CASE WHEN o.endpoint_id IS NULL
           THEN e.event_types = '{{}}' OR o.type = ANY (e.event_types)
           ELSE o.endpoint_id = e.endpoint_id END
ON CONFLICT (territory, message_id, endpoint_id) DO UPDATE
SET state = 'pending', attempt = 0, due_at = '-infinity', lease_until = NULL, settled_at = NULL
WHERE deliveries.state IN ('dead', 'delivered')"""

WAKE = f"SELECT pg_notify('{OUTBOX_CHANNEL}', '')"

TOLD = "SELECT true FROM deliveries WHERE territory = $1 AND message_id = $2 AND endpoint_id = $3"


class PostgresWebhooks:
    """`allow_loopback` admits http and 127.0.0.1 as well: development and demonstration only."""

    def __init__(self, pool: Pool, secrets: SecretBox, *, allow_loopback: bool = False) -> None:
        self._pool = pool
        self._secrets = secrets
        self._allow_loopback = allow_loopback

    async def register(
        self, territory: str, agency: str, url: str, event_types: Sequence[str], now: datetime
    ) -> NewEndpoint:
        check_url(url, allow_loopback=self._allow_loopback)
        endpoint_id, secret = uuid7(), new_secret()
        sealed = self._secrets.seal(secret, territory, endpoint_id)
        async with self._pool.acquire() as db, db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"webhooks {territory} {agency}")
            held = "SELECT count(*) FROM webhook_endpoints WHERE territory = $1 AND agency = $2"
            if await db.fetchval(held, territory, agency) >= ENDPOINTS_MAX:
                raise TooManyEndpoints
            types = sorted(set(event_types))
            await db.execute(INSERT, territory, endpoint_id, agency, url, types, sealed, now)
            endpoint = await _challenge(db, territory, agency, endpoint_id, now)
        return NewEndpoint(endpoint, secret)

    async def challenge(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
        async with self._pool.acquire() as db, db.transaction():
            await db.execute(ASKED, territory, endpoint_id)  # It may be giving the one before back at this moment.
            endpoint = await one_endpoint(db, territory, agency, endpoint_id)
            if endpoint.status is EndpointStatus.DISABLED:
                raise EndpointDisabled
            if endpoint.status is EndpointStatus.ACTIVE:
                return endpoint
            return await _challenge(db, territory, agency, endpoint_id, now)

    async def verify(self, territory: str, agency: str, endpoint_id: UUID, challenge: str, now: datetime) -> Endpoint:
        async with self._pool.acquire() as db, db.transaction():
            asked = await db.fetchval(ASKED, territory, endpoint_id)
            endpoint = await one_endpoint(db, territory, agency, endpoint_id)
            if endpoint.status is EndpointStatus.DISABLED:
                raise EndpointDisabled
            if endpoint.status is EndpointStatus.ACTIVE:
                return endpoint
            good = endpoint.challenge_until is not None and now < endpoint.challenge_until
            if asked is None or not good or not is_same(challenge, asked):
                raise ChallengeFailed
            await db.execute(DROP_CHALLENGES, territory, endpoint_id, now)
            return _endpoint(await db.fetchrow(VERIFY, territory, endpoint_id, now))

    async def endpoints(self, territory: str, agency: str) -> list[Endpoint]:
        query = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE territory = $1 AND agency = $2 ORDER BY endpoint_id"
        return [_endpoint(row) for row in await self._pool.fetch(query, territory, agency)]

    async def endpoint(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        return await one_endpoint(self._pool, territory, agency, endpoint_id)

    async def rotate_secret(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> str:
        secret = new_secret()
        sealed = self._secrets.seal(secret, territory, endpoint_id)
        status = await self._pool.execute(ROTATE, territory, agency, endpoint_id, now + ROTATION, sealed)
        if status == "UPDATE 0":
            raise UnknownEndpoint
        return secret

    async def disable(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
        async with self._pool.acquire() as db, db.transaction():
            await one_endpoint(db, territory, agency, endpoint_id)
            await disable(db, territory, endpoint_id, DisabledReason.ASKED, now)
            return await one_endpoint(db, territory, agency, endpoint_id)

    async def enable(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        await self._pool.execute(ENABLE, territory, agency, endpoint_id)
        return await one_endpoint(self._pool, territory, agency, endpoint_id)

    async def send_test(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> UUID:
        message_id = uuid7()
        async with self._pool.acquire() as db, db.transaction():
            await must_be_active(db, territory, agency, endpoint_id)
            await db.execute(TELL_ONE, territory, message_id, agency, TEST_MESSAGE, endpoint_id, now)
            await db.execute(WAKE)
        return message_id

    async def deliveries(
        self,
        territory: str,
        agency: str,
        endpoint_id: UUID,
        *,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[DeliveryLine]:
        await one_endpoint(self._pool, territory, agency, endpoint_id)
        rows = await self._pool.fetch(LINES, territory, endpoint_id, state, before, limit)
        return [msgspec.convert(dict(row), DeliveryLine) for row in rows]

    async def delivery(self, territory: str, agency: str, endpoint_id: UUID, message_id: UUID) -> DeliveryDetail:
        await one_endpoint(self._pool, territory, agency, endpoint_id)
        row = await self._pool.fetchrow(DETAIL, territory, endpoint_id, message_id)
        if row is None:
            raise UnknownMessage
        return _detail(territory, row)

    async def replay(self, territory: str, agency: str, endpoint_id: UUID, message_id: UUID) -> int:
        await must_be_active(self._pool, territory, agency, endpoint_id)
        status = await self._pool.execute(REPLAY, territory, endpoint_id, message_id)
        queued = int(status.rpartition(" ")[2])
        if queued:
            await self._pool.execute(WAKE)
        elif not await self._pool.fetchval(TOLD, territory, message_id, endpoint_id):
            raise UnknownMessage
        return queued


async def must_be_active(db: "Database | Pool", territory: str, agency: str, endpoint_id: UUID) -> None:
    endpoint = await one_endpoint(db, territory, agency, endpoint_id)
    if endpoint.status is EndpointStatus.DISABLED:
        raise EndpointDisabled
    if endpoint.status is EndpointStatus.UNVERIFIED:
        raise EndpointUnverified


async def _challenge(db: Database, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
    """Ask something new of it; what was asked before is void."""
    if await db.fetchval(CHALLENGES, territory, agency, now - CHALLENGES_PERIOD) >= CHALLENGES_MAX:
        raise TooManyChallenges
    await db.execute(DROP_CHALLENGES, territory, endpoint_id, now)
    row = await db.fetchrow(CHALLENGE, territory, endpoint_id, new_challenge(), now + CHALLENGE_GOOD_FOR)
    await db.execute(TELL_ONE, territory, uuid7(), agency, CHALLENGE_MESSAGE, endpoint_id, now)
    await db.execute(WAKE)
    return _endpoint(row)


async def one_endpoint(db: "Database | Pool", territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
    query = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE territory = $1 AND agency = $2 AND endpoint_id = $3"
    row = await db.fetchrow(query, territory, agency, endpoint_id)
    if row is None:
        raise UnknownEndpoint
    return _endpoint(row)


def _detail(territory: str, row: Record) -> DeliveryDetail:
    message = Message(
        territory=territory,
        pathway=None,
        **{
            name: row[name]
            for name in ("message_id", "agency", "type", "subject_id", "position", "created_at", "level")
        },
    )
    attempts = msgspec.json.decode(row["attempts_made"], type=tuple[Attempt, ...])
    return msgspec.convert({**row, "attempts_made": attempts, "message": message}, DeliveryDetail)


def _endpoint(row: Record | None) -> Endpoint:
    columns: dict[str, Any] = dict(row or {})
    return msgspec.convert(columns, Endpoint)
