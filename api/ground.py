"""What everything else in a process stands on: the database, the key vault, the log."""

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import tzinfo

from application.access_log import Budget
from domain.clock import Clock, SystemClock
from domain.rules import Calendars
from infrastructure.access_log import PostgresLooks
from infrastructure.cached_key_vault import CHANNEL as KEYS_CHANNEL
from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import open_database
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.migrate import migrate
from infrastructure.settings import Settings
from infrastructure.snapshots import PostgresSnapshots
from infrastructure.vault import open_vault, server_keys
from infrastructure.vault_calls import Vault
from infrastructure.webhook_secret import SecretBox, reseal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    settings: Settings
    clock: Clock
    url: str
    """Of the database, for whoever needs a connection of its own."""
    pool: Pool
    vault: Vault
    key_file: KeyFile
    """What the servers' own secrets are sealed with."""
    log: PostgresEventLog
    looks: PostgresLooks
    snapshots: PostgresSnapshots
    calendars: Calendars
    allow_loopback: bool

    def zone_of(self, territory: str) -> tzinfo:
        return self.calendars.of(territory).tz


async def open_ground(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    clock: Clock | None,
    allow_loopback: bool,
    database: Awaitable[str] | None,
) -> Ground:
    """Closed with the stack. The database is brought to the current schema; without a clock, its own dates events."""
    url = await (database or stack.enter_async_context(open_database(settings)))
    connection = await connect(url, pgbouncer=settings.pgbouncer)
    await migrate(connection)
    await connection.close()
    pool = await stack.enter_async_context(create_pool(url, pgbouncer=settings.pgbouncer))
    vault = await stack.enter_async_context(open_vault(settings, pool, clock))
    key_file = await server_keys(vault, settings)
    await reseal(pool, SecretBox(key_file))  # What earlier releases sealed otherwise.
    keys = vault.keys
    log = await stack.enter_async_context(PostgresEventLog(url, pool, keys, clock, pgbouncer=settings.pgbouncer))
    log.hear(KEYS_CHANNEL, keys.forget_told)
    budget = Budget(by_user=settings.persons_per_user, by_agency=settings.persons_per_agency)
    looks = PostgresLooks(url, pool, keys, clock, budget, pgbouncer=settings.pgbouncer)
    await stack.enter_async_context(looks)
    snapshots = PostgresSnapshots(pool, keys)
    stack.push_async_callback(snapshots.close)
    return Ground(
        settings=settings,
        clock=clock or SystemClock(),
        url=url,
        pool=pool,
        vault=vault,
        key_file=key_file,
        log=log,
        looks=looks,
        snapshots=snapshots,
        calendars=Calendars(),
        allow_loopback=allow_loopback,
    )
