"""The server in a process of its own. PostgreSQL starts in other processes while this one is still loading its code.

So nothing here is imported at the top that takes long to load: the server itself comes by a thread.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import uvloop

from api.roles import ROLES
from infrastructure import open_files
from infrastructure.embedded_postgres import open_database
from infrastructure.logs import configure_logs
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from api.limits import Limits
    from api.server import Server
    from domain.clock import Clock


def serve(
    settings: Settings,
    *,
    roles: frozenset[str] = ROLES,
    clock: Clock | None = None,
    limits: Limits | None = None,
    on_ready: Callable[[str], None] = lambda _url: None,
    on_bootstrap: Callable[[str], None] | None = None,
) -> None:
    """Run until SIGTERM or SIGINT. `on_ready` is given the address once requests are answered.

    `on_bootstrap` is then given the link that lets the first operator in, where there is none yet.
    """
    configure_logs(settings.log_level)
    open_files.allow()
    gc.disable()  # What is loaded stays; the server turns the collector on again.

    def load(database: Awaitable[str]) -> tuple[Server, socket.socket]:
        from api.server import prepare

        return prepare(
            settings, database, roles=roles, clock=clock, limits=limits, on_ready=on_ready, on_bootstrap=on_bootstrap
        )

    with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, load))


async def _serve(settings: Settings, load: Callable[[Awaitable[str]], tuple[Server, socket.socket]]) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)  # The runner does the same on SIGINT.
    async with _opening(settings) as database:
        server, listener = await asyncio.to_thread(load, database)
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, server.stop)
        await server.serve([listener])


@asynccontextmanager
async def _opening(settings: Settings) -> AsyncIterator[asyncio.Task[str]]:
    """The address of a database that a task is opening. At the end it is closed, however far that came."""
    async with AsyncExitStack() as stack:
        task = asyncio.create_task(stack.enter_async_context(open_database(settings)))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
