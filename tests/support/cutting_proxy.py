"""A socket between a client and PostgreSQL that can be cut before a request arrives, or before its reply comes back."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PORT = 5432


class CuttingProxy:
    """Passes everything on until told otherwise; each cut happens once."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        self._query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._host, self._port = self._query.get("host", parts.hostname), parts.port or PORT
        self._socket = folder / f".s.PGSQL.{PORT}"
        user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        self.url = f"postgresql://{user}{parts.path}?host={folder}"
        self.cut_next_request = False
        self.cut_next_reply = False
        self.refusing = False
        self.cuts = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._connected, self._socket)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.close()
            return
        assert self._host is not None
        if self._host.startswith("/"):
            server = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            server = await asyncio.open_connection(self._host, self._port)
        up = asyncio.create_task(self._pass(reader, server[1], "cut_next_request"))
        down = asyncio.create_task(self._pass(server[0], writer, "cut_next_reply"))
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        if self.cuts:
            await asyncio.sleep(0.05)  # The server has what it was sent, and commits it before it sees us go.
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)
        for one in (writer, server[1]):
            one.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: str) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                if getattr(self, cut):
                    setattr(self, cut, False)
                    self.cuts += 1
                    return
                writer.write(piece)
                await writer.drain()


@contextlib.asynccontextmanager
async def cutting_proxy(url: str) -> AsyncIterator[CuttingProxy]:
    with tempfile.TemporaryDirectory(prefix="unisson-proxy-") as folder:
        proxy = CuttingProxy(url, Path(folder))
        server = await proxy.serve()
        yield proxy
        server.close()
