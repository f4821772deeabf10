"""The event log in memory: the same promises and the same sealing as the one on PostgreSQL, for unit tests."""

import asyncio
from collections.abc import AsyncGenerator, Container, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from application.event_log import (
    Appended,
    Commit,
    Header,
    IdempotencyKeyReused,
    StaleVersion,
    Stored,
)
from application.key_vault import KeyVault
from domain.clock import Clock, SystemClock
from infrastructure.event_codec import Row, must_be_fit, open_rows, seal_commit
from infrastructure.heads import Heads
from infrastructure.memory_key_vault import MemoryKeyVault


class _Answered(msgspec.Struct, frozen=True):
    fingerprint: bytes
    outcome: bytes
    appended: Appended


class MemoryEventLog:
    """See `EventLog` for what each method promises."""

    def __init__(self, vault: KeyVault | None = None, clock: Clock | None = None) -> None:
        self.vault = vault if vault is not None else MemoryKeyVault()
        self._clock = clock if clock is not None else SystemClock()
        self._rows: dict[str, list[Row]] = {}
        self._answered: dict[tuple[str, str, str], _Answered] = {}
        self._heads = Heads()

    async def append(self, territory: str, commit: Commit) -> Appended:
        must_be_fit(territory)
        if commit.idempotency is not None:
            must_be_fit(commit.idempotency.client, commit.idempotency.key)
        sealed = await seal_commit(territory, commit, self.vault)
        # No await from here on: that is what makes it atomic.
        replayed = self._replayed(territory, commit)
        if replayed is not None:
            return replayed
        version = self._version(territory, commit.stream_id)
        if version != commit.expected_version:
            raise StaleVersion(version)
        rows = self._rows.setdefault(territory, [])
        recorded_at = self._recorded_at(rows)
        head = len(rows)
        rows.extend(
            Row(
                head + number,
                commit.stream_id,
                event.version,
                event.topic,
                recorded_at,
                event.agency,
                event.actor,
                commit.subject,
                commit.correlation_id,
                commit.causation_id,
                event.payload,
            )
            for number, event in enumerate(sealed, start=1)
        )
        appended = Appended(
            first_position=head + 1 if sealed else 0,
            last_position=len(rows) if sealed else 0,
            version=version + len(sealed),
            recorded_at=recorded_at,
        )
        if commit.idempotency is not None:
            asked = commit.idempotency
            self._answered[territory, asked.client, asked.key] = _Answered(asked.fingerprint, asked.outcome, appended)
        self._heads.advance(territory, len(rows))
        await asyncio.sleep(0)  # As with the real one, others run before the answer is heard.
        return appended

    def _replayed(self, territory: str, commit: Commit) -> Appended | None:
        if commit.idempotency is None:
            return None
        answered = self._answered.get((territory, commit.idempotency.client, commit.idempotency.key))
        if answered is None:
            return None
        if answered.fingerprint != commit.idempotency.fingerprint:
            raise IdempotencyKeyReused
        return msgspec.structs.replace(answered.appended, replayed=answered.outcome)

    def _version(self, territory: str, stream_id: UUID) -> int:
        return max(
            (row.stream_version for row in self._rows.get(territory, ()) if row.stream_id == stream_id), default=0
        )

    def _recorded_at(self, rows: list[Row]) -> datetime:
        now = self._clock.now()
        return max(now, rows[-1].recorded_at) if rows else now

    async def read_stream(
        self, territory: str, stream_id: UUID, *, after_version: int = 0, until_position: int | None = None
    ) -> list[Stored]:
        rows = self._until(territory, until_position)
        found = [row for row in rows if row.stream_id == stream_id and row.stream_version > after_version]
        return await open_rows(territory, found, self.vault)

    async def read_streams(
        self, territory: str, stream_ids: Sequence[UUID], *, until_position: int | None = None
    ) -> dict[UUID, list[Stored]]:
        found = {
            stream_id: await self.read_stream(territory, stream_id, until_position=until_position)
            for stream_id in stream_ids
        }
        return {stream_id: stored for stream_id, stored in found.items() if stored}

    async def page(self, territory: str, *, after: int, limit: int = 1000) -> list[Stored]:
        return await open_rows(territory, self._rows.get(territory, [])[after : after + limit], self.vault)

    async def pages(self, territory: str, *, after: int, limit: int = 1000) -> AsyncGenerator[list[Stored], None]:
        while page := await self.page(territory, after=after, limit=limit):
            after = page[-1].position
            yield page

    async def headers(
        self, territory: str, *, after: int, limit: int = 1000, topics: Sequence[str] | None = None
    ) -> list[Header]:
        rows = [
            row
            for row in self._rows.get(territory, [])
            if row.position > after and (topics is None or row.topic in topics)
        ]
        return [_header(territory, row) for row in rows[:limit]]

    async def head(self, territory: str) -> int:
        return len(self._rows.get(territory, ()))

    async def territories(self) -> list[str]:
        return sorted(territory for territory, rows in self._rows.items() if rows)

    async def wait(self, territory: str, *, after: int, timeout_s: float) -> int:
        return await self._heads.wait(territory, after=after, timeout_s=timeout_s)

    async def wait_for_territory(self, *, known: Container[str], timeout_s: float) -> None:
        await self._heads.wait_for_another(known, timeout_s=timeout_s)

    async def outcome(self, territory: str, client: str, key: str) -> tuple[bytes, bytes] | None:
        answered = self._answered.get((territory, client, key))
        return None if answered is None else (answered.fingerprint, answered.outcome)

    def _until(self, territory: str, position: int | None) -> list[Row]:
        rows = self._rows.get(territory, [])
        return rows if position is None else rows[:position]


def _header(territory: str, row: Row) -> Header:
    return Header(
        territory=territory,
        position=row.position,
        stream_id=row.stream_id,
        stream_version=row.stream_version,
        topic=row.topic,
        recorded_at=row.recorded_at,
        agency=row.agency,
        actor=row.actor,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
    )
