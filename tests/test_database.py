"""Every wait for the database is bounded."""

import asyncio

import asyncpg
import pytest

from infrastructure.database import Pool, connect, connection_options, create_pool


async def test_a_statement_that_takes_too_long_is_stopped(database_url: str) -> None:
    async with create_pool(database_url, statement_timeout_seconds=0.05) as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(5)")


@pytest.mark.parametrize(("setting", "value"), [("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "5s")])
async def test_no_lock_is_waited_for_or_held_for_long(pool: Pool, setting: str, value: str) -> None:
    assert await pool.fetchval("SELECT current_setting($1)", setting) == value


async def test_a_connection_says_who_it_is(database_url: str) -> None:
    connection = await connect(database_url, application_name="unisson followers")
    assert await connection.fetchval("SHOW application_name") == "unisson followers"
    await connection.close()


async def test_a_crash_of_a_session_does_not_break_the_pool(pool: Pool) -> None:
    backend = await pool.fetchval("SELECT pg_backend_pid()")
    await asyncio.gather(pool.execute("SELECT pg_terminate_backend($1)", backend), return_exceptions=True)
    assert await pool.fetchval("SELECT 1") == 1


def test_behind_pgbouncer_nothing_outlives_a_transaction() -> None:
    options = connection_options("unisson", 30, pgbouncer=True)
    assert options["statement_cache_size"] == 0
    assert options["server_settings"] == {"application_name": "unisson"}
