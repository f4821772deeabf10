"""The real server, in a process or a socket of its own: slow and hostile clients, and a quick stop."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import msgspec
import pytest

from api.app import create_app
from api.limits import Limits
from api.server import listen_on_file, serving
from domain.clock import SettableClock
from infrastructure.settings import Settings
from tests.support.service import NOW, Agency, Service

LIMITS = Limits(header_seconds=0.3, body_seconds=0.3, header_bytes=4_096, idle_seconds=1)


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Path]:
    """The unix socket of a running server."""
    path = tmp_path / "http"
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    app = create_app(settings, clock=SettableClock(NOW), limits=LIMITS)
    async with serving(app, listen_on_file(path), limits=LIMITS):
        yield path


async def exchange(place: Path, *sent: bytes, pause: float = 0.0) -> bytes:
    """What the server answers before it closes the connection."""
    reader, writer = await asyncio.open_unix_connection(place)
    try:
        for part in sent:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_it_answers_and_adds_nothing_that_names_its_software(place: Path) -> None:
    answer = await exchange(place, b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body) == {"status": "live"}
    assert b"server:" not in head.lower()


async def test_endless_headers_are_cut_off(place: Path) -> None:
    many = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 90) for number in range(100))
    one = b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"a" * 20_000
    for sent in (b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n", one):
        answer = await exchange(place, sent)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"code":"bad_request"' in answer


async def test_headers_that_never_end_are_given_up(place: Path) -> None:
    began = time.monotonic()
    assert await exchange(place, b"GET / HTTP/1.1\r\nHost: x\r\n", b"x: ") == b""
    assert time.monotonic() - began < 10


async def test_what_is_not_http_is_refused(place: Path) -> None:
    assert (await exchange(place, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")).startswith(b"HTTP/1.1 400")


async def test_an_invalid_host_is_a_problem(place: Path) -> None:
    answer = await exchange(place, b"GET /health/live HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Traceback" not in answer


async def test_what_keeps_it_from_starting_is_told(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    listener = listen_on_file(tmp_path / "http")
    with pytest.raises(ConnectionRefusedError):
        async with serving(app, listener):
            pass
    listener.close()


async def opened(app_place: Path, service: Service) -> Agency:
    transport = httpx2.AsyncHTTPTransport(uds=str(app_place))
    headers = {"Authorization": f"Bearer {await service.token()}", "Accept-Language": "en"}
    return Agency(transport=transport, base_url="http://test", headers=headers)


async def test_a_body_that_drips_is_given_up_while_others_are_answered(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "http"
    limits = msgspec.structs.replace(LIMITS, body_seconds=2)
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW), limits=limits)
    async with serving(app, listen_on_file(path), limits=limits), AsyncExitStack() as stack:
        service = Service(app, stack)
        token = await service.token()
        head = (
            f"POST /v1/pathways HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        slow = [asyncio.create_task(exchange(path, head.encode(), b"{")) for _ in range(50)]
        async with await opened(path, service) as quick:
            assert (await quick.command("/v1/pathways")).status_code == 201
            assert not any(task.done() for task in slow)
        for answer in await asyncio.gather(*slow):
            assert answer.startswith(b"HTTP/1.1 408")
            assert b'"code":"body_too_slow"' in answer
        assert service.runtime.crowd.present == 0


async def test_a_client_that_waits_is_woken_by_what_concerns_it(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "http"
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW))
    async with serving(app, listen_on_file(path)), AsyncExitStack() as stack:
        service = Service(app, stack)
        async with await opened(path, service) as reader, await opened(path, service) as writer:
            waiting = asyncio.create_task(reader.get("/v1/events", params={"wait": 10}))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            await writer.command("/v1/pathways")
            feed = (await asyncio.wait_for(waiting, 20)).json()
            assert [event["type"] for event in feed["items"]] == ["pathway.opened"]


async def test_a_server_told_to_stop_answers_those_who_wait(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "http"
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW))
    async with AsyncExitStack() as stack:
        async with serving(app, listen_on_file(path)):
            service = Service(app, stack)
            reader = await stack.enter_async_context(await opened(path, service))
            waiting = asyncio.create_task(reader.get("/v1/events", params={"wait": 25}))
            await asyncio.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 15
        assert (await waiting).json() == {"items": [], "next_after": 0}


def test_sigterm_ends_the_process_in_good_order_with_clients_waiting(data_dir: Path) -> None:
    environment = {
        **os.environ,
        "UNISSON_DATA_DIR": str(data_dir),
        "UNISSON_PORT": "0",
        "UNISSON_LANG": "en",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    script = [sys.executable, "-c", SERVE]
    with subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host, port, token = process.stdout.readline().split()
        with socket.create_connection((host, int(port))) as waiting:
            request = f"GET /v1/events?wait=25 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
            waiting.sendall(request.encode())
            time.sleep(1)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            answer = waiting.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200")
            assert time.monotonic() - began < 15
            assert process.wait(30) == 0


SERVE = """
import asyncio
from urllib.parse import urlsplit
from api.composition import compose
from api.launch import serve
from application.api_keys import issue
from domain.clock import SystemClock
from infrastructure.settings import read_settings

settings = read_settings()

async def prepare():
    async with compose(settings, roles=frozenset()) as runtime:
        key, token = issue(territory="FR-34", agency="ccas", now=SystemClock().now())
        await runtime.keys.add(key)
        return token

token = asyncio.run(prepare())

def ready(url):
    parts = urlsplit(url)
    print(parts.hostname, parts.port, token, flush=True)

serve(settings, on_ready=ready)
"""
