"""The event log on PostgreSQL: appends by group commit, reads by position and by stream, opens what it reads.

    async with PostgresEventLog(database_url, pool, vault) as log:
        await log.append("FR-34", Commit(stream_id=…, expected_version=0, events=[…], subject=…))

One per process. `clock` replaces the database's clock for `recorded_at`: demonstrations and tests only.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Container, Sequence
from typing import Any, Self
from uuid import UUID

from application.event_log import Appended, Commit, Header, Stored
from application.key_vault import KeyVault
from domain.clock import Clock
from infrastructure.append_call import SealedCommit
from infrastructure.database import Pool
from infrastructure.event_codec import must_be_fit, open_rows, seal_commit
from infrastructure.group_writer import GroupWriter
from infrastructure.head_listener import HeadListener

COLUMNS = """position, stream_id, stream_version, topic, recorded_at, agency, actor, subject, correlation_id,
    causation_id, payload"""
PAGE = f"SELECT {COLUMNS} FROM events WHERE territory = $1 AND position > $2 ORDER BY position LIMIT $3"
STREAM = f"""
SELECT {COLUMNS} FROM events WHERE territory = $1 AND stream_id = $2 AND stream_version > $3 AND position <= $4
ORDER BY stream_version"""
STREAMS = f"""
SELECT {COLUMNS} FROM events WHERE territory = $1 AND stream_id = ANY($2::uuid[]) AND position <= $3
ORDER BY stream_id, stream_version"""
HEADERS = """
SELECT position, stream_id, stream_version, topic, recorded_at, agency, actor, correlation_id, causation_id
FROM events WHERE territory = $1 AND position > $2 AND ($4::text[] IS NULL OR topic = ANY($4))
ORDER BY position LIMIT $3"""
HEAD = "SELECT position FROM log_head WHERE territory = $1"
TERRITORIES = "SELECT territory FROM log_head WHERE position > 0 ORDER BY territory"
OUTCOME = "SELECT fingerprint, outcome FROM idempotency WHERE territory = $1 AND client = $2 AND key = $3"
FORGET_OUTCOMES = "DELETE FROM idempotency WHERE expires_at < clock_timestamp()"
LAST_POSITION = 2**63 - 1


class PostgresEventLog:
    """See `EventLog` for what each method promises."""

    def __init__(
        self, url: str, pool: Pool, vault: KeyVault, clock: Clock | None = None, *, pgbouncer: bool = False
    ) -> None:
        self._pool = pool
        self.vault = vault
        self._writer = GroupWriter(url, clock, pgbouncer=pgbouncer)
        self._listener = HeadListener(url, pgbouncer=pgbouncer)

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def open(self) -> None:
        """Starts writing and listening; call it inside the event loop."""
        self._writer.open()
        self._listener.open()

    async def close(self) -> None:
        """Writes what is queued, then disconnects. The pool stays its owner's to close."""
        await self._writer.close()
        await self._listener.close()

    async def append(self, territory: str, commit: Commit) -> Appended:
        must_be_fit(territory)
        if commit.idempotency is not None:
            must_be_fit(commit.idempotency.client, commit.idempotency.key)
        sealed = SealedCommit(
            stream_id=commit.stream_id,
            expected_version=commit.expected_version,
            subject=commit.subject,
            correlation_id=commit.correlation_id,
            causation_id=commit.causation_id,
            idempotency=commit.idempotency,
            events=await seal_commit(territory, commit, self.vault),
        )
        return await self._writer.append(territory, sealed)

    @property
    def waiting(self) -> int:
        """Commands that wait to be written."""
        return self._writer.waiting

    async def read_stream(
        self, territory: str, stream_id: UUID, *, after_version: int = 0, until_position: int | None = None
    ) -> list[Stored]:
        until = LAST_POSITION if until_position is None else until_position
        return await self._opened(territory, await self._pool.fetch(STREAM, territory, stream_id, after_version, until))

    async def read_streams(
        self, territory: str, stream_ids: Sequence[UUID], *, until_position: int | None = None
    ) -> dict[UUID, list[Stored]]:
        until = LAST_POSITION if until_position is None else until_position
        streams: dict[UUID, list[Stored]] = {}
        for stored in await self._opened(territory, await self._pool.fetch(STREAMS, territory, stream_ids, until)):
            streams.setdefault(stored.event.originator_id, []).append(stored)
        return streams

    async def page(self, territory: str, *, after: int, limit: int = 1000) -> list[Stored]:
        return await self._opened(territory, await self._pool.fetch(PAGE, territory, after, limit))

    async def pages(self, territory: str, *, after: int, limit: int = 1000) -> AsyncGenerator[list[Stored], None]:
        async with self._pool.acquire() as connection:
            fetching = asyncio.ensure_future(connection.fetch(PAGE, territory, after, limit))
            try:
                while rows := await fetching:
                    fetching = asyncio.ensure_future(connection.fetch(PAGE, territory, rows[-1]["position"], limit))
                    await asyncio.sleep(0)  # Sends the query.
                    yield await self._opened(territory, rows)
            finally:
                fetching.cancel()
                await asyncio.gather(fetching, return_exceptions=True)

    async def headers(
        self, territory: str, *, after: int, limit: int = 1000, topics: Sequence[str] | None = None
    ) -> list[Header]:
        rows = await self._pool.fetch(HEADERS, territory, after, limit, topics)
        return [Header(territory=territory, **row) for row in rows]

    async def head(self, territory: str) -> int:
        return await self._pool.fetchval(HEAD, territory) or 0

    async def territories(self) -> list[str]:
        return [row["territory"] for row in await self._pool.fetch(TERRITORIES)]

    def hear(self, channel: str, heard: Callable[[str], None]) -> None:
        """Also listen to this channel, over the connection that hears of appends; see `HeadListener.hear`."""
        self._listener.hear(channel, heard)

    async def wait(self, territory: str, *, after: int, timeout_s: float) -> int:
        return await self._listener.heads.wait(territory, after=after, timeout_s=timeout_s)

    async def wait_for_territory(self, *, known: Container[str], timeout_s: float) -> None:
        await self._listener.heads.wait_for_another(known, timeout_s=timeout_s)

    async def outcome(self, territory: str, client: str, key: str) -> tuple[bytes, bytes] | None:
        row = await self._pool.fetchrow(OUTCOME, territory, client, key)
        return None if row is None else (row["fingerprint"], row["outcome"])

    async def forget_outcomes(self) -> None:
        """Drop the outcomes whose time is over; to be called now and then."""
        await self._pool.execute(FORGET_OUTCOMES)

    async def _opened(self, territory: str, rows: Sequence[Any]) -> list[Stored]:
        return await open_rows(territory, rows, self.vault)
