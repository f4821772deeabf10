"""The smallest HTTP server that a test can hold in its own loop: one answer, then the connection ends."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: str


Answer = Callable[[Request], tuple[int, str, str]]
"""(status, media type, body)."""


class PlainServer:
    """Gives its address for the time of a block."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.splitlines()
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            method, target, _ = first.split(" ")
            request = Request(method, target.partition("?")[0], headers, body.decode())
            status, media_type, text = self._answer(request)
            raw = text.encode()
            fields = f"Content-Type: {media_type}\r\nContent-Length: {len(raw)}\r\nConnection: close"
            writer.write(f"HTTP/1.1 {status} -\r\n{fields}\r\n\r\n".encode() + raw)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()
