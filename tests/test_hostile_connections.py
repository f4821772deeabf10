"""Connections that nobody honest would make, on real sockets: none may be held, fill the memory or mislead the next."""

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from api.app import create_app
from api.limits import Limits, counted_address
from api.server import listen, listen_on_file, serving
from domain.clock import SettableClock
from infrastructure.settings import Settings
from tests.support.eventually import becomes
from tests.support.service import NOW, Service

LIMITS = Limits(
    body_bytes=64 * 1024,
    body_seconds=0.6,
    header_bytes=4_096,
    header_seconds=0.3,
    idle_seconds=1,
    connections=20,
    connections_per_address=3,
    uncounted_addresses=frozenset(),
    requests_ahead=4,
    send_seconds=0.4,
)
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
BORNE_SECONDS = 15
"""Far beyond any of these limits, on the slowest machine too; without a limit there would be no end."""


class Place:
    """A running server: a path for clients without an address, a port for the others."""

    def __init__(self, path: Path, service: Service, token: str) -> None:
        self.path = path
        self.crowd = service.runtime.crowd
        self.key = f"Authorization: Bearer {token}\r\n".encode()


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW), limits=LIMITS)
    path = tmp_path / "http"
    async with serving(app, listen_on_file(path), limits=LIMITS), AsyncExitStack() as stack:
        service = Service(app, stack)
        yield Place(path, service, await service.token())


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, sent: bytes) -> None:
        self.writer.write(sent)

    async def status(self) -> int:
        """Of the next answer, which is read whole."""
        status, _, _ = await self.answer()
        return status

    async def answer(self) -> tuple[int, bytes, bytes]:
        async with asyncio.timeout(BORNE_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1])) if length else b""
        return int(head.split()[1]), head, body

    async def end(self) -> bytes:
        """What comes until the server closes, which it must do soon."""
        try:
            async with asyncio.timeout(BORNE_SECONDS):
                return await self.reader.read()
        except ConnectionError:
            return b""


@contextlib.asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_unix_connection(place.path)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def drip(connection: Connection, part: bytes) -> float:
    """How long the server bears being sent a part again and again."""
    began = time.monotonic()
    while not connection.reader.at_eof() and time.monotonic() - began < BORNE_SECONDS:
        connection.send(part)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(connection.reader.read(65_536), 0.1)
    return time.monotonic() - began


# Time


@pytest.mark.parametrize(
    ("head", "dripped"),
    [
        (LIVE + b"\r\n", b"\r\n"),
        (LIVE + b"Content-Length: 100000\r\n\r\n", b"x"),
        (b"POST /v1/pathways HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"POST /v1/pathways HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
    ids=["empty lines", "a body nobody reads", "chunks nobody reads", "a chunk's extension"],
)
async def test_no_byte_puts_off_the_end_of_an_answered_connection(place: Place, head: bytes, dripped: bytes) -> None:
    async with connected(place) as connection:
        connection.send(head)
        assert await connection.status() in {200, 401}
        assert await drip(connection, dripped) < BORNE_SECONDS


@pytest.mark.parametrize("dripped", [b"\r\n", b"GET / HTTP/1.1\r\nx: y", b"G"])
async def test_no_byte_puts_off_the_end_of_a_connection_without_a_request(place: Place, dripped: bytes) -> None:
    async with connected(place) as connection:
        connection.send(dripped)
        assert await drip(connection, b"\r\n") < BORNE_SECONDS


async def test_a_body_that_comes_after_its_refusal_costs_the_client_nothing(place: Place) -> None:
    async with connected(place) as connection:
        connection.send(b"POST /v1/pathways HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        assert await connection.status() == 401
        connection.send(b"x" * 9_000 + LIVE + b"\r\n")
        assert await connection.status() == 200


async def test_a_client_that_takes_nothing_is_given_up(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect(str(place.path))
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < BORNE_SECONDS:
                await asyncio.wait_for(
                    loop.sock_sendall(client, b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 3), BORNE_SECONDS
                )
                await asyncio.sleep(0.02)
        assert time.monotonic() - began < BORNE_SECONDS


# Bytes


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize(
    "trailers", [b"X: abcdefghijklmnop\r\n" * 1_000, b"a" * 20_000, b"X-Agent: w-1\r\nY: 1\r\n\r\n"]
)
async def test_trailers_are_refused(place: Place, trailers: bytes, *, key: bool) -> None:
    async with connected(place) as connection:
        connection.send(b"POST /v1/pathways HTTP/1.1\r\nHost: x\r\n" + (place.key if key else b""))
        connection.send(b"Content-Type: application/json\r\nIdempotency-Key: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send(b"2\r\n{}\r\n0\r\n" + trailers)
        answered = await connection.end()
        assert answered.count(b"HTTP/1.1 ") == 1
        assert answered.startswith((b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 408"))
        assert b"HTTP/1.1 201" not in answered


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"X: y\r\n" * 50, b"1\r\na\r\n" * 50, b"1;" + b"x" * 1_000, b"0\r\n" + b"x" * 1_000]
)
async def test_what_follows_an_answer_is_not_read_without_end(place: Place, endless: bytes) -> None:
    async with connected(place) as connection:
        connection.send(b"POST /v1/pathways HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert await connection.status() == 401
        part, _, again = endless.partition(b"\r\n") if endless.startswith(b"0") else (endless, b"", endless)
        connection.send(part + b"\r\n" if endless.startswith(b"0") else part)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not connection.reader.at_eof() and sent < 4_000_000:
                connection.send(again * 20)
                sent += len(again) * 20
                await connection.writer.drain()
                await asyncio.sleep(0)
        assert sent < 4_000_000


async def test_answers_owed_are_given_before_a_refusal_and_none_is_made_up(place: Place) -> None:
    async with connected(place) as connection:
        connection.send((LIVE + b"\r\n") * 2 + b"not http\r\n\r\n")
        answered = await connection.end()
        assert re.findall(rb"HTTP/1.1 (\d+)", answered) == [b"200", b"200"]


async def test_few_requests_may_be_sent_ahead_of_their_answers(place: Place) -> None:
    async with connected(place) as connection:
        connection.send((LIVE + b"\r\n") * 200)
        answered = await connection.end()
        assert answered.count(b"HTTP/1.1 200") == 1 + LIMITS.requests_ahead
        assert answered.count(b"connection: close") == 1


# Form


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health/live HTTP/1.1\r\n\r\n",
        LIVE + b"Host: y\r\n\r\n",
        b"GET /health/live HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
    ],
)
async def test_a_request_names_one_host(place: Place, head: bytes) -> None:
    async with connected(place) as connection:
        connection.send(head)
        assert (await connection.end()).startswith(b"HTTP/1.1 400")


async def test_an_old_client_needs_no_host(place: Place) -> None:
    async with connected(place) as connection:
        connection.send(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert (await connection.end()).startswith(b"HTTP/1.1 200")


async def test_a_refusal_before_any_request_is_a_whole_problem(place: Place) -> None:
    async with connected(place) as connection:
        connection.send(b"nonsense\r\n\r\n")
        status, head, body = await connection.answer()
    problem = json.loads(body)
    assert (status, problem["status"], problem["code"]) == (400, 400, "bad_request")
    assert f"x-request-id: {problem['trace_id']}".encode() in head
    assert problem["instance"] == f"urn:uuid:{problem['trace_id']}"
    for header in (
        b"application/problem+json",
        b"x-content-type-options: nosniff",
        b"cache-control: private, no-store",
    ):
        assert header in head


async def test_another_protocol_is_not_taken_up_and_says_nothing_in_the_log(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for wanted in (b"websocket", b"h2c"):
        async with connected(place) as connection:
            connection.send(LIVE + b"Connection: Upgrade\r\nUpgrade: " + wanted + b"\r\n\r\n\x81\x05hello")
            answered = await connection.end()
            assert answered.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answered
            assert answered.count(b"HTTP/1.1 ") == 1
    assert not caplog.records


async def test_whoever_answers_a_client_that_left_is_told_though_other_requests_came_after(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logs:
        async with connected(place) as connection:
            connection.send((b"GET /v1/events?wait=20 HTTP/1.1\r\nHost: x\r\n" + place.key + b"\r\n") * 3)
            await becomes(lambda: place.crowd.waiting_now == 1)
            connection.writer.transport.abort()
        await becomes(lambda: place.crowd.waiting_now == place.crowd.present == 0)
    assert not caplog.records
    assert not logs


# Numbers


async def test_beyond_the_connections_a_process_can_take_clients_are_told_to_come_back(place: Place) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(LIMITS.connections - 1):
            held = await stack.enter_async_context(connected(place))
            held.send(LIVE + b"\r\n")
            assert await held.status() == 200
        last = await stack.enter_async_context(connected(place))
        last.send(LIVE + b"\r\n")
        assert await last.status() == 200
        with capture_logs() as logs:
            for _ in range(3):
                async with connected(place) as beyond:
                    beyond.send(LIVE + b"\r\n")
                    status, head, body = await beyond.answer()
                    assert (status, json.loads(body)["code"]) == (503, "overloaded")
                    assert b"retry-after: 1\r\n" in head
                    assert b"application/problem+json" in head
        assert [line["event"] for line in logs] == ["http.overloaded"]


async def test_one_address_cannot_take_every_connection(database_url: str, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW), limits=LIMITS)
    async with serving(app, listen("127.0.0.1", 0), limits=LIMITS) as url, AsyncExitStack() as stack:
        port = int(url.rpartition(":")[2])

        async def connect(source: str) -> Connection:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            stack.callback(writer.close)
            connection = Connection(reader, writer)
            connection.send(LIVE + b"\r\n")
            return connection

        taken = [await connect("127.0.0.1") for _ in range(LIMITS.connections_per_address)]
        assert [await connection.status() for connection in taken] == [200] * 3
        assert await (await connect("127.0.0.1")).end() == b""
        assert await (await connect("127.0.0.2")).status() == 200
        taken[0].writer.close()
        await asyncio.sleep(0.1)
        assert await (await connect("127.0.0.1")).status() == 200


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "20010db800010002"),
        ("2001:db8:1:2:ffff::9", "20010db800010002"),
        ("127.0.0.1", None),
        ("::1", None),
    ],
)
def test_connections_are_counted_by_subscriber(address: str, counted: str | None) -> None:
    assert counted_address((address, 1), Limits()) == counted
    assert counted_address(None, Limits()) is None
