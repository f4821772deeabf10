"""What every route asks of a request before anything else: no key in its address, no parameter it does not know."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from api import metrics
from api.openapi import document
from api.shared_answer import SharedAnswer
from application.access import Scope
from projections.consumers import ConsumerStatus, consumer_statuses
from tests.support.service import Service, running

SOME_ID = "01a1f3d2-0000-7000-8000-000000000000"
WITHOUT_PARAMETERS = [
    (method, path.replace("{agency}", "a").replace("{pathway_id}", SOME_ID).replace("{entry_id}", SOME_ID))
    for path, item in document()["paths"].items()
    for method, operation in item.items()
    if not any(parameter.get("in") == "query" for parameter in operation["parameters"])
]


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.mark.parametrize(
    "path",
    ["/v1/me?key={}", "/v1/agencies/{}", "/docs?key={}", "/metrics?key={}", "/health/live?key={}", "/problems/{}"],
)
@pytest.mark.parametrize("written", ["plainly", "percent-encoded"])
async def test_a_key_in_an_address_is_refused_and_not_repeated(service: Service, path: str, written: str) -> None:
    token = await service.token()
    given = token if written == "plainly" else "".join(f"%{byte:02x}" for byte in token.encode())
    client = await service.client({"Authorization": f"Bearer {token}"})
    refused = await client.get(path.format(given))
    assert (refused.status_code, refused.json()["code"]) == (400, "key_in_url")
    assert token not in refused.text
    assert token not in str(refused.headers)
    UUID(refused.json()["instance"].removeprefix("urn:uuid:"))  # Raises when it is none.


@pytest.mark.parametrize("path", ["/nowhere/{}", "/v1/pathways/{}", "/v1/alerts/{}"])
async def test_where_there_is_nothing_a_key_is_not_repeated_either(service: Service, path: str) -> None:
    token = await service.token()
    client = await service.client({"Authorization": f"Bearer {token}"})
    for given in (token, quote(token).replace("_", "%5F")):
        answer = await client.get(path.format(given))
        assert answer.status_code in {400, 404}
        assert token not in answer.text


async def test_a_route_that_takes_no_parameter_refuses_all(service: Service) -> None:
    assert len(WITHOUT_PARAMETERS) > 30
    entitled = await service.agency(scopes=frozenset(Scope))
    for method, path in WITHOUT_PARAMETERS:
        address = re.sub(r"\{\w+_id\}", SOME_ID, path).replace("{slug}", "a-rule")
        address = re.sub(r"\{(version|position)\}", "1", address)
        refused = await entitled.request(method.upper(), address, params={"unknown": "1"})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query"), f"{method} {path}"
    assert (await entitled.get("/v1/me?")).status_code == 200


async def test_metrics_asked_for_by_many_cost_the_database_one_look(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, looks = await service.client(), 0

    async def counted(*given: Any) -> list[ConsumerStatus]:
        nonlocal looks
        looks += 1
        return await consumer_statuses(*given)

    monkeypatch.setattr(metrics, "consumer_statuses", counted)
    answers = await asyncio.gather(*(client.get("/metrics") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert looks == 1


async def test_a_shared_answer_is_made_again_when_its_time_is_over_or_when_it_failed() -> None:
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        if made == 2:
            raise OSError
        return made

    shared = SharedAnswer[int](good_for_seconds=0.2)
    assert await asyncio.gather(*(shared.get(make) for _ in range(3))) == [1, 1, 1]
    await asyncio.sleep(0.21)
    with pytest.raises(OSError):
        await shared.get(make)
    assert await shared.get(make) == 3
