"""Many commands in one request: each line by itself, in its order, and no line harms the others."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.limits import Limits
from application.access import Scope
from application.believed import BELIEVED_SECONDS
from tests.support.leaving import ask_and_leave
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, TERRITORY, Agency, Service, running

NDJSON = {"Content-Type": "application/x-ndjson"}
PHONE = {"channel": "phone"}


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


def line(path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"path": path, "idempotency_key": str(uuid4()), "body": {} if body is None else body} | more


def lines_of(*lines: Any) -> bytes:
    """Text stands as it is."""
    return b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in lines)


async def send(agency: Agency, *lines: Any) -> list[dict[str, Any]]:
    response = await agency.post("/v1/batches", content=lines_of(*lines), headers=NDJSON)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(answer) for answer in response.text.splitlines()]


def outcomes(answers: Sequence[dict[str, Any]]) -> list[tuple[int, int, str | None]]:
    """(index, status, code)."""
    return [(answer["index"], answer["status"], answer.get("problem", {}).get("code")) for answer in answers]


async def test_every_line_is_answered_as_its_own_address_would(ccas: Agency) -> None:
    pathway = await ccas.opened()
    opened, contact, referral = await send(
        ccas,
        line("/v1/pathways", {"given_name": "Canari"}),
        line(f"{pathway}/contacts", PHONE),
        line(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING}),
    )
    assert opened["id"] == opened["pathway_id"]
    assert (opened["index"], opened["status"], opened["version"]) == (0, 201, 1)
    assert (contact["status"], contact["version"]) == (201, 2)
    assert (referral["status"], referral["version"]) == (201, 3)
    assert (await ccas.get(f"{pathway}/entries/{referral['id']}")).status_code == 200
    assert (await ccas.get(f"/v1/pathways/{opened['id']}")).status_code == 200


async def test_a_bad_line_stops_none_of_the_others(ccas: Agency, mission: Agency) -> None:
    pathway, foreign = await ccas.opened(), await mission.opened()
    deep = b'{"path": ' + b"[" * 100 + b"]" * 100 + b"}"
    answers = await send(
        ccas,
        line(f"{pathway}/contacts", PHONE),
        b"not json",
        b"",
        deep,
        line(f"{pathway}/contacts", {"channel": "pigeon"}),
        line(f"{foreign}/contacts", PHONE),
        line(f"{pathway}/contacts", {"channel": "phone", "canal": "phone"}),
        b'{"path": "/v1/pathways", "path": "/v1/pathways", "idempotency_key": "a", "body": {}}',
        b'{"path": "/v1/pathways", "idempotency_key": "\\u0000", "body": {}}',
        b'{"path": "/v1/pathways", "idempotency_key": "\xff", "body": {}}',
        line("/v1/pathways", {"given_name": "x" * 300_000}),
        line("/v1/pathways", [], idempotency_key="b"),
        line(f"{pathway}/contacts", PHONE),
    )
    assert outcomes(answers) == [
        (0, 201, None),
        (1, 400, "malformed_json"),
        (3, 400, "too_deep"),
        (4, 422, "invalid_body"),
        (5, 404, "unknown_pathway"),
        (6, 400, "unknown_field"),
        (7, 400, "duplicate_name"),
        (8, 400, "nul_character"),
        (9, 400, "malformed_json"),
        (10, 413, "body_too_large"),
        (11, 422, "invalid_body"),
        (12, 201, None),
    ]
    assert (await ccas.get(pathway)).json()["version"] == 3


async def test_a_refused_line_says_where_it_is_wrong(ccas: Agency) -> None:
    pathway = await ccas.opened()
    wrong, incomplete = await send(ccas, line(f"{pathway}/contacts", {"channel": "pigeon"}), {"path": pathway})
    assert [fault["pointer"] for fault in wrong["problem"]["errors"]] == ["/body/channel"]
    assert wrong["problem"]["instance"] == f"{pathway}/contacts"
    assert [(fault["pointer"], fault["code"]) for fault in incomplete["problem"]["errors"]] == [
        ("/idempotency_key", "missing_field")
    ]
    assert incomplete["problem"]["instance"] == "/v1/batches"


NO_COMMANDS = [
    "",
    "/",
    "/v1",
    "/v1/pathways/",
    "/v1/pathways?a=1",
    "/v1/pathways/not-a-uuid/contacts",
    "/v1/pathways/{id}",
    "/v1/pathways/{id}/timeline",
    "/v1/pathways/{id}/contacts/",
    "/v1/pathways/{id}/../{id}/contacts",
    "/v1/pathways/{id}/referrals/{id}",
    "/v1/pathways/{id}/contacts\n",
    "/v1/batches",
    "/v1/webhook-endpoints",
    "https://elsewhere.example/v1/pathways",
]


async def test_only_the_address_of_a_command_is_one(ccas: Agency) -> None:
    answers = await send(ccas, *[line(path.replace("{id}", str(uuid4()))) for path in NO_COMMANDS])
    assert outcomes(answers) == [(index, 404, "not_found") for index in range(len(NO_COMMANDS))]
    assert {answer["problem"]["instance"] for answer in answers} == {"/v1/batches"}


async def test_a_line_repeats_what_was_done_at_its_own_address_and_the_reverse(ccas: Agency) -> None:
    pathway = await ccas.opened()
    body = b'{"channel": "phone"}'
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json"}
    direct = await ccas.post(f"{pathway}/contacts", content=body, headers=headers)
    again = {"path": f"{pathway}/contacts", "idempotency_key": "one"}
    [answer] = await send(ccas, json.dumps(again).encode()[:-1] + b', "body": ' + body + b"}")
    assert answer == {"index": 0, "status": 201, "replayed": True} | direct.json()
    fresh = line("/v1/pathways", idempotency_key="two")
    [opened, repeated] = await send(ccas, fresh, fresh)
    assert repeated == opened | {"index": 1, "replayed": True}
    response = await ccas.post("/v1/pathways", content=b"{}", headers=headers | {"Idempotency-Key": "two"})
    assert response.json()["id"] == opened["id"]
    [reused] = await send(ccas, line("/v1/pathways", {"given_name": "A"}, idempotency_key="two"))
    assert outcomes([reused]) == [(0, 422, "idempotency_key_reused")]


async def test_a_batch_sent_again_records_nothing_twice(ccas: Agency) -> None:
    pathways = [await ccas.opened() for _ in range(3)]
    content = [line(f"{pathway}/contacts", PHONE) for pathway in pathways for _ in range(4)]
    first = await send(ccas, *content)
    again = await send(ccas, *content)
    assert [answer | {"replayed": True} for answer in first] == again
    assert [(await ccas.get(pathway)).json()["version"] for pathway in pathways] == [5, 5, 5]


async def test_lines_on_one_pathway_follow_one_another(ccas: Agency) -> None:
    pathway = await ccas.opened()
    answers = await send(
        ccas, *[line(f"{pathway}/contacts", PHONE, if_match=f'"v{version}"') for version in range(1, 40)]
    )
    assert [answer.get("version") for answer in answers] == list(range(2, 41))


async def test_a_line_says_which_version_it_has_seen(ccas: Agency) -> None:
    pathway = await ccas.opened()
    blind, stale, ill_formed, seen = await send(
        ccas,
        line(f"{pathway}/closures", {"outcome": "employment"}),
        line(f"{pathway}/contacts", PHONE, if_match='"v9"'),
        line(f"{pathway}/contacts", PHONE, if_match="v1"),
        line(f"{pathway}/contacts", PHONE, if_match='"v1"'),
    )
    assert outcomes([blind, stale, ill_formed, seen]) == [
        (0, 428, "version_required"),
        (1, 412, "stale_version"),
        (2, 400, "invalid_version"),
        (3, 201, None),
    ]
    assert stale["problem"]["current_version"] == 1


async def test_all_or_nothing_is_refused_rather_than_pretended(ccas: Agency) -> None:
    for atomic in ("true", "1"):
        response = await ccas.post(
            f"/v1/batches?atomic={atomic}", content=lines_of(line("/v1/pathways")), headers=NDJSON
        )
        assert (response.status_code, response.json()["code"]) == (422, "atomic_unavailable")
    assert (await ccas.get("/v1/pathways", headers={"Prefer": "wait=5"})).json()["items"] == []
    unknown = await ccas.post("/v1/batches?all=1", content=b"", headers=NDJSON)
    assert (unknown.status_code, unknown.json()["code"]) == (400, "invalid_query")


TOO_MUCH: list[tuple[bytes, dict[str, str], tuple[int, str]]] = [
    (b"{}", {"Content-Type": "application/json"}, (415, "ndjson_required")),
    (b"{}", {}, (415, "ndjson_required")),
    (b"{}", NDJSON | {"Content-Encoding": "gzip"}, (415, "ndjson_required")),
    (b"x" * 10_000_000, NDJSON, (413, "body_too_large")),
    (b"\n" * 1_001, NDJSON, (413, "too_many_lines")),
    (b"{}\n" * 1_000 + b"{}", NDJSON, (413, "too_many_lines")),
]


async def test_what_is_too_much_or_no_batch_is_refused_whole(ccas: Agency) -> None:
    for content, headers, refusal in TOO_MUCH:
        response = await ccas.post("/v1/batches", content=content, headers=headers)
        assert (response.status_code, response.json()["code"]) == refusal


async def test_an_empty_batch_has_an_empty_answer(ccas: Agency) -> None:
    assert await send(ccas) == await send(ccas, b"", b"  \r", b"") == []


async def test_a_key_that_may_only_read_sends_no_batch(service: Service) -> None:
    reader = await service.agency(scopes=frozenset({Scope.READ}))
    response = await reader.post("/v1/batches", content=lines_of(line("/v1/pathways")), headers=NDJSON)
    assert (response.status_code, response.json()["code"]) == (403, "scope_required")


async def test_a_line_costs_what_a_request_costs(database_url: str, tmp_path: Path) -> None:
    limits = Limits(requests_per_second=1, burst=10)
    async with running(database_url, tmp_path, limits=limits) as service:
        ccas = await service.agency(CCAS)
        assert len(await send(ccas, *[line("/v1/pathways") for _ in range(20)])) == 20
        refused = await ccas.post("/v1/batches", content=lines_of(line("/v1/pathways")), headers=NDJSON)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")


async def test_lines_that_time_is_up_for_are_left_undone_and_say_so(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, limits=Limits(batch_seconds=0.0)) as service:
        ccas = await service.agency(CCAS)
        answers = await send(ccas, line("/v1/pathways"), b"not json")
        assert outcomes(answers) == [(0, 503, "not_begun"), (1, 400, "malformed_json")]
        assert await service.runtime.log.head("FR-34") == 0


async def test_a_server_that_stops_begins_no_other_line(service: Service, ccas: Agency) -> None:
    service.runtime.stopping.set()
    assert outcomes(await send(ccas, line("/v1/pathways"))) == [(0, 503, "not_begun")]


async def test_a_fault_of_ours_in_one_line_is_no_fault_of_the_others(
    service: Service, ccas: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    pathway = await ccas.opened()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("Canari")

    monkeypatch.setattr(service.runtime.pathways, "open", broken)
    answers = await send(ccas, line("/v1/pathways"), line(f"{pathway}/contacts", PHONE))
    assert outcomes(answers) == [(0, 500, "internal_error"), (1, 201, None)]
    assert "Canari" not in json.dumps(answers)


async def test_a_client_that_leaves_has_no_other_line_begun(service: Service, ccas: Agency) -> None:
    """What is under way is finished; its key answers for it when it is sent again."""
    pathway = await ccas.opened()
    content = lines_of(*[line(f"{pathway}/contacts", PHONE) for _ in range(500)])
    await ask_and_leave(service.app, ccas, "POST", "/v1/batches", content, NDJSON["Content-Type"])
    await asyncio.sleep(0.1)
    version = (await ccas.get(pathway)).json()["version"]
    assert 2 <= version < 400
    await asyncio.sleep(0.2)
    assert (await ccas.get(pathway)).json()["version"] == version


async def test_lines_that_are_left_when_their_sender_is_shut_out_are_refused(
    service: Service, ccas: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    pathway = await ccas.opened()
    key_id = (await ccas.get("/v1/me")).json()["key_id"]
    act = service.runtime.pathways.act

    async def act_and_shut_out(*order: Any) -> Any:
        done = await act(*order)
        assert await service.runtime.keys.revoke(TERRITORY, key_id, service.runtime.clock.now())
        await asyncio.sleep(BELIEVED_SECONDS + 0.1)
        return done

    monkeypatch.setattr(service.runtime.pathways, "act", act_and_shut_out)
    answers = await send(ccas, line(f"{pathway}/contacts", PHONE), line(f"{pathway}/contacts", PHONE))
    assert outcomes(answers) == [(0, 201, None), (1, 401, "invalid_key")]
