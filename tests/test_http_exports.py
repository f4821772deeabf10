"""The export of events: what the feed shows, to the same readers, as one stream that can be gone on from."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api import events
from tests.support.leaving import ask_and_leave
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, Agency, Service, running


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


@pytest.fixture
async def mission(service: Service) -> Agency:
    return await service.agency(MISSION_LOCALE)


async def exported(agency: Agency, after: int = 0) -> list[dict[str, Any]]:
    response = await agency.get("/v1/exports/events.ndjson", params={"after": after})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert response.headers["content-disposition"] == 'attachment; filename="events.ndjson"'
    return [json.loads(line) for line in response.text.splitlines()]


async def refer(ccas: Agency, pathway: str) -> str:
    response = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    return str(response.headers["x-position"])


async def test_it_gives_each_agency_what_the_feed_gives_it_and_nothing_else(ccas: Agency, mission: Agency) -> None:
    await ccas.opened(given_name="Canari")
    shared = await ccas.opened()
    position = await refer(ccas, shared)
    for agency, positions in ((ccas, [1, 2, 3]), (mission, [2, 3])):
        await agency.get("/v1/pathways", params={"at_least": position})
        *lines, end = await exported(agency)
        assert [line["position"] for line in lines] == positions
        assert lines == (await agency.get("/v1/events")).json()["items"]
        assert end == {"next_after": 3}
        assert "Canari" not in json.dumps(lines)


async def test_it_goes_on_from_any_position(ccas: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the last line, or of the last event of an export that was cut short."""
    monkeypatch.setattr(events, "SCANNED_AT_ONCE", 3)
    for _ in range(10):
        await ccas.opened()
    await ccas.get("/v1/pathways", headers={"Prefer": "wait=5"})
    whole = await exported(ccas)
    assert [line.get("position") for line in whole] == [*range(1, 11), None]
    for cut in range(10):
        assert await exported(ccas, after=cut) == whole[cut:]
    assert await exported(ccas, after=10) == [{"next_after": 10}]


async def test_it_ends_where_it_is_when_the_server_stops(service: Service, ccas: Agency) -> None:
    for _ in range(3):
        await ccas.opened()
    await ccas.get("/v1/pathways", headers={"Prefer": "wait=5"})
    service.runtime.stopping.set()
    assert await exported(ccas) == [{"next_after": 0}]


async def test_it_ends_when_the_client_leaves(service: Service, ccas: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SCANNED_AT_ONCE", 1)
    for _ in range(40):
        await ccas.opened()
    await ccas.get("/v1/pathways", headers={"Prefer": "wait=5"})
    assert len(await ask_and_leave(service.app, ccas, "GET", "/v1/exports/events.ndjson")) < 10


async def test_ill_formed_places_are_refused(ccas: Agency) -> None:
    for query in ("after=-1", "after=x", "after=1&after=2", "before=1", f"after={2**63}", "after=%00"):
        response = await ccas.get(f"/v1/exports/events.ndjson?{query}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_query")
