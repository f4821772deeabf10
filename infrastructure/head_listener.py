"""Hears of appends by any process through one LISTEN connection, and asks once a second in case it was not told.

Others may hear of channels of their own over the same connection.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from infrastructure.database import Connection, connect
from infrastructure.heads import Heads

CHANNEL = "unisson_log"
POLL_SECONDS = 1.0
HEADS = "SELECT territory, position FROM log_head ORDER BY territory"
LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)

log = structlog.get_logger()


class HeadListener:
    """`async with`: keeps `heads` current until closed, reconnecting as often as needed."""

    def __init__(self, url: str, *, pgbouncer: bool = False) -> None:
        self.heads = Heads()
        self.listening = asyncio.Event()
        """Set once it hears: from then on nothing is found by polling alone."""
        self._url = url
        self._pgbouncer = pgbouncer  # In transaction mode nothing is heard: polling does it all.
        self._task: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._heard: dict[str, list[Callable[[str], None]]] = {CHANNEL: [self._hear_of_append]}
        self._listened: set[str] = set()
        """Channels that the connection listens to by now."""
        self._wanted = asyncio.Event()

    def hear(self, channel: str, heard: Callable[[str], None]) -> None:
        """Call `heard` with each payload, beside whoever hears already.

        What comes while the connection is lost is not heard: look now and then.
        """
        self._heard.setdefault(channel, []).append(heard)
        self.listening.clear()
        self._wanted.set()

    def open(self) -> None:
        self._task = asyncio.create_task(self._follow(), name="head-listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._connection is not None:
            with contextlib.suppress(*LOST):
                await self._connection.close(timeout=1)
            self._connection = None

    async def _follow(self) -> None:
        while True:
            self._wanted.clear()
            try:
                connection = await self._listening()
                for territory, position in await connection.fetch(HEADS, timeout=POLL_SECONDS * 5):
                    self.heads.advance(territory, position)
            except LOST as error:
                log.warning("head_listener.lost", error=type(error).__name__)
                self._drop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wanted.wait()

    async def _listening(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await connect(self._url, application_name="unisson listener", pgbouncer=self._pgbouncer)
            self._connection = connection
            self._listened.clear()
        for channel in [each for each in self._heard if each not in self._listened]:
            await self._connection.add_listener(channel, self._hear)
            self._listened.add(channel)
        self.listening.set()
        return self._connection

    def _drop(self) -> None:
        self.listening.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _hear(self, _connection: Any, _pid: int, channel: str, payload: Any) -> None:
        for heard in self._heard[channel]:
            heard(str(payload))

    def _hear_of_append(self, payload: str) -> None:
        territory, _, position = payload.rpartition(" ")
        self.heads.advance(territory, int(position))
