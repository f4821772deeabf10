"""Hostile and broken requests: a 4xx with a stable code, nothing stored, nothing leaked, never a 500."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from api.limits import Limits
from infrastructure.database import Pool
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, Agency, Service, running


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


async def test_a_body_beyond_the_limit_is_refused_before_it_is_read(ccas: Agency, pool: Pool) -> None:
    read = 0

    async def drip() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(160):
            read += 65_536
            yield b" " * 65_536

    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    response = await ccas.post("/v1/pathways", content=b" " * 10_000_000, headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"
    chunked = await ccas.post("/v1/pathways", content=drip(), headers=headers)
    assert (chunked.status_code, chunked.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/msgpack"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_only_plain_json_is_taken(ccas: Agency, headers: dict[str, str]) -> None:
    response = await ccas.post("/v1/pathways", content=b"{}", headers={"Idempotency-Key": "k"} | headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


async def test_a_body_without_a_type_is_not_guessed(ccas: Agency) -> None:
    response = await ccas.post("/v1/pathways", content=b"{}", headers={"Idempotency-Key": "k"})
    assert response.status_code == 415


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"birth_date": "2031-01-01"}, "/birth_date"),
        ({"on": "1980-01-01", "birth_date": "1990-01-01"}, "/on"),
        ({"on": "9999-12-31"}, "/on"),
        ({"on": "0001-01-01", "birth_date": "1990-01-01"}, "/on"),
        ({"on": "2026-02-30"}, "/on"),
        ({"on": "2026-03-02T10:00:00Z"}, "/on"),
        ({"given_name": ""}, "/given_name"),
        ({"given_name": "x" * 201}, "/given_name"),
        ({"given_name": "a\nb"}, "/given_name"),
    ],
)
async def test_impossible_openings_are_refused_where_they_are_wrong(
    ccas: Agency, pool: Pool, body: dict[str, str], pointer: str
) -> None:
    response = await ccas.command("/v1/pathways", body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["pointer"] == pointer
    assert await pool.fetchval("SELECT count(*) FROM events") == 0


async def test_an_unknown_theme_is_refused(ccas: Agency) -> None:
    pathway = await ccas.opened()
    response = await ccas.command(f"{pathway}/referrals", {"to_agency": "cpam", "theme": "numerique--inconnu"})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_theme")


async def test_what_was_sent_is_never_repeated_in_a_refusal(ccas: Agency) -> None:
    response = await ccas.command(
        "/v1/pathways", {"given_name": "Canari\u0007", "birth_date": "Canari", "email": ["Canari"]}
    )
    assert response.status_code == 422
    assert "Canari" not in response.text
    pathway = await ccas.opened()
    enumerated = await ccas.command(
        f"{pathway}/referrals", {"to_agency": "cpam", "theme": HOUSING, "urgency": "Canari"}
    )
    assert enumerated.status_code == 422
    assert "Canari" not in enumerated.text


async def test_a_field_that_the_rules_name_is_pointed_at(ccas: Agency) -> None:
    pathway = await ccas.opened()
    response = await ccas.command(f"{pathway}/referrals", {"to_agency": "cpam", "theme": HOUSING, "urgency": "soon"})
    [fault] = response.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/urgency", "unknown_value")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/pathways/1",
        "/v1/pathways/00000000-0000-0000-0000-00000000000g",
        "/v1/pathways/%00",
        "/v1/pathways/..%2f..%2fetc",
        "/v1/nothing",
        "/v2/pathways",
        "/v1/pathways/" + "a" * 4_000,
        "/v1/agencies/%ff",
    ],
)
async def test_addresses_that_lead_nowhere(ccas: Agency, path: str) -> None:
    response = await ccas.get(path)
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "unknown=1", "at_least=-1", "limit=%00",
     "limit=%ff", "at_least=99999999999999999999999", "&".join(f"a{n}=1" for n in range(50))],
)  # fmt: skip
async def test_queries_are_as_strict_as_bodies(ccas: Agency, query: str) -> None:
    response = await ccas.get(f"/v1/pathways?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_query")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
async def test_other_methods_are_refused(ccas: Agency, method: str) -> None:
    response = await ccas.request(method, "/v1/pathways")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


async def test_a_key_in_an_address_is_refused_even_when_it_is_good(service: Service) -> None:
    token = await service.token()
    client = await service.client({"Authorization": f"Bearer {token}"})
    response = await client.get("/v1/me", params={"key": token})
    assert (response.status_code, response.json()["code"]) == (400, "key_in_url")
    assert token not in response.text


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer un_live_x", "bearer " + "x" * 5_000, "Bearer \xff"],
)
async def test_whoever_has_no_good_key_learns_nothing(service: Service, authorization: str | None) -> None:
    client = await service.client()
    headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    response = await client.get("/v1/me", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_key")
    assert response.headers["www-authenticate"] == 'Bearer realm="unisson"'


async def test_two_keys_in_one_request_are_none(service: Service) -> None:
    token = await service.token()
    client = await service.client()
    headers = httpx2.Headers([("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")])
    assert (await client.get("/v1/me", headers=headers)).status_code == 401


@pytest.mark.parametrize("agent", ["", "Jean Dupont", "a@b.fr", "é", "x" * 65, "-x"])
async def test_an_agent_is_a_pseudonym(ccas: Agency, agent: str) -> None:
    response = await ccas.get("/v1/me", headers=[(b"X-Agent", agent.encode())])
    assert (response.status_code, response.json()["code"]) == (400, "invalid_agent")


@pytest.mark.parametrize("given", ["x y", "é", "x" * 200, "<script>", ""])
async def test_an_ill_formed_request_id_is_replaced(ccas: Agency, given: str) -> None:
    response = await ccas.get("/v1/me", headers=[(b"X-Request-Id", given.encode())])
    assert response.status_code == 200
    assert response.headers["x-request-id"] != given


async def test_a_key_is_limited_and_says_when_to_come_back(database_url: str, tmp_path: Path) -> None:
    limits = Limits(requests_per_second=0.5, burst=3)
    async with running(database_url, tmp_path, limits=limits) as service:
        ccas, mission = await service.agency(CCAS), await service.agency(MISSION_LOCALE)
        forged = [{"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}"} for n in range(5)]
        answers = [await ccas.get("/v1/me", headers=headers) for headers in forged]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["code"] == "too_many_requests"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
        assert (await mission.get("/v1/me")).status_code == 200


async def test_too_many_at_once_are_sent_away(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, limits=Limits(requests_in_flight=0)) as service:
        client = await service.client()
        response = await client.get("/v1/me")
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        assert response.headers["retry-after"] == "1"


async def test_a_bug_leaks_nothing(ccas: Agency, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret: hunter2")

    monkeypatch.setattr(service.runtime.pathways, "read", broken)
    pathway = await ccas.opened()
    response = await ccas.get(pathway, headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert response.json()["trace_id"] == "ab" * 16
    assert "hunter2" not in response.text
