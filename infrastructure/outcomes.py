"""Outcomes of requests in PostgreSQL, in the table of those of commands: a key serves once, whatever it serves for."""

from datetime import timedelta

from application.event_log import IdempotencyKeyReused
from application.outcomes import Request
from application.pathways import InFlight
from infrastructure.database import Pool

RESERVED_FOR = timedelta(minutes=2)
"""Longer than any of these requests can take: whoever has not settled by then is gone."""
KEPT_FOR = timedelta(hours=48)  # As long as the outcome of a command.

# Under the lock of the territory's head, like the outcomes of commands: whoever appends looks for the key under that
# lock too, and must find it there or be alone. Without an outcome, the row says that somebody is at it.
HEAD = "INSERT INTO log_head (territory) VALUES ($1) ON CONFLICT DO NOTHING"
RESERVE = """
WITH head AS (SELECT FROM log_head WHERE territory = $1 FOR UPDATE)
INSERT INTO idempotency AS known (recorded_at, expires_at, first_position, last_position, version, territory, client,
    key, fingerprint, outcome)
SELECT clock_timestamp(), clock_timestamp() + $5, 0, 0, 0, $1, $2, $3, $4, '' FROM head
ON CONFLICT (territory, client, key) DO UPDATE
SET recorded_at = excluded.recorded_at, expires_at = excluded.expires_at, fingerprint = excluded.fingerprint
WHERE known.outcome = '' AND known.expires_at < clock_timestamp()
RETURNING true"""
KNOWN = "SELECT fingerprint, outcome FROM idempotency WHERE territory = $1 AND client = $2 AND key = $3"
SETTLE = """
UPDATE idempotency SET outcome = $5, expires_at = clock_timestamp() + $6
WHERE territory = $1 AND client = $2 AND key = $3 AND fingerprint = $4 AND outcome = ''"""
GIVE_UP = """
DELETE FROM idempotency WHERE territory = $1 AND client = $2 AND key = $3 AND fingerprint = $4 AND outcome = ''"""


class PostgresOutcomes:
    """See `application.outcomes.Outcomes`."""

    def __init__(self, pool: Pool, reserved_for: timedelta = RESERVED_FOR) -> None:
        self._pool = pool
        self._reserved_for = reserved_for

    async def begin(self, request: Request) -> bytes | None:
        if (known := await self._known(request)) is not None:
            return known
        await self._pool.execute(HEAD, request.caller.territory)
        if await self._pool.fetchval(RESERVE, *_columns(request), self._reserved_for):
            return None
        if (known := await self._known(request)) is not None:
            return known
        raise InFlight

    async def settle(self, request: Request, outcome: bytes) -> None:
        await self._pool.execute(SETTLE, *_columns(request), outcome, KEPT_FOR)

    async def give_up(self, request: Request) -> None:
        await self._pool.execute(GIVE_UP, *_columns(request))

    async def _known(self, request: Request) -> bytes | None:
        territory, client, key, fingerprint = _columns(request)
        row = await self._pool.fetchrow(KNOWN, territory, client, key)
        if row is not None and row["fingerprint"] != fingerprint:
            raise IdempotencyKeyReused
        return None if row is None else row["outcome"] or None


def _columns(request: Request) -> tuple[str, str, str, bytes]:
    return request.caller.territory, request.caller.agency, request.idempotency_key, request.fingerprint
