"""What a command works with: settings and database, found running or started for the command's own duration."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from api.cli.failure import Failure, Status
from infrastructure.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from api.runtime import Runtime
    from application.key_vault import KeyVault
    from infrastructure.database import Pool
    from infrastructure.event_log import PostgresEventLog
    from infrastructure.vault import CachedVault

T = TypeVar("T")


def settings() -> Settings:
    """Raises Failure naming the variable that cannot be used."""
    try:
        return read_settings()
    except SettingsError as error:
        raise Failure(str(error), str(error), Status.USAGE) from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end. Ctrl-C and SIGTERM stop it in good order: the database is closed first."""
    return asyncio.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise Failure("arrêté", "stopped", Status.TERMINATED) from None
        raise


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns what may be wrong with an installation into a Failure that says what to do."""
    import asyncpg

    from application.event_log import UnreadableEvent
    from domain.errors import DomainError
    from infrastructure.key_file import KeyFileUnusable
    from infrastructure.migrate import MigrationRefused
    from infrastructure.postgres_binaries import PostgresError
    from infrastructure.signing_key import SigningKeyUnusable
    from infrastructure.vault_client import VaultUnreachable

    try:
        yield
    except (PostgresError, MigrationRefused, KeyFileUnusable, SigningKeyUnusable, UnreadableEvent) as error:
        raise Failure(str(error), str(error)) from error
    except SettingsError as error:
        raise Failure(str(error), str(error), Status.USAGE) from error
    except DomainError as error:
        raise Failure(error.title_fr, error.title()) from error
    except VaultUnreachable as error:
        raise Failure(
            f"le coffre ne répond pas ({error}) ; voyez UNISSON_VAULT_URL et « unisson vault serve »",
            f'the vault does not answer ({error}); see UNISSON_VAULT_URL and "unisson vault serve"',
        ) from error
    except BrokenPipeError:
        raise
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        reason = str(error) or type(error).__name__
        raise Failure(
            f"la base ne répond pas ({reason}) ; « unisson doctor » dit comment réparer",
            f'the database does not answer ({reason}); "unisson doctor" says how to repair it',
        ) from error


@contextlib.asynccontextmanager
async def database(chosen: Settings) -> AsyncIterator[str]:
    """The address of the database, its schema up to date. Raises Failure with what to do."""
    from infrastructure.database import connect
    from infrastructure.embedded_postgres import open_database
    from infrastructure.migrate import migrate

    with explained():
        async with open_database(chosen) as url:
            connection = await connect(url, pgbouncer=chosen.pgbouncer)
            try:
                await migrate(connection)
            finally:
                await connection.close()
            yield url


@dataclass(frozen=True)
class Installation:
    """An open database, its log and its keys."""

    settings: Settings
    pool: Pool
    whole_vault: CachedVault
    log: PostgresEventLog

    @property
    def vault(self) -> KeyVault:
        return self.whole_vault.keys


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Installation]:
    """Everything that a command may need, without the server. Raises Failure with what to do."""
    import domain.catalogue  # noqa: F401 (registers every event type that the log may hold)
    from infrastructure.database import create_pool
    from infrastructure.event_log import PostgresEventLog
    from infrastructure.logs import configure_logs
    from infrastructure.vault import open_vault

    chosen = settings()
    configure_logs("warning")
    async with (
        database(chosen) as url,
        create_pool(url, pgbouncer=chosen.pgbouncer) as pool,
        open_vault(chosen, pool) as vault,
        PostgresEventLog(url, pool, vault.keys) as log,
    ):
        yield Installation(chosen, pool, vault, log)


@contextlib.asynccontextmanager
async def composed() -> AsyncIterator[Runtime]:
    """All that a server has, without serving or following. Raises Failure with what to do."""
    from api.composition import compose
    from infrastructure.logs import configure_logs

    configure_logs("warning")
    with explained():
        async with compose(settings(), roles=frozenset()) as runtime:
            yield runtime


@contextlib.asynccontextmanager
async def up_to_date() -> AsyncIterator[Runtime]:
    """Like `composed`, its views brought up to date unless a server is doing that already."""
    async with composed() as runtime:
        await runtime.follower.catch_up()
        yield runtime
