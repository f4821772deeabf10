"""uvicorn, started from code; quick to stop with clients still waiting."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar

from api.app import create_app
from api.bootstrap import bootstrap_link
from api.limits import Limits
from api.protocol import bounded, close_late
from domain.clock import Clock
from infrastructure.settings import Settings

GRACE_SECONDS = 5
"""For answers under way when the server is told to stop; waiting clients are answered at once."""


class Server(uvicorn.Server):
    """Tells everyone who keeps a client waiting that the end is near, then stops as uvicorn does."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises what kept the application from starting, where uvicorn would only end the process."""
        try:
            await super().startup(sockets)
        except SystemExit:
            state = getattr(self.config.app, "state", None)
            raise getattr(state, "failure", None) or RuntimeError("the application did not start") from None
        self._loop = asyncio.get_running_loop()
        _calm_the_collector()
        if self.started and not self.should_exit:
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        close_late(self.server_state.connections, self._loop.time())
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are left to whoever runs the loop: uvicorn would raise them again, in the midst of what follows."""
        yield

    def stop(self) -> None:
        """Answer what is under way, then end."""
        self.should_exit = True
        self._stopping.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def _calm_the_collector() -> None:
    """What was loaded stays: looking through it again and again would only keep clients waiting."""
    if gc.isenabled():  # Otherwise all there is was just loaded, and nothing of it has died yet.
        gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 100)


def prepare(
    settings: Settings,
    database: Awaitable[str],
    *,
    roles: frozenset[str],
    clock: Clock | None,
    limits: Limits | None,
    on_ready: Callable[[str], None],
    on_bootstrap: Callable[[str], None] | None = None,
) -> tuple[Server, socket.socket]:
    """All that takes long and needs no database yet: a server, and what it will listen to."""
    stopping = asyncio.Event()
    offered = on_bootstrap is not None and "api" in roles
    app = create_app(
        settings,
        roles=roles,
        clock=clock,
        limits=limits,
        stopping=stopping,
        database=database,
        offer_bootstrap=offered,
    )
    listener = listen(settings.host, settings.port)

    def ready() -> None:
        address = address_of(listener)
        on_ready(address)
        if on_bootstrap is not None and app.state.bootstrap_code is not None:
            on_bootstrap(bootstrap_link(settings.public_url or address, app.state.bootstrap_code))

    return Server(config_of(app, limits or Limits()), stopping, ready), listener


@contextlib.asynccontextmanager
async def serving(app: Litestar, listener: socket.socket, *, limits: Limits | None = None) -> AsyncIterator[str]:
    """The same server inside a running loop, until the block ends: the demonstration, tests. Gives its address."""
    ready = asyncio.Event()
    stopping = asyncio.Event()
    server = Server(config_of(app, limits or Limits()), stopping, ready.set)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
        raise RuntimeError("the server stopped before it was ready")
    try:
        yield address_of(listener)
    finally:
        app.state.runtime.stopping.set()
        server.should_exit = True
        await task


def config_of(app: Any, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=bounded(limits),
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # What they say can be forged by whoever reaches us directly.
        headers=[(name.decode(), value.decode()) for name, value in app.state.transport_headers],
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def listen_on_file(path: Path) -> socket.socket:
    """A listening unix socket."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(2048)
    return listener


def address_of(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
