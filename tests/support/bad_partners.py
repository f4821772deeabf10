"""Partners that misbehave, down to the bytes, each on a socket of its own."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

HEAD_BYTES = 64 * 1024
HANG_SECONDS = 60.0
HUGE_BYTES = 100 * 1024 * 1024
PART = b"z" * 65536
INSIDE = "http://169.254.169.254/latest/meta-data/"

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes the request, says nothing for a minute, or until the other side leaves."""
    with suppress(TimeoutError):
        await asyncio.wait_for(reader.read(), HANG_SECONDS)


async def fail(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")


async def gone(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")


async def redirect_inside(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 307 Go there\r\nLocation: {INSIDE}\r\nContent-Length: 0\r\n\r\n".encode())


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RST: what the connection held is thrown away."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A header that never ends, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not writer.is_closing():
        writer.write(b"z")
        await writer.drain()
        await asyncio.sleep(0.1)


async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes in the middle of the head."""
    writer.write(b"HTTP/1.1 200 O")
    await writer.drain()


async def break_off_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers well, and closes in the middle of the body."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()


async def huge(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A refusal of 100 MB, as much of it as the other side takes."""
    writer.write(f"HTTP/1.1 500 Oops\r\nContent-Length: {HUGE_BYTES}\r\n\r\n".encode())
    for _sent in range(0, HUGE_BYTES, len(PART)):
        writer.write(PART)
        await writer.drain()


BEHAVIOURS: Mapping[str, Behaviour] = {
    each.__name__: each for each in (hang, fail, gone, redirect_inside, reset, drip, break_off, break_off_body, huge)
}


class Partner:
    """What came to it: requests, and connections at the same time."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.url = ""
        self.requests = 0
        self.connections = 0
        self.connections_peak = 0
        self._behaviour = behaviour

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.connections_peak = max(self.connections_peak, self.connections)
        try:
            while await _request(reader):
                self.requests += 1
                await self._behaviour(reader, writer)
                if self._behaviour not in {fail, gone, redirect_inside}:
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return False
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
    await reader.readexactly(min(length, HEAD_BYTES))
    return True


@asynccontextmanager
async def listening(behaviour: str) -> AsyncIterator[Partner]:
    """One of `BEHAVIOURS`, by its name."""
    partner, serving = Partner(BEHAVIOURS[behaviour]), set[asyncio.Task[None]]()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(partner.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    partner.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield partner
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
