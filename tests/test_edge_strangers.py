"""Whoever has no good credential is bounded by the address of the connection, whatever headers say."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from api.app import create_app
from api.limits import Limits
from api.server import listen, serving
from domain.clock import SettableClock
from infrastructure.settings import Settings
from tests.support.service import CCAS, MISSION_LOCALE, NOW, Service, running

LIMITS = Limits(strangers_per_second=0.01, strangers_burst=5, uncounted_addresses=frozenset())
FORGED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP")


def rotating(number: int) -> dict[str, str]:
    """Another address in each of the headers that proxies use, and another host."""
    address = f"198.51.{number // 250}.{number % 250}"
    return {name: f"for={address}" if name == "Forwarded" else address for name in FORGED} | {
        "X-Forwarded-Host": f"{number}.example",
        "X-Forwarded-Proto": "https",
    }


class Place:
    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    @asynccontextmanager
    async def client(self, source: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.AsyncHTTPTransport(local_address=source)
        async with httpx2.AsyncClient(transport=transport, base_url=self.url) as client:
            yield client


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW), limits=LIMITS)
    async with serving(app, listen("127.0.0.1", 0), limits=LIMITS) as url:
        yield Place(url, await Service(app, None).token())  # type: ignore[arg-type]


@pytest.mark.parametrize(("path", "status"), [("/v1/me", 401), ("/problems", 200), ("/calendar/guessed.ics", 404)])
async def test_forged_addresses_do_not_help_a_stranger(place: Place, path: str, status: int) -> None:
    async with place.client() as client:
        answers = [await client.get(path, headers=rotating(number)) for number in range(20)]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {status: 5, 429: 15}
    assert int(answers[-1].headers["retry-after"]) > 1


async def test_good_credentials_of_the_same_address_are_never_held_up(place: Place) -> None:
    async with place.client() as client:
        for number in range(10):
            await client.get("/v1/me", headers={"Authorization": f"Bearer un_live_{number}"})
        good = await client.get("/v1/me", headers={"Authorization": f"Bearer {place.token}"})
        wrong = await client.get("/v1/me", headers={"Authorization": f"Bearer {place.token[:-1]}"})
    assert (good.status_code, wrong.status_code) == (200, 429)


async def test_another_address_has_a_budget_of_its_own(place: Place) -> None:
    async with place.client() as client, place.client("127.0.0.2") as other:
        assert [(await client.get("/problems")).status_code for _ in range(6)] == [200] * 5 + [429]
        assert (await other.get("/problems")).status_code == 200


async def test_a_thousand_requests_with_rotating_addresses_are_still_too_many(
    database_url: str, tmp_path: Path
) -> None:
    limits = Limits(requests_per_second=0.01, burst=10)
    async with running(database_url, tmp_path, limits=limits) as service:
        ccas, mission = await service.agency(CCAS), await service.agency(MISSION_LOCALE)
        statuses = Counter([(await ccas.get("/v1/me", headers=rotating(n))).status_code for n in range(1_000)])
        assert statuses == {200: 10, 429: 990}
        assert (await mission.get("/v1/me")).status_code == 200
