"""A vault that answers on a unix socket, as one in a process of its own does."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.vault_process import VaultProcess, listen
from domain.clock import Clock, SystemClock
from infrastructure.blind_keys import VaultBlindKeys
from infrastructure.database import Pool
from infrastructure.kek_epochs import PostgresKekEpochs
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import KeyStore
from infrastructure.vault_calls import Vault
from infrastructure.vault_client import VaultLine

TOKEN = "the token of the tests"


def vault_of(pool: Pool, keys: KeyFile, clock: Clock | None = None) -> Vault:
    """The vault itself, remembering no clear key."""
    store, clock = KeyStore(pool, keys), clock or SystemClock()
    return Vault(store, VaultBlindKeys(pool, store, clock), PostgresKekEpochs(pool, keys, clock))


@asynccontextmanager
async def served(vault: Vault) -> AsyncIterator[str]:
    """Gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix://{folder}/vault.sock"
        server = VaultProcess(vault, TOKEN)
        task = asyncio.create_task(server.serve(sockets=[listen(address)]))
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield address
        finally:
            server.stop()
            await task


@asynccontextmanager
async def asked(vault: Vault) -> AsyncIterator[VaultLine]:
    async with served(vault) as address, VaultLine(address, TOKEN) as line:
        yield line
