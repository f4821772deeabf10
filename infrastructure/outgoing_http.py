"""HTTP towards addresses that partners chose: resolved once, filtered, bounded in time and in bytes, never redirected.

The filter sits in the connector, where no spelling of an address can go round it. TLS still checks the name.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore2
import msgspec
from httpcore2 import AsyncNetworkBackend, AsyncNetworkStream

from infrastructure.address_filter import Address, all_allowed

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 15.0
REPLY_BYTES_MAX = 16 * 1024
READ_BYTES = 4096
LOOKUPS_AT_ONCE = 32
SOCKETS_MAX = 1024
IDLE_SOCKETS_MAX = 64
IDLE_SECONDS = 4.0  # Below the 5 s after which common servers close an idle connection.
DRAIN_SECONDS = 1.0

Resolve = Callable[[str, int], Awaitable[list[Address]]]


class Refused(Exception):
    """The name leads, or might lead, to an address inside; no socket was opened."""


class Reply(msgspec.Struct, frozen=True):
    """What is kept of an answer, for as long as it takes to look at it: nothing of it is stored or logged."""

    status: int
    retry_after: str | None = None
    body: bytes = b""
    """As much as came, within the limits."""

    def __repr__(self) -> str:
        return f"Reply({self.status})"


class NameService:
    """The system's resolver, in threads of its own: a name server that hangs holds one thread per name, no more."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")
        self._pending: dict[tuple[str, int], asyncio.Future[list[Address]]] = {}

    async def __call__(self, host: str, port: int) -> list[Address]:
        key = (host, port)
        if key not in self._pending:
            lookup = asyncio.get_running_loop().run_in_executor(self._threads, _lookup, host, port)
            self._pending[key] = lookup
            lookup.add_done_callback(lambda _: self._pending.pop(key, None))
        return await asyncio.shield(self._pending[key])

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _lookup(host: str, port: int) -> list[Address]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ip_address(answer[4][0]) for answer in answers))


class GuardedBackend(AsyncNetworkBackend):
    """Connects to the very address that was checked."""

    def __init__(self, resolve: Resolve, *, allow_loopback: bool, through: AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve
        self._allow_loopback = allow_loopback
        self._through = through or httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the library's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Raises Refused when any answer is bad; tries the answers in turn, all within the one time limit."""
        deadline = asyncio.get_running_loop().time() + (CONNECT_SECONDS if timeout is None else timeout)
        addresses = await self._checked(host, port, deadline)
        failure: Exception = httpcore2.ConnectTimeout()
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share = (deadline - asyncio.get_running_loop().time()) / left
            if share <= 0:
                break
            try:
                stream = await self._through.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return BoundedStream(stream)
        raise failure

    async def _checked(self, host: str, port: int, deadline: float) -> list[Address]:
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise httpcore2.ConnectError("name not found") from None
        if not all_allowed(addresses, allow_loopback=self._allow_loopback):
            raise Refused
        return addresses

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:  # noqa: ARG002, ASYNC109
        raise Refused

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class BoundedStream(AsyncNetworkStream):
    """Counts what is read after each request: status line, headers and body together."""

    def __init__(self, stream: AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = REPLY_BYTES_MAX

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if self._left <= 0:
            raise httpcore2.ReadError("the reply is too long")
        received = await self._stream.read(min(max_bytes, READ_BYTES, self._left), timeout)
        self._left -= len(received)
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._left = REPLY_BYTES_MAX
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncNetworkStream:
        return BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class OutgoingHttp:
    """Posts a body and returns the status. Use as an async context manager; one per process."""

    def __init__(
        self,
        *,
        allow_loopback: bool = False,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
        sockets_max: int = SOCKETS_MAX,
        total_seconds: float = TOTAL_SECONDS,
        through: AsyncNetworkBackend | None = None,
    ) -> None:
        """`allow_loopback` also permits plain http to 127.0.0.1 on any port; otherwise https on port 443 only."""
        self._names = NameService()
        self._allow_loopback = allow_loopback
        self._total_seconds = total_seconds
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context or httpcore2.default_ssl_context(),
            max_connections=sockets_max,
            max_keepalive_connections=IDLE_SOCKETS_MAX,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=GuardedBackend(resolve or self._names, allow_loopback=allow_loopback, through=through),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()
        self._names.close()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Raises Refused, TimeoutError or httpcore2's errors; any status is a Reply."""
        target, host = self._target(url)
        async with (
            asyncio.timeout(self._total_seconds),
            self._pool.stream(
                "POST",
                target,
                headers=[("Host", host), *headers.items()],
                content=body,
                extensions={"timeout": {"connect": CONNECT_SECONDS}},
            ) as response,
        ):
            return _reply(response, await _body(response))

    def _target(self, url: str) -> tuple[httpcore2.URL, str]:
        parts = urlsplit(url)
        if not self._allow_loopback and (parts.scheme, parts.port or 443) != ("https", 443):
            raise Refused
        host = parts.hostname or ""
        if not host.isascii() or parts.username is not None:
            raise Refused
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return httpcore2.URL(scheme=parts.scheme, host=host, port=port, target=path), parts.netloc


def _reply(response: httpcore2.Response, body: bytes) -> Reply:
    retry_after = next((value for name, value in response.headers if name.lower() == b"retry-after"), None)
    return Reply(response.status, retry_after.decode("latin-1")[:64] if retry_after is not None else None, body)


async def _body(response: httpcore2.Response) -> bytes:
    """Reads a short body so that the connection can serve again; a long or broken one closes it. The status stands."""
    body = bytearray()
    with suppress(TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for part in response.aiter_stream():
                body += part
    return bytes(body)
