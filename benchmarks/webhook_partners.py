"""Partners that are told, in a process of their own: `python -m benchmarks.webhook_partners`.

Takes their behaviours on its input, a JSON list of names, and says where each listens; told so by the end of its input,
says what came to each.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime

import msgspec
import uvloop

from infrastructure.open_files import allow
from tests.support.bad_partners import Partner, listening

SOUND = "sound"
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Came(msgspec.Struct):
    """To one partner."""

    seconds: list[float] = []
    """From the time that each message bears to its first arrival; of a sound partner only."""
    requests: dict[str, float] = {}
    """When the first message came that followed from each request, by its id; of a sound partner only."""
    repeated: int = 0
    """Messages that had come already."""
    connections_peak: int = 0


class Event(msgspec.Struct):
    id: str
    time: datetime


class Sound:
    """Takes everything at once."""

    def __init__(self) -> None:
        self.came = Came([], {})
        self.url = ""
        self._ids: set[str] = set()
        self._connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        self.came.connections_peak = max(self.came.connections_peak, self._connections)
        try:
            while True:
                headers = _headers(await reader.readuntil(b"\r\n\r\n"))
                self._take(await reader.readexactly(int(headers["content-length"])), headers.get("x-request-id"))
                writer.write(TAKEN)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            self._connections -= 1
            writer.close()

    def _take(self, body: bytes, request: str | None) -> None:
        now, event = time.time(), msgspec.json.decode(body, type=Event)
        if event.id in self._ids:
            self.came.repeated += 1
            return
        self._ids.add(event.id)
        self.came.seconds.append(now - event.time.timestamp())
        if request is not None:
            self.came.requests.setdefault(request, now)


def _headers(head: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


@asynccontextmanager
async def _sound() -> AsyncIterator[Sound]:
    partner = Sound()
    server = await asyncio.start_server(partner.serve, "127.0.0.1", 0)
    partner.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield partner
    finally:
        server.close()


def _partner(name: str) -> AbstractAsyncContextManager[Sound | Partner]:
    return _sound() if name == SOUND else listening(name)


async def main() -> None:
    allow()
    loop, asked = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    names = msgspec.json.decode(await asked.readline(), type=list[str])
    async with AsyncExitStack() as stack:
        partners = [await stack.enter_async_context(_partner(name)) for name in names]
        _say([each.url for each in partners])
        await asked.read()
        _say([each.came if isinstance(each, Sound) else Came([], {}, 0, each.connections_peak) for each in partners])


def _say(what: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


class Partners:
    """The process, as a benchmark holds it."""

    def __init__(self, process: asyncio.subprocess.Process, urls: list[str]) -> None:
        self._process = process
        self.urls = urls

    async def end(self) -> list[Came]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        came = msgspec.json.decode(await self._process.stdout.read(), type=list[Came])
        await self._process.wait()
        return came


async def partners(names: list[str]) -> Partners:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.webhook_partners"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=64 * 1024 * 1024,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(names) + b"\n")
    return Partners(process, msgspec.json.decode(await process.stdout.readline(), type=list[str]))


if __name__ == "__main__":
    uvloop.run(main())
