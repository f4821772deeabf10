"""Group commit when something goes wrong: every command gets a true verdict, and none hurts another."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from application.event_log import Appended, AppendInDoubt, Idempotency, LogBusy, StaleVersion
from domain.ids import uuid7
from infrastructure.append_call import SealedCommit, Verdict
from infrastructure.database import Pool
from infrastructure.event_codec import SealedEvent
from infrastructure.event_header import commit_tail, header_start, leaf_hash, parse_header, uuid_field
from infrastructure.group_writer import BATCH_ROWS_MAX, BadValue, GroupWriter
from tests.support.cutting_proxy import CuttingProxy, cutting_proxy

T = "FR-34"


def commit(stream_id: UUID | None = None, expected: int = 0, events: int = 1, key: str | None = None) -> SealedCommit:
    stream_id = stream_id or uuid7()
    idempotency = Idempotency(client="c", key=key, fingerprint=b"f", outcome=b"o") if key else None
    return SealedCommit(
        stream_id=stream_id,
        expected_version=expected,
        subject=None,
        correlation_id=None,
        causation_id=None,
        idempotency=idempotency,
        events=[sealed(stream_id, expected + number) for number in range(1, events + 1)],
    )


def sealed(stream_id: UUID, version: int) -> SealedEvent:
    payload = os.urandom(100)
    header = header_start(T, uuid_field(stream_id), version % 2**31, "t", "a", None, commit_tail(None, None, None))
    return SealedEvent(version, "t", "a", None, header, payload, hashlib.sha256(payload).digest())


async def stored(pool: Pool) -> list[asyncpg.Record]:
    return await pool.fetch("SELECT * FROM events WHERE territory = $1 ORDER BY position", T)


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[GroupWriter]:
    async with GroupWriter(database_url) as opened:
        yield opened


@asynccontextmanager
async def cuttable(url: str, reconnect_seconds_max: float = 5) -> AsyncIterator[tuple[CuttingProxy, GroupWriter]]:
    """A writer behind a proxy, connected and warm: one commit is stored."""
    async with (
        cutting_proxy(url) as proxy,
        GroupWriter(proxy.url, reconnect_seconds_max=reconnect_seconds_max) as writer,
    ):
        await writer.append(T, commit())
        yield proxy, writer


def record_batches(writer: GroupWriter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    send = writer._send

    async def recording(connection: Any, territory: str, batch: list[Any]) -> list[Verdict]:
        sizes.append(len(batch))
        return await send(connection, territory, batch)

    monkeypatch.setattr(writer, "_send", recording)
    return sizes


async def test_commands_in_flight_share_one_call(writer: GroupWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = record_batches(writer, monkeypatch)
    await asyncio.gather(*(writer.append(T, commit()) for _ in range(32)))
    assert sizes == [32]


async def test_a_batch_is_bounded(writer: GroupWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = record_batches(writer, monkeypatch)
    await asyncio.gather(*(writer.append(T, commit(events=300)) for _ in range(4)))
    assert sizes == [1, 1, 1, 1]
    assert BATCH_ROWS_MAX < 600


async def test_a_busy_territory_does_not_starve_another(writer: GroupWriter) -> None:
    busy = [asyncio.create_task(writer.append(T, commit(events=200))) for _ in range(20)]
    await asyncio.sleep(0)
    await writer.append("FR-30", commit())
    waiting = [task for task in busy if not task.done()]
    await asyncio.gather(*busy)
    assert len(waiting) > 10


async def test_the_leaf_covers_the_header_and_the_hash_of_the_payload(writer: GroupWriter, pool: Pool) -> None:
    appended = await writer.append(T, commit(events=2))
    for row in await stored(pool):
        header = parse_header(row["header"])
        assert (header.stream_id, header.stream_version) == (row["stream_id"], row["stream_version"])
        assert (header.territory, header.topic, header.agency, header.actor) == (T, "t", "a", None)
        assert header.recorded_at == row["recorded_at"] == appended.recorded_at
        assert row["payload_sha256"] == hashlib.sha256(row["payload"]).digest()
        assert row["leaf"] == leaf_hash(row["header"], row["payload_sha256"])


@pytest.mark.parametrize("statement", ["UPDATE events SET topic = 'x'", "DELETE FROM events", "TRUNCATE events"])
async def test_the_database_refuses_to_change_events(writer: GroupWriter, pool: Pool, statement: str) -> None:
    await writer.append(T, commit())
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="events never change"):
        await pool.execute(statement)
    assert len(await stored(pool)) == 1


async def test_one_notification_tells_of_a_whole_batch(writer: GroupWriter, pool: Pool) -> None:
    heard: list[Any] = []

    def hear(*arguments: Any) -> None:
        heard.append(arguments[-1])

    async with pool.acquire() as connection:
        await connection.add_listener("unisson_log", hear)
        await asyncio.gather(*(writer.append(T, commit(events=2)) for _ in range(5)))
        await connection.fetchval("SELECT 1")
        await asyncio.sleep(0.05)
        await connection.remove_listener("unisson_log", hear)
    assert heard == ["FR-34 10"]


async def test_an_append_never_reads_through_the_log(database_url: str, pool: Pool) -> None:
    """Its plans are made on an empty table and kept: they must look versions up by stream."""
    async with GroupWriter(database_url) as writer:
        for _ in range(20):
            await asyncio.gather(*(writer.append(T, commit()) for _ in range(10)))
    for _ in range(100):  # The server counts when the connection ends.
        rows = await pool.fetch("SELECT indexrelname, idx_scan, idx_tup_read FROM pg_stat_user_indexes")
        counts = {row["indexrelname"]: (row["idx_scan"], row["idx_tup_read"]) for row in rows}
        if counts["events_stream_version"][0]:
            break
        await asyncio.sleep(0.05)
    assert counts["events_stream_version"][0] >= 200
    assert counts["events_pkey"] == (0, 0)


async def test_a_command_with_a_bad_value_does_not_hurt_its_batch(writer: GroupWriter, pool: Pool) -> None:
    commits = [commit() for _ in range(5)]
    commits.insert(2, commit(expected=2**40))
    results = await asyncio.gather(*(writer.append(T, one) for one in commits), return_exceptions=True)
    assert [type(result) for result in results] == [Appended, Appended, BadValue, Appended, Appended, Appended]
    assert [row["position"] for row in await stored(pool)] == [1, 2, 3, 4, 5]


async def test_a_reply_that_is_lost_is_found_again_without_a_key(database_url: str, pool: Pool) -> None:
    async with cuttable(database_url) as (proxy, writer):
        proxy.cut_next_reply = True
        appended = await writer.append(T, commit(events=2))
    assert proxy.cuts == 1
    assert (appended.first_position, appended.last_position, appended.version) == (2, 3, 2)
    assert len(await stored(pool)) == 3


async def test_a_reply_that_is_lost_is_found_again_with_a_key(database_url: str, pool: Pool) -> None:
    async with cuttable(database_url) as (proxy, writer):
        proxy.cut_next_reply = True
        appended = await writer.append(T, commit(key="k"))
    assert proxy.cuts == 1
    assert (appended.first_position, appended.replayed) == (2, b"o")
    assert len(await stored(pool)) == 2


async def test_a_request_that_is_lost_is_sent_again(database_url: str, pool: Pool) -> None:
    async with cuttable(database_url) as (proxy, writer):
        proxy.cut_next_request = True
        appended = await asyncio.gather(*(writer.append(T, commit()) for _ in range(10)))
    assert proxy.cuts == 1
    assert sorted(one.first_position for one in appended) == list(range(2, 12))
    assert len(await stored(pool)) == 11


async def test_after_a_lost_reply_a_stale_command_is_still_refused(database_url: str, pool: Pool) -> None:
    stream_id = uuid7()
    async with cuttable(database_url) as (proxy, writer):
        await writer.append(T, commit(stream_id))
        proxy.cut_next_reply = True
        with pytest.raises(StaleVersion):
            await writer.append(T, commit(stream_id))
    assert len(await stored(pool)) == 2


async def test_in_doubt_is_said_only_of_what_was_sent(database_url: str) -> None:
    async with cuttable(database_url, reconnect_seconds_max=0.1) as (proxy, writer):
        proxy.cut_next_reply = proxy.refusing = True
        with pytest.raises(AppendInDoubt):
            await writer.append(T, commit())
        with pytest.raises(LogBusy):
            await writer.append(T, commit())
        proxy.refusing = False
        assert (await writer.append(T, commit())).first_position == 3


async def test_a_killed_connection_is_replaced(writer: GroupWriter, pool: Pool) -> None:
    await writer.append(T, commit())
    await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%writer'")
    assert (await writer.append(T, commit())).first_position == 2


async def test_a_head_locked_for_too_long_refuses_for_now(writer: GroupWriter, pool: Pool) -> None:
    await writer.append(T, commit())
    assert writer._connection is not None
    await writer._connection.execute("SET lock_timeout = '20ms'")
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT * FROM log_head FOR UPDATE")
        with pytest.raises(LogBusy):
            await writer.append(T, commit())
    assert (await writer.append(T, commit())).first_position == 2


async def test_a_full_queue_refuses_at_once(database_url: str) -> None:
    async with GroupWriter(database_url, queue_commands_max=10) as writer:
        results = await asyncio.gather(*(writer.append(T, commit()) for _ in range(50)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, LogBusy)]
    assert len(refused) == 40
    assert refused[0].retry_after_s >= 1
    assert len([result for result in results if isinstance(result, Appended)]) == 10


async def test_closing_writes_what_is_queued_and_refuses_the_rest(database_url: str, pool: Pool) -> None:
    async with GroupWriter(database_url) as writer:
        queued = [asyncio.create_task(writer.append(T, commit(events=100))) for _ in range(20)]
        await asyncio.sleep(0)
    assert all(isinstance(task.result(), Appended) for task in queued)
    assert len(await stored(pool)) == 2000
    with pytest.raises(LogBusy):
        await writer.append(T, commit())


async def test_a_command_whose_caller_went_away_is_not_written(writer: GroupWriter, pool: Pool) -> None:
    first = asyncio.create_task(writer.append(T, commit()))
    gone = asyncio.create_task(writer.append(T, commit()))
    await asyncio.sleep(0)
    gone.cancel()
    await first
    await writer.append(T, commit())
    assert len(await stored(pool)) == 2


async def test_two_writers_share_one_order(database_url: str, pool: Pool) -> None:
    async with GroupWriter(database_url) as one, GroupWriter(database_url) as two:
        places = await asyncio.gather(
            *(writer.append(T, commit(events=2)) for _ in range(100) for writer in (one, two))
        )
    assert sorted(place.first_position for place in places) == list(range(1, 400, 2))
    assert [row["position"] for row in await stored(pool)] == list(range(1, 401))


async def test_a_cancelled_writer_leaves_nobody_waiting(database_url: str) -> None:
    writer = GroupWriter(database_url)
    writer.open()
    waiting = asyncio.create_task(writer.append(T, commit()))
    await asyncio.sleep(0)
    assert writer._task is not None
    writer._task.cancel()
    with pytest.raises((LogBusy, AppendInDoubt, asyncio.CancelledError)):
        await asyncio.wait_for(waiting, 20)
