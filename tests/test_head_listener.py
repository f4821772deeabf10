"""Waiting for the head: woken by any process, and by nobody's notification when none comes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.event_log import Commit
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.head_listener import HeadListener
from tests.support.histories import painted
from tests.support.logs import postgres_log

T = "FR-34"
AT_ONCE_SECONDS = 0.5  # Well under the second between two polls.
KILL_LISTENER = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE '%listener' AND datname = current_database()"""

LISTENERS = """
SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%listener' AND datname = current_database()"""


@pytest.fixture
async def log(database_url: str, pool: Pool) -> AsyncIterator[PostgresEventLog]:
    async with postgres_log(database_url, pool) as opened:
        yield opened


@pytest.fixture
async def listener(database_url: str) -> AsyncIterator[HeadListener]:
    """Of another process, for all it knows."""
    other = HeadListener(database_url)
    other.open()
    await other.listening.wait()
    yield other
    await other.close()


async def append(log: PostgresEventLog) -> None:
    stream_id = uuid7()
    await log.append(T, Commit(stream_id=stream_id, expected_version=0, events=[painted(stream_id, 1)]))


async def test_an_append_elsewhere_is_heard_at_once(log: PostgresEventLog, listener: HeadListener) -> None:
    for position in range(1, 6):
        waiting = asyncio.create_task(listener.heads.wait(T, after=position - 1, timeout_s=10))
        await append(log)
        async with asyncio.timeout(AT_ONCE_SECONDS):
            assert await waiting == position


async def test_many_wait_on_one_connection(log: PostgresEventLog, listener: HeadListener) -> None:
    waiting = [asyncio.create_task(listener.heads.wait(T, after=0, timeout_s=10)) for _ in range(200)]
    await append(log)
    assert await asyncio.gather(*waiting) == [1] * 200


async def test_what_was_appended_before_is_known(log: PostgresEventLog, database_url: str) -> None:
    await append(log)
    listener = HeadListener(database_url)
    listener.open()
    assert await listener.heads.wait(T, after=0, timeout_s=10) == 1
    await listener.close()


async def test_a_lost_connection_is_replaced(log: PostgresEventLog, listener: HeadListener, pool: Pool) -> None:
    await pool.execute(KILL_LISTENER)
    await append(log)
    assert await listener.heads.wait(T, after=0, timeout_s=10) == 1


async def test_other_channels_are_heard_over_the_same_connection(listener: HeadListener, pool: Pool) -> None:
    """Those asked for later too, and all of them again once a lost connection is replaced."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    for channel in ("first", "second"):
        listener.hear(channel, heard.put_nowait)
        await asyncio.wait_for(listener.listening.wait(), AT_ONCE_SECONDS)
        await pool.execute("SELECT pg_notify($1, 'at once')", channel)
        async with asyncio.timeout(AT_ONCE_SECONDS):
            assert await heard.get() == "at once"
    assert await pool.fetchval(LISTENERS) == 1
    await pool.execute(KILL_LISTENER)
    async with asyncio.timeout(10):
        while heard.empty():
            await pool.execute("SELECT pg_notify('first', 'again')")
            await asyncio.sleep(0.05)


async def test_an_append_that_notified_nobody_is_found_by_polling(listener: HeadListener, pool: Pool) -> None:
    waiting = asyncio.create_task(listener.heads.wait(T, after=0, timeout_s=10))
    await pool.execute("INSERT INTO log_head (territory, position) VALUES ($1, 3)", T)
    assert await waiting == 3


async def test_outcomes_are_forgotten_when_their_time_is_over(log: PostgresEventLog, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO idempotency SELECT now(), due, 1, 1, 1, $1, 'c', key, 'f', 'o' FROM (VALUES (NULL, 'kept'),"
        " (now() - interval '1 minute', 'old'), (now() + interval '1 minute', 'young')) AS v (due, key)",
        T,
    )
    await log.forget_outcomes()
    assert [await log.outcome(T, "c", key) is not None for key in ("old", "young", "kept")] == [False, True, True]
