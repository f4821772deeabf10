"""Agencies' webhook endpoints in the database (the port `application.webhooks.Webhooks`). Secrets are stored sealed."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import msgspec

from application.message_types import TEST_MESSAGE
from application.messages import OUTBOX_CHANNEL
from application.webhooks import (
    DeliveryLine,
    DeliveryState,
    DisabledReason,
    Endpoint,
    EndpointDisabled,
    EndpointRefused,
    EndpointStatus,
    NewEndpoint,
    TooManyEndpoints,
    UnknownEndpoint,
    UnknownMessage,
)
from domain.ids import uuid7
from infrastructure.address_filter import is_allowed
from infrastructure.database import Database, Pool, Record
from infrastructure.outbox import disable
from infrastructure.webhook_secret import SecretBox, new_secret

ENDPOINTS_MAX = 10
URL_CHARACTERS_MAX = 2000
ROTATION = timedelta(hours=24)
HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", re.ASCII)  # A name, or an address.

COLUMNS = """territory, endpoint_id, agency, url, event_types, status, disabled_reason, consecutive_failures,
last_success_at, created_at"""

INSERT = f"""
INSERT INTO webhook_endpoints (territory, endpoint_id, agency, url, event_types, secret, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"""

ROTATE = """
UPDATE webhook_endpoints SET previous_secret = secret, previous_until = $4, secret = $5
WHERE territory = $1 AND agency = $2 AND endpoint_id = $3"""

ENABLE = """
UPDATE webhook_endpoints
SET status = 'active', disabled_reason = NULL, consecutive_failures = 0, failing_since = NULL, circuit_open_until = NULL
WHERE territory = $1 AND agency = $2 AND endpoint_id = $3 AND status = 'disabled'"""

TEST = """
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

# A message that came while the endpoint was disabled has no delivery yet; one that was given up starts again.
REPLAY = """
INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, pathway)
SELECT o.territory, o.message_id, e.endpoint_id, o.subject_id, o.pathway
FROM webhook_endpoints AS e JOIN outbox AS o ON o.territory = e.territory AND o.agency = e.agency
WHERE e.territory = $1 AND e.endpoint_id = $2 AND o.created_at >= e.created_at
  AND CASE WHEN o.endpoint_id IS NULL
           THEN e.event_types = '{}' OR o.type = ANY (e.event_types)
           ELSE o.endpoint_id = e.endpoint_id END
  AND CASE WHEN $3::uuid IS NULL THEN o.created_at >= $4 ELSE o.message_id = $3 END
ORDER BY o.position, o.message_id
ON CONFLICT (territory, message_id, endpoint_id) DO UPDATE
SET state = 'pending', attempt = 0, due_at = '-infinity', lease_until = NULL, settled_at = NULL
WHERE deliveries.state = 'dead' OR deliveries.state = 'delivered' AND $3 IS NOT NULL"""

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
            row = await db.fetchrow(INSERT, territory, endpoint_id, agency, url, types, sealed, now)
        return NewEndpoint(_endpoint(row), secret)

    async def endpoints(self, territory: str, agency: str) -> list[Endpoint]:
        query = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE territory = $1 AND agency = $2 ORDER BY endpoint_id"
        return [_endpoint(row) for row in await self._pool.fetch(query, territory, agency)]

    async def endpoint(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        return await _one(self._pool, territory, agency, endpoint_id)

    async def rotate_secret(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> str:
        secret = new_secret()
        sealed = self._secrets.seal(secret, territory, endpoint_id)
        status = await self._pool.execute(ROTATE, territory, agency, endpoint_id, now + ROTATION, sealed)
        if status == "UPDATE 0":
            raise UnknownEndpoint
        return secret

    async def disable(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
        async with self._pool.acquire() as db, db.transaction():
            await _one(db, territory, agency, endpoint_id)
            await disable(db, territory, endpoint_id, DisabledReason.ASKED, now)
            return await _one(db, territory, agency, endpoint_id)

    async def enable(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        await self._pool.execute(ENABLE, territory, agency, endpoint_id)
        return await _one(self._pool, territory, agency, endpoint_id)

    async def send_test(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> UUID:
        await self._must_be_active(territory, agency, endpoint_id)
        message_id = uuid7()
        await self._pool.execute(TEST, territory, message_id, agency, TEST_MESSAGE, endpoint_id, now)
        await self._pool.execute(WAKE)
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
        await _one(self._pool, territory, agency, endpoint_id)
        rows = await self._pool.fetch(LINES, territory, endpoint_id, state, before, limit)
        return [msgspec.convert(dict(row), DeliveryLine) for row in rows]

    async def replay(
        self,
        territory: str,
        agency: str,
        endpoint_id: UUID,
        *,
        message_id: UUID | None = None,
        since: datetime | None = None,
    ) -> int:
        await self._must_be_active(territory, agency, endpoint_id)
        status = await self._pool.execute(REPLAY, territory, endpoint_id, message_id, since)
        queued = int(status.rpartition(" ")[2])
        if queued:
            await self._pool.execute(WAKE)
        if (
            message_id is not None
            and not queued
            and not await self._pool.fetchval(TOLD, territory, message_id, endpoint_id)
        ):
            raise UnknownMessage
        return queued

    async def _must_be_active(self, territory: str, agency: str, endpoint_id: UUID) -> None:
        endpoint = await _one(self._pool, territory, agency, endpoint_id)
        if endpoint.status is EndpointStatus.DISABLED:
            raise EndpointDisabled


def check_url(url: str, *, allow_loopback: bool) -> None:
    """Refuses at once what could never be sent to. What the name leads to is judged at each connection, not here."""
    parts = _parts(url)
    plain = allow_loopback and parts.scheme == "http" and parts.port != 0
    if not plain and (parts.scheme, 443 if parts.port is None else parts.port) != ("https", 443):
        raise EndpointRefused("Only https on port 443 is possible.", field="/url")
    if parts.username is not None or parts.password is not None or "#" in url:
        raise EndpointRefused("The address must hold neither user name, password nor fragment.", field="/url")
    try:
        literal = ip_address(parts.hostname or "")
    except ValueError:
        return
    if not is_allowed(literal, allow_loopback=allow_loopback):
        raise EndpointRefused("The address is not on the public internet.", field="/url")


def _parts(url: str) -> SplitResult:
    """Printable ASCII only: an international name is written in its xn-- form, a path percent-encoded."""
    printable = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises ValueError when it is none)
    except ValueError:
        printable = False
    if not printable or not HOST.fullmatch(parts.hostname or "") or len(url) > URL_CHARACTERS_MAX:
        raise EndpointRefused("This is not a complete address in plain ASCII.", field="/url")
    return parts


async def _one(db: "Database | Pool", territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
    query = f"SELECT {COLUMNS} FROM webhook_endpoints WHERE territory = $1 AND agency = $2 AND endpoint_id = $3"
    row = await db.fetchrow(query, territory, agency, endpoint_id)
    if row is None:
        raise UnknownEndpoint
    return _endpoint(row)


def _endpoint(row: Record | None) -> Endpoint:
    columns: dict[str, Any] = dict(row or {})
    return msgspec.convert(columns, Endpoint)
