"""Connections to PostgreSQL, bounded in every wait so that one stuck client cannot stop the others."""

from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Record: TypeAlias = asyncpg.Record
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Database: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""One connection, plain or borrowed from a pool."""

UNREACHABLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What is raised when the database is away, or does not do what it is asked now: to be tried again later."""

STATEMENT_TIMEOUT_SECONDS = 30
LOCK_TIMEOUT_SECONDS = 5
IDLE_IN_TRANSACTION_TIMEOUT_SECONDS = 5
REPLY_TIMEOUT_MARGIN_SECONDS = 5


def create_pool(
    url: str,
    *,
    application_name: str = "unisson",
    min_size: int = 1,
    max_size: int = 10,
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
    pgbouncer: bool = False,
) -> Pool:
    """Still to be opened, with `async with` or `await`."""
    options = connection_options(application_name, statement_timeout_seconds, pgbouncer=pgbouncer)
    return asyncpg.create_pool(url, min_size=min_size, max_size=max_size, **options)


async def connect(
    url: str,
    *,
    application_name: str = "unisson",
    statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
    pgbouncer: bool = False,
) -> Connection:
    """A connection of one's own: the group writer, LISTEN, migrations."""
    return await asyncpg.connect(
        url, **connection_options(application_name, statement_timeout_seconds, pgbouncer=pgbouncer)
    )


def connection_options(
    application_name: str, statement_timeout_seconds: float, *, pgbouncer: bool = False
) -> dict[str, Any]:
    """Keyword arguments of `asyncpg.connect`.

    Behind a pgbouncer in transaction mode the server may change between two statements: no prepared statement is
    kept, and the time limits must be set on the role (ALTER ROLE … SET), since it refuses unknown start-up parameters.
    """
    settings = {"application_name": application_name}
    if not pgbouncer:
        settings |= {
            "statement_timeout": _milliseconds(statement_timeout_seconds),
            "lock_timeout": _milliseconds(LOCK_TIMEOUT_SECONDS),
            "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_TIMEOUT_SECONDS),
            # A client that vanishes with its network must not keep its locks. No effect on a unix socket.
            "tcp_keepalives_idle": "3",
            "tcp_keepalives_interval": "1",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "5000",
        }
    options: dict[str, Any] = {
        "server_settings": settings,
        "timeout": 10,
        "command_timeout": statement_timeout_seconds + REPLY_TIMEOUT_MARGIN_SECONDS,
    }
    if pgbouncer:
        options["statement_cache_size"] = 0
    return options


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
