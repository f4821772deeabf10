"""The vault that the settings choose: in this process, on the common database or its own, or in another process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from domain.clock import Clock, SystemClock
from domain.compartments import Compartment
from infrastructure.blind_keys import VaultBlindKeys
from infrastructure.cached_key_vault import CachedKeyVault
from infrastructure.database import Pool, connect, create_pool
from infrastructure.kek_epochs import PostgresKekEpochs
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import KeyStore
from infrastructure.migrate import migrate
from infrastructure.settings import Settings
from infrastructure.vault_calls import Vault
from infrastructure.vault_client import RemoteBlindKeys, RemoteKekEpochs, RemoteKeys, VaultLine
from infrastructure.vault_token import read_token

MIGRATIONS = frozenset({"0002_key_vault.sql", "0011_key_epochs.sql"})
"""Those of the vault's tables."""
SERVER_EPOCH = 2**32 - 1
SERVER = UUID("0b0f4a36-5c0d-4f43-8a1e-1f4f6f6c7f50")
"""What the secret of the servers themselves is filed under, in no territory."""


@dataclass(frozen=True)
class CachedVault(Vault):
    """A process's own view of the vault."""

    keys: CachedKeyVault


@asynccontextmanager
async def open_vault(settings: Settings, pool: Pool, clock: Clock | None = None) -> AsyncIterator[CachedVault]:
    """`pool` is of the main database, over which every process hears what to forget."""
    async with AsyncExitStack() as stack:
        if settings.vault_url is not None:
            line = await stack.enter_async_context(VaultLine(settings.vault_url, read_token(settings.vault_token)))
            yield CachedVault(CachedKeyVault(RemoteKeys(line), pool), RemoteBlindKeys(line), RemoteKekEpochs(line))
        else:
            own = await stack.enter_async_context(own_vault(settings, pool, clock))
            yield CachedVault(CachedKeyVault(own.keys, pool), own.blind, own.epochs)


@asynccontextmanager
async def own_vault(settings: Settings, pool: "Pool | None", clock: Clock | None = None) -> AsyncIterator[Vault]:
    """The vault itself, which remembers no clear key. `pool` serves it unless it has a database of its own."""
    async with AsyncExitStack() as stack:
        if settings.vault_database_url is not None:
            pool = await stack.enter_async_context(_pool_of_its_own(settings.vault_database_url))
        assert pool is not None
        store = await KeyStore.open(pool, settings.key_encryption_key)
        clock = clock or SystemClock()
        yield Vault(store, VaultBlindKeys(pool, store, clock), PostgresKekEpochs(pool, store.key_file, clock))


@asynccontextmanager
async def _pool_of_its_own(url: str) -> AsyncIterator[Pool]:
    """The vault's own database, its tables up to date and no others in it."""
    connection = await connect(url, application_name="unisson vault")
    try:
        await migrate(connection, only=MIGRATIONS)
    finally:
        await connection.close()
    async with create_pool(url, application_name="unisson vault") as pool:
        yield pool


async def server_keys(vault: Vault, settings: Settings) -> KeyFile:
    """What servers seal their own secrets with, whatever becomes of the epochs; those of old are there to open with."""
    keyring = await vault.keys.ensure("", SERVER, [Compartment.CASE])
    local = settings.vault_url is None and settings.key_encryption_key.exists()
    earlier = KeyFile.load(settings.key_encryption_key).keys if local else {}
    return KeyFile({**earlier, SERVER_EPOCH: keyring[Compartment.CASE].secret})
