"""The key vault in a process of its own: nothing else runs in it, and it answers on one socket."""

import asyncio
import contextlib
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import open_database
from infrastructure.migrate import migrate
from infrastructure.settings import Settings
from infrastructure.vault import own_vault
from infrastructure.vault_calls import Vault
from infrastructure.vault_server import VaultServer
from infrastructure.vault_token import make_token

GRACE_SECONDS = 5
CONNECTIONS_MAX = 500
SOCKET_MODE = 0o660  # Its owner's and its group's: the accounts that may ask.


class VaultProcess(uvicorn.Server):
    """Signals are left to whoever runs the loop."""

    def __init__(self, vault: Vault, token: str) -> None:
        super().__init__(
            uvicorn.Config(
                VaultServer(vault, token),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


async def serve(settings: Settings, address: str, on_ready: Callable[[], None]) -> None:
    """Until SIGTERM or SIGINT. `address`: `unix:///path` or `http://127.0.0.1:port`."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        pool = None
        if settings.vault_database_url is None:
            pool = await stack.enter_async_context(_main_pool(settings))
        vault = await stack.enter_async_context(own_vault(settings, pool))
        server = VaultProcess(vault, make_token(settings.vault_token))
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, server.stop)
        listener = listen(address)
        loop.call_soon(on_ready)  # Whoever connects from now on is answered in turn.
        await server.serve([listener])


@asynccontextmanager
async def _main_pool(settings: Settings) -> AsyncIterator[Pool]:
    async with open_database(settings) as url:
        connection = await connect(url, application_name="unisson vault", pgbouncer=settings.pgbouncer)
        await migrate(connection)
        await connection.close()
        async with create_pool(url, application_name="unisson vault", pgbouncer=settings.pgbouncer) as pool:
            yield pool


def listen(address: str) -> socket.socket:
    """A socket that a vault killed earlier left behind is taken over."""
    parts = urlsplit(address)
    if parts.scheme != "unix":
        return socket.create_server((parts.hostname or "127.0.0.1", parts.port or 0), backlog=CONNECTIONS_MAX)
    path = Path(parts.path)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o777 ^ SOCKET_MODE)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(CONNECTIONS_MAX)
    return listener
