"""What one key may cost: requests and bytes over time, requests at once, requests kept waiting."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from api.app import create_app
from api.bodies import BYTES_PER_REQUEST, TooComplex, check_form
from api.limits import Crowd, Limits, Overloaded, RateLimiter, TooManyRequests
from api.server import listen_on_file, serving
from domain.clock import SettableClock
from infrastructure.settings import Settings
from tests.support.eventually import becomes
from tests.support.service import CCAS, MISSION_LOCALE, NOW, Agency, Service, running

# Over time


def test_a_cost_is_paid_back_over_time() -> None:
    now = 0.0
    rates = RateLimiter(per_second=10, burst=5, monotonic=lambda: now)
    rates.take("a", cost=25)
    with pytest.raises(TooManyRequests) as refused:
        rates.take("a")
    assert refused.value.context["retry_after_s"] == 3
    rates.take("b")
    now = 2.2
    rates.take("a")


async def test_a_large_body_counts_as_several_requests(database_url: str, tmp_path: Path) -> None:
    limits = Limits(requests_per_second=0.001, burst=30)
    async with running(database_url, tmp_path, limits=limits) as service:
        large, small = await service.agency(CCAS), await service.agency(MISSION_LOCALE)
        body = {"note": "x" * BYTES_PER_REQUEST * 40}
        assert [(await large.command("/v1/pathways", body)).status_code for _ in range(3)] == [400, 429, 429]
        assert {(await small.command("/v1/pathways", {"note": "x"})).status_code for _ in range(20)} == {400}


@pytest.mark.parametrize("body", [b'{"needs":[' + b"1," * 20_001 + b"1]}", b'{"a":{' + b'"b":1,' * 20_001 + b'"c":1}}'])
def test_a_body_of_very_many_values_is_refused_before_it_is_read(body: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(TooComplex):
        check_form(body, Limits())
    assert time.perf_counter() - began < 0.05


def test_commas_in_a_text_are_not_values() -> None:
    check_form(b'{"note":"' + b"," * 30_000 + b'"}', Limits())


# At once


def test_no_key_takes_more_than_its_share() -> None:
    crowd = Crowd(Limits(requests_in_flight=3, requests_of_one_key=2, waits_of_one_key=1))
    for _ in range(2):
        crowd.enter()
        crowd.join("a")
    crowd.enter()
    with pytest.raises(TooManyRequests):
        crowd.join("a")
    crowd.join("b")
    with pytest.raises(Overloaded):
        crowd.enter()
    with crowd.waiting("a"):
        crowd.enter()
        crowd.join("a")
        with pytest.raises(TooManyRequests), crowd.waiting("a"):
            pass
        assert crowd.present == 3
    crowd.part("a")
    crowd.leave()
    assert crowd.present == 3


LIMITS = Limits(requests_in_flight=8, requests_of_one_key=6, waits_of_one_key=6)


class Place:
    def __init__(self, path: Path, service: Service) -> None:
        self.path = path
        self.service = service

    async def client(self, stack: AsyncExitStack, agency: str) -> Agency:
        headers = {"Authorization": f"Bearer {await self.service.token(agency)}"}
        transport = httpx2.AsyncHTTPTransport(uds=str(self.path))
        return await stack.enter_async_context(Agency(transport=transport, base_url="http://test", headers=headers))

    async def knocked(self, token: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request sent on a connection of its own, and not read."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        return reader, writer


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW), limits=LIMITS)
    async with serving(app, listen_on_file(tmp_path / "http"), limits=LIMITS), AsyncExitStack() as stack:
        yield Place(tmp_path / "http", Service(app, stack))


def waited_for_by(place: Place, clients: int) -> Callable[[], bool]:
    return lambda: place.service.runtime.crowd.waiting_now == clients


async def test_those_who_wait_leave_room_for_the_others_and_are_few_for_each_key(place: Place) -> None:
    async with AsyncExitStack() as stack:
        hostile = await place.service.token(CCAS)
        waiting = []
        for wanted in range(1, 13):
            waiting.append(await place.knocked(hostile, "/v1/events?wait=20"))
            await becomes(waited_for_by(place, min(wanted, LIMITS.waits_of_one_key)))
        sent_away = [await reader.readuntil(b"\r\n\r\n") for reader, _ in waiting[LIMITS.waits_of_one_key :]]
        assert all(head.startswith(b"HTTP/1.1 429") and b"retry-after: 5" in head for head in sent_away)
        other = await place.client(stack, MISSION_LOCALE)
        assert [(await other.get("/v1/me")).status_code for _ in range(5)] == [200] * 5
        for _, writer in waiting:
            writer.close()


async def test_a_client_that_stops_waiting_is_noticed_at_once(place: Place) -> None:
    token, crowd = await place.service.token(CCAS), place.service.runtime.crowd
    for _ in range(3):
        waiting = [await place.knocked(token, "/v1/events?wait=20") for _ in range(LIMITS.waits_of_one_key)]
        await becomes(lambda: crowd.waiting_now == LIMITS.waits_of_one_key)
        for _, writer in waiting:
            writer.close()
        await becomes(lambda: crowd.waiting_now == 0)
    await becomes(lambda: crowd.present == 0)


async def test_a_key_with_its_share_under_way_is_told_to_come_back(place: Place) -> None:
    async with AsyncExitStack() as stack:
        token, crowd = await place.service.token(CCAS), place.service.runtime.crowd
        head = (
            f"POST /v1/pathways HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: k\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        slow = []
        for _ in range(LIMITS.requests_of_one_key):
            _, writer = await asyncio.open_unix_connection(place.path)
            writer.write(head.encode())
            slow.append(writer)
        await becomes(lambda: crowd.present == LIMITS.requests_of_one_key)
        await asyncio.sleep(0.2)  # Counted for the key once the key was looked up.
        reader, writer = await place.knocked(token, "/v1/me")
        slow.append(writer)
        refused = await reader.readuntil(b"\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 429")
        assert b"retry-after: 1" in refused
        other = await place.client(stack, MISSION_LOCALE)
        assert (await other.get("/v1/me")).status_code == 200
        for writer in slow:
            writer.close()
        await becomes(lambda: crowd.present == 0)
