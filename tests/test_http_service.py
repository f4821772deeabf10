"""The rest of the API: who calls, the directory, the feed, webhook endpoints, health, metrics, documentation."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from api.problems import catalogue
from application.access import Scope
from infrastructure.database import Pool, create_pool
from tests.support.endpoints import verified
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running


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


# Who calls


async def test_a_key_tells_its_agency_and_its_rights(service: Service) -> None:
    reader = await service.agency(scopes=frozenset({Scope.READ}), lifetime=timedelta(days=30))
    me = (await reader.get("/v1/me", headers={"X-Agent": "w-17"})).json()
    assert re.fullmatch("[A-Za-z0-9]{12}", me.pop("key_id"))
    assert me == {
        "territory": TERRITORY,
        "agency": CCAS,
        "agent": "w-17",
        "means": "api_key",
        "roles": [],
        "scopes": ["read"],
        "expires_at": (NOW + timedelta(days=30)).isoformat().replace("+00:00", "Z"),
        "live": True,
    }


async def test_a_key_that_may_only_read_does_not_write(service: Service) -> None:
    reader = await service.agency(scopes=frozenset({Scope.READ}))
    refused = await reader.command("/v1/pathways")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_required")
    writer = await service.agency(scopes=frozenset({Scope.READ, Scope.WRITE}))
    assert (await writer.get("/v1/webhook-endpoints")).status_code == 403


async def test_a_key_speaks_for_its_territory_only(service: Service, ccas: Agency) -> None:
    pathway = await ccas.opened()
    namesake = await service.client(
        {"Authorization": f"Bearer {await _token_elsewhere(service)}"},
    )
    assert (await namesake.get(pathway)).status_code == 404
    assert (await namesake.get("/v1/pathways")).json()["items"] == []


async def _token_elsewhere(service: Service) -> str:
    from application.api_keys import issue

    key, token = issue(territory="FR-30", agency=CCAS, now=NOW)
    await service.runtime.keys.add(key)
    return token


# Problems


async def test_problems_speak_french_unless_english_is_preferred(ccas: Agency) -> None:
    path = f"/v1/pathways/{uuid4()}"
    french = await ccas.get(path, headers={"Accept-Language": "fr-FR,en;q=0.5"})
    english = await ccas.get(path, headers={"Accept-Language": "en-GB, fr;q=0.9"})
    neither = await ccas.get(path, headers={"Accept-Language": "de"})
    assert french.json()["title"] == neither.json()["title"] == "Ce parcours n'existe pas."
    assert english.json()["title"] == "There is no such pathway."
    assert french.json()["code"] == english.json()["code"]
    assert (french.headers["content-language"], english.headers["content-language"]) == ("fr", "en")


async def test_every_kind_of_problem_has_its_page(service: Service) -> None:
    client = await service.client()
    listed = (await client.get("/problems")).json()
    assert [kind["code"] for kind in listed] == list(catalogue())
    for kind in listed:
        page = await client.get(kind["type"], headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert kind["code"] in page.text
    assert (await client.get("/problems/no_such_code")).status_code == 404


async def test_every_answer_is_closed_to_browsers_guesses(ccas: Agency) -> None:
    for path in ("/v1/me", "/nowhere", "/health/live"):
        headers = (await ccas.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "private, no-store"
        assert headers["x-request-id"]


# The directory


async def test_an_agency_describes_itself_and_no_other(ccas: Agency, mission: Agency) -> None:
    body = {"name": "CCAS de Montpellier", "capabilities": ["housing"]}
    described = await ccas.put(f"/v1/agencies/{CCAS}", json=body)
    assert described.status_code == 200
    again = await ccas.put(f"/v1/agencies/{CCAS}", json=body)
    assert again.json() == {"agency": CCAS, "position": 0}
    service_id, offer = uuid4(), {"name": "Logement", "themes": [HOUSING]}
    offered = await ccas.put(f"/v1/agencies/{CCAS}/services/{service_id}", json=offer)
    assert offered.status_code == 200
    refused = await mission.put(f"/v1/agencies/{CCAS}", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_agency")

    at_least = {"at_least": offered.headers["x-position"]}
    [listed] = (await mission.get("/v1/agencies", params=at_least)).json()["items"]
    assert listed["name"] == "CCAS de Montpellier"
    assert listed["services"] == [{"id": str(service_id), "name": "Logement", "type": None, "themes": [HOUSING]}]
    assert (await mission.get(f"/v1/agencies/{CCAS}")).json() == listed
    absent = await mission.get("/v1/agencies/nobody")
    assert (absent.status_code, absent.json()["code"]) == (404, "unknown_agency")


# The feed


async def feed(agency: Agency, position: str, **params: int) -> list[str]:
    await agency.get("/v1/pathways", params={"at_least": position})
    found: list[str] = []
    after = 0
    while True:
        page = (await agency.get("/v1/events", params={"after": after, **params})).json()
        if page["next_after"] == after:
            return found
        found += [f"{event['position']} {event['type']}" for event in page["items"]]
        after = page["next_after"]


async def test_the_feed_shows_the_events_of_ones_pathways_in_order(ccas: Agency, mission: Agency) -> None:
    await ccas.opened()
    shared = await ccas.opened()
    last = await ccas.command(f"{shared}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    position = last.headers["x-position"]
    assert await feed(ccas, position) == ["1 pathway.opened", "2 pathway.opened", "3 referral.requested"]
    assert await feed(ccas, position, limit=1) == ["1 pathway.opened", "2 pathway.opened", "3 referral.requested"]
    assert await feed(mission, position) == ["2 pathway.opened", "3 referral.requested"]


async def test_the_feed_can_be_streamed_line_by_line_and_resumed(ccas: Agency) -> None:
    for _ in range(3):
        last = await ccas.opened()
    await ccas.get(f"{last}/timeline", params={"at_least": 3})
    stream = await ccas.get("/v1/events", params={"after": 1}, headers={"Accept": "application/x-ndjson"})
    assert stream.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in stream.text.splitlines()]
    assert [line["position"] for line in lines[:-1]] == [2, 3]
    assert lines[-1] == {"next_after": 3}


async def test_the_feed_names_the_schema_of_each_event(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await ccas.get(f"{pathway}/timeline", params={"at_least": 1})
    [event] = (await ccas.get("/v1/events")).json()["items"]
    schema = await ccas.get(event["dataschema"])
    assert schema.status_code == 200
    assert schema.headers["content-type"] == "application/schema+json"


# Webhooks

URL = {"url": "https://partenaire.example/unisson"}


async def test_a_webhook_endpoint_shows_its_secret_once(ccas: Agency, pool: Pool) -> None:
    made = await ccas.command("/v1/webhook-endpoints", URL, Idempotency_Key="w")
    assert made.status_code == 201
    endpoint = made.json()
    assert endpoint["secret"].startswith("whsec_")
    again = await ccas.command("/v1/webhook-endpoints", URL, Idempotency_Key="w")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == endpoint | {"secret": None}
    [listed] = (await ccas.get("/v1/webhook-endpoints")).json()["items"]
    assert listed == endpoint | {"secret": None}
    remembered = await pool.fetchval("SELECT outcome FROM idempotency WHERE key = 'w'")
    assert endpoint["secret"].encode() not in remembered


async def test_an_endpoint_belongs_to_its_agency(ccas: Agency, mission: Agency) -> None:
    endpoint = (await ccas.command("/v1/webhook-endpoints", URL)).json()["id"]
    path = f"/v1/webhook-endpoints/{endpoint}"
    for refused in (
        await mission.get(path),
        await mission.get(f"{path}/deliveries"),
        await mission.command(f"{path}/secret-rotations"),
        await mission.command(f"{path}/disablings"),
        await mission.command(f"{path}/tests"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_endpoint")


async def test_an_endpoint_is_rotated_disabled_and_enabled(ccas: Agency, pool: Pool) -> None:
    path = await verified(ccas, pool, URL["url"])
    secrets = {(await ccas.command(f"{path}/secret-rotations")).json()["secret"] for _ in range(2)}
    assert len(secrets) == 2
    assert (await ccas.command(f"{path}/disablings")).json()["status"] == "disabled"
    refused = await ccas.command(f"{path}/tests")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
    assert (await ccas.command(f"{path}/enablings")).json()["status"] == "active"


async def test_a_test_message_is_queued_and_logged(ccas: Agency, pool: Pool) -> None:
    path = await verified(ccas, pool, URL["url"])
    queued = await ccas.command(f"{path}/tests")
    assert queued.status_code == 202
    [line] = (await ccas.get(f"{path}/deliveries")).json()["items"]
    assert line["message_id"] == queued.json()["message_id"]


@pytest.mark.parametrize("url", ["http://partenaire.example", "https://127.0.0.1/", "https://10.0.0.1", "ftp://x", "x"])
async def test_an_address_inside_is_refused(ccas: Agency, url: str) -> None:
    refused = await ccas.command("/v1/webhook-endpoints", {"url": url})
    assert (refused.status_code, refused.json()["code"]) == (422, "endpoint_refused")
    assert refused.json()["errors"][0]["pointer"] == "/url"


# Operations


async def test_health_is_told_without_a_key(service: Service, ccas: Agency) -> None:
    client = await service.client()
    assert (await client.get("/health/live")).json() == {"status": "live"}
    pathway = await ccas.opened()
    await ccas.get(f"{pathway}/timeline", params={"at_least": 1})
    ready = await client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"


async def test_work_is_not_sent_where_projections_are_late(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as service:
        ccas = await service.agency()
        pathway = await ccas.opened()
        await ccas.get(f"{pathway}/timeline", params={"at_least": 1})
        await service.runtime.follower.stop()
        await ccas.opened()
        assert (await ccas.get("/health/ready")).json()["lag_events"] == 1
        service.runtime.clock.advance(timedelta(minutes=5))  # type: ignore[attr-defined]
        late = await ccas.get("/health/ready")
        assert (late.status_code, late.json()["status"]) == (503, "late")


async def test_work_is_not_sent_where_the_log_is_down(service: Service) -> None:
    client = await service.client()
    service.runtime.pool = create_pool("postgresql://127.0.0.1:1/nothing")  # Never opened: every use of it fails.
    down = await client.get("/health/ready")
    assert (down.status_code, down.json()["status"]) == (503, "down")


async def test_metrics_name_routes_and_never_addresses(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await ccas.get(pathway)
    metrics = (await ccas.get("/metrics")).text
    route = 'route="/v1/pathways/{pathway_id}"'
    assert f'unisson_http_requests_total{{method="GET",{route},status="200"}}' in metrics
    assert "unisson_projection_lag_events" in metrics
    assert pathway.rpartition("/")[2] not in metrics
    assert CCAS not in metrics


async def test_the_documentation_asks_nothing_of_another_host(service: Service) -> None:
    client = await service.client()
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    assert "'self'" in page.headers["content-security-policy"]
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/static/README.md")).status_code == 404
    assert (await client.get("/v1/openapi.json")).json()["openapi"] == "3.1.0"


async def test_what_agencies_are_told_is_described_to_anybody(service: Service) -> None:
    """From the one document to the schema of each message's data."""
    client = await service.client()
    described = (await client.get("/asyncapi.json")).json()
    assert described["asyncapi"] == "3.0.0"
    listed = (await client.get("/schemas/messages")).json()["items"]
    assert len(listed) == len(described["channels"]["webhooks"]["messages"])
    for path in listed:
        schema = await client.get(path)
        assert (schema.json()["$id"], schema.headers["content-type"]) == (path, "application/schema+json")
        assert "sunset" not in schema.headers
    for unknown in ("alert.raised/2", "alert.delivered/1"):
        assert (await client.get(f"/schemas/messages/{unknown}")).status_code == 404
