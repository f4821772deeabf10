"""Logs for tests: `memory_log()` for unit tests, `postgres_log(url, pool)` for those that need the real one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from application.key_vault import KeyVault
from domain.clock import Clock, SettableClock
from infrastructure.database import Pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.memory_event_log import MemoryEventLog

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
KEYS = KeyFile({1: bytes(range(32))})


def memory_log(clock: Clock | None = None, vault: KeyVault | None = None) -> MemoryEventLog:
    """An empty log with its own vault (`.vault`), on a clock that stands still at START unless one is given."""
    return MemoryEventLog(vault, clock if clock is not None else SettableClock(START))


@asynccontextmanager
async def postgres_log(url: str, pool: Pool, clock: Clock | None = None) -> AsyncIterator[PostgresEventLog]:
    """The real log on a migrated database, with a vault whose key-encryption key is fixed."""
    async with PostgresEventLog(url, pool, PostgresKeyVault(pool, KEYS), clock) as log:
        yield log
