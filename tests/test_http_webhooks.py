"""Webhook endpoints over HTTP under hostile or clumsy requests: at once, out of range, of unknown things."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.demo.receiver import CHALLENGE, Answer, Delivery, Receiver
from application.webhooks import DisabledReason
from infrastructure.database import Pool
from infrastructure.delivery import DeliveryWorker
from infrastructure.outbox import disable
from tests.support.endpoints import ENDPOINTS, verified
from tests.support.service import CCAS, TERRITORY, Agency, Service, running

URL = {"url": "https://partenaire.example/unisson"}


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency()


@pytest.fixture
async def endpoint(ccas: Agency, pool: Pool) -> str:
    """Its address."""
    return await verified(ccas, pool, URL["url"])


async def test_an_endpoint_asked_for_six_times_at_once_under_one_key_is_made_once(ccas: Agency) -> None:
    answers = await asyncio.gather(*(ccas.command(ENDPOINTS, URL, Idempotency_Key="one") for _ in range(6)))
    made = [answer for answer in answers if answer.status_code == 201 and "idempotency-replayed" not in answer.headers]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(made) == 1
    assert len((await ccas.get(ENDPOINTS)).json()["items"]) == 1
    assert all(answer.json()["code"] == "in_flight" and answer.headers["retry-after"] == "1" for answer in waiting)
    again = await ccas.command(ENDPOINTS, URL, Idempotency_Key="one")
    assert (again.status_code, again.json()["id"]) == (201, made[0].json()["id"])


async def test_two_processes_carry_out_one_of_the_same_requests(
    service: Service, ccas: Agency, database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as other:
        there = await other.client({"Authorization": ccas.headers["authorization"]})
        await asyncio.gather(
            *(agency.command(ENDPOINTS, URL, Idempotency_Key="one") for agency in (ccas, there) for _ in range(3))
        )
    assert len(await service.runtime.webhooks.endpoints(TERRITORY, CCAS)) == 1


async def test_a_refused_request_may_be_sent_again_under_its_key(ccas: Agency, endpoint: str) -> None:
    await ccas.command(f"{endpoint}/disablings")
    assert (await ccas.command(f"{endpoint}/tests", Idempotency_Key="later")).status_code == 409
    await ccas.command(f"{endpoint}/enablings")
    assert (await ccas.command(f"{endpoint}/tests", Idempotency_Key="later")).status_code == 202


@pytest.mark.parametrize(
    "since", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1899-12-31T23:59:59Z", "2199-01-01T00:00:00Z"]
)
async def test_a_recovery_since_an_implausible_time_is_refused(ccas: Agency, endpoint: str, since: str) -> None:
    refused = await ccas.command(f"{endpoint}/recoveries", {"since": since})
    assert (refused.status_code, refused.json()["code"]) == (422, "implausible_date")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/since"]


async def test_a_replay_of_a_message_that_was_never_for_this_endpoint_is_refused(
    ccas: Agency, pool: Pool, endpoint: str
) -> None:
    message = (await ccas.command(f"{endpoint}/tests")).json()["message_id"]
    other = await verified(ccas, pool, URL["url"])
    for path, unknown in ((endpoint, str(uuid4())), (other, message)):
        refused = await ccas.command(f"{path}/replays", {"message_id": unknown})
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_message")
    queued_already = await ccas.command(f"{endpoint}/replays", {"message_id": message})
    assert queued_already.status_code == 202


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org:0/",
        "https://example%2forg/",
        "https://example.org%00.evil.example/",
        "https://example.org\\evil.example/",
        "https://example.org/#",
        "https://example.org/#part",
        "https://@example.org/",
    ],
)
async def test_an_address_that_readers_would_take_differently_is_refused(ccas: Agency, url: str) -> None:
    refused = await ccas.command(ENDPOINTS, {"url": url})
    assert (refused.status_code, refused.json()["code"]) == (422, "endpoint_refused")


async def test_a_type_of_message_that_there_is_not_is_refused_where_it_stands(ccas: Agency) -> None:
    """An endpoint that waits for a misspelt one would wait for ever."""
    types = ["unisson.alert.raised.v1", "unisson.alert.risen.v1"]
    refused = await ccas.command(ENDPOINTS, URL | {"event_types": types})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_message_type")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/event_types/1"]
    assert (await ccas.command(ENDPOINTS, URL | {"event_types": types[:1]})).status_code == 201


async def test_the_delivery_log_leads_from_page_to_page(ccas: Agency, endpoint: str) -> None:
    messages = [(await ccas.command(f"{endpoint}/tests")).json()["message_id"] for _ in range(3)]
    page = await ccas.get(f"{endpoint}/deliveries", params={"limit": 1})
    found = [line["message_id"] for line in page.json()["items"]]
    while "next" in page.links:
        page = await ccas.get(page.links["next"]["url"])
        found += [line["message_id"] for line in page.json()["items"]]
    assert found == messages[::-1]


async def test_a_message_leaves_as_soon_as_it_is_to_be_sent(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the worker next looks by itself."""
    monkeypatch.setitem(DeliveryWorker.__init__.__kwdefaults__ or {}, "poll_seconds", 60.0)
    async with running(database_url, tmp_path, allow_loopback=True) as service, Receiver() as partner:
        ccas = await service.agency()
        registered = (await ccas.command(ENDPOINTS, {"url": partner.url})).json()
        partner.secrets.append(registered["secret"])
        path = f"{ENDPOINTS}/{registered['id']}"
        await ccas.command(f"{path}/challenges")
        await until_active(ccas, path)
        for count in range(1, 4):
            await ccas.command(f"{path}/tests")
            await partner.wait_for(count, timeout_seconds=20)


async def until_active(agency: Agency, path: str) -> None:
    async with asyncio.timeout(20):
        while (await agency.get(path)).json()["status"] != "active":
            await asyncio.sleep(0.01)


# Verified, and nothing sent before.


async def test_an_endpoint_is_verified_over_http_and_only_then_told(ccas: Agency, pool: Pool) -> None:
    made = (await ccas.command(ENDPOINTS, URL)).json()
    path = f"{ENDPOINTS}/{made['id']}"
    assert (made["status"], made["verified_at"]) == ("unverified", None)
    assert made["challenge_until"] is not None
    for early in ("tests", "recoveries"):
        body = {"after_position": 0} if early == "recoveries" else {}
        refused = await ccas.command(f"{path}/{early}", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_unverified")
    wrong = await ccas.command(f"{path}/verifications", {"challenge": made["secret"]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "challenge_failed")
    again = await ccas.command(f"{path}/challenges")
    assert (again.status_code, again.json()["status"]) == (202, "unverified")
    challenge = await pool.fetchval("SELECT challenge FROM webhook_endpoints")
    assert challenge not in (await ccas.get(path)).text
    answer = await ccas.command(f"{path}/verifications", {"challenge": challenge})
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert answer.json()["verified_at"] is not None
    assert (await ccas.command(f"{path}/tests")).status_code == 202


# The log of deliveries, and recoveries.


async def test_a_delivery_is_read_with_its_attempts_and_without_what_it_tells(
    database_url: str, tmp_path: Path, pool: Pool
) -> None:
    async with running(database_url, tmp_path, allow_loopback=True) as service, Refusing() as partner:
        ccas = await service.agency()
        path = await verified(ccas, pool, partner.url)
        message, pathway = uuid4(), UUID((await ccas.opened()).rpartition("/")[2])
        await pool.execute(TOLD, TERRITORY, message, CCAS, pathway)
        await asyncio.wait_for(partner.answered.wait(), 20)
        shown = await until_attempted(ccas, f"{path}/deliveries/{message}")
        assert (shown["state"], shown["attempts"][0]["status"]) == ("pending", 503)
        assert shown["attempts"][0]["error_code"] == "status_503"
        assert shown["attempts"][0]["milliseconds"] >= 0
        assert shown["body"]["data"].keys() == {"position", "break_glass_id"}
        assert str(pathway) in partner.bodies[0]
        assert str(pathway) not in str(shown)


async def test_the_log_shows_nothing_of_what_the_agency_may_no_longer_know(ccas: Agency, pool: Pool) -> None:
    """Neither what was withheld nor what is still to be tried: when it happened and what it was would be news."""
    endpoint = (await ccas.command(ENDPOINTS, URL)).json()["id"]
    path, told = f"{ENDPOINTS}/{endpoint}", {state: uuid4() for state in ("delivered", "withheld", "pending")}
    for state, message in told.items():
        await pool.execute(OF_AN_ALERT, TERRITORY, message, CCAS, UUID(endpoint), state)
    shown = [line["message_id"] for line in (await ccas.get(f"{path}/deliveries")).json()["items"]]
    assert [message for message in told.values() if str(message) in shown] == [told["delivered"]]
    for limit in (1, 2):
        first = (await ccas.get(f"{path}/deliveries", params={"limit": limit})).json()["items"]
        assert [line["message_id"] for line in first] == shown[:limit]
    left_out = (await ccas.get(f"{path}/deliveries", params={"limit": 1, "state": "withheld"})).json()
    assert left_out == {"items": [], "next": None}
    read = {state: await ccas.get(f"{path}/deliveries/{message}") for state, message in told.items()}
    assert {state: answer.status_code for state, answer in read.items()} == {
        "delivered": 200,
        "withheld": 404,
        "pending": 404,
    }


async def test_the_log_of_a_challenge_does_not_tell_it(ccas: Agency, pool: Pool) -> None:
    path = f"{ENDPOINTS}/{(await ccas.command(ENDPOINTS, URL)).json()['id']}"
    challenge = await pool.fetchval("SELECT challenge FROM webhook_endpoints")
    [line] = (await ccas.get(f"{path}/deliveries")).json()["items"]
    shown = await ccas.get(f"{path}/deliveries/{line['message_id']}")
    assert (shown.status_code, shown.json()["body"]["data"]["challenge"]) == (200, "")
    assert challenge not in shown.text
    assert (await ccas.get(f"{path}/deliveries/{uuid4()}")).json()["code"] == "unknown_message"


async def test_a_recovery_is_asked_for_followed_and_listed(ccas: Agency, endpoint: str) -> None:
    for body in ({}, {"since": "2026-01-01T00:00:00Z", "after_position": 1}):
        refused = await ccas.command(f"{endpoint}/recoveries", body, Accept_Language="fr")
        assert refused.status_code == 422
        [fault] = refused.json()["errors"]
        assert fault["message"] == "Dites `since` ou `after_position`, l'un des deux."
    body = {"since": "2026-01-01T00:00:00+01:00"}
    asked = await ccas.command(f"{endpoint}/recoveries", body, Idempotency_Key="once")
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    again = await ccas.command(f"{endpoint}/recoveries", body, Idempotency_Key="once")
    assert (again.json()["id"], again.headers["location"]) == (asked.json()["id"], asked.headers["location"])
    async with asyncio.timeout(20):
        while (found := (await ccas.get(asked.headers["location"])).json())["state"] != "done":
            await asyncio.sleep(0.01)
    assert (found["total"], found["looked_at"], found["queued"]) == (0, 0, 0)
    assert (await ccas.get(f"{endpoint}/recoveries")).json()["items"] == [found]
    ended = await ccas.command(f"{asked.headers['location']}/cancellations")
    assert (ended.status_code, ended.json()) == (200, found)
    unknown = await ccas.get(f"{endpoint}/recoveries/{uuid4()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_recovery")


async def test_the_inbox_says_which_endpoint_was_disabled_by_itself(
    service: Service, ccas: Agency, endpoint: str, pool: Pool
) -> None:
    await ccas.command(f"{endpoint}/disablings")
    assert (await ccas.get("/v1/inbox/notices")).json() == {"disabled_endpoints": []}, "it was asked for"
    await ccas.command(f"{endpoint}/enablings")
    now, endpoint_id = service.runtime.clock.now(), UUID(endpoint.rpartition("/")[2])
    async with pool.acquire() as db, db.transaction():
        await disable(db, TERRITORY, endpoint_id, DisabledReason.GONE, now)
    [notice] = (await ccas.get("/v1/inbox/notices")).json()["disabled_endpoints"]
    assert (notice["endpoint_id"], notice["reason"]) == (str(endpoint_id), "gone")
    assert notice["since"] == now.isoformat().replace("+00:00", "Z")
    other = await service.agency("siao-herault")
    assert (await other.get("/v1/inbox/notices")).json() == {"disabled_endpoints": []}
    await ccas.command(f"{endpoint}/enablings")
    assert (await ccas.get("/v1/inbox/notices")).json() == {"disabled_endpoints": []}


TOLD = """
WITH told AS (INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position)
    VALUES ($1, $2, $3, 'unisson.glass.broken.v1', $2, $4, 7) RETURNING true)
SELECT pg_notify('unisson_outbox', '') FROM told"""


OF_AN_ALERT = """
WITH told AS (INSERT INTO outbox (territory, message_id, agency, type, subject_id, position)
    VALUES ($1, $2, $3, 'unisson.alert.cleared.v1', $2, 7) RETURNING territory, message_id, subject_id)
INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, state)
SELECT territory, message_id, $4, subject_id, $5 FROM told"""


class Refusing(Receiver):
    """Keeps what it is told and answers that it cannot take it."""

    def __init__(self) -> None:
        super().__init__(answer=self._refuse)
        self.bodies: list[str] = []
        self.answered = asyncio.Event()

    async def _refuse(self, delivery: Delivery) -> Answer:
        if CHALLENGE not in delivery.body.decode():
            self.bodies.append(delivery.body.decode())
            self.answered.set()
        return Answer(503)


async def until_attempted(agency: Agency, path: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while not (shown := (await agency.get(path)).json())["attempts"]:
            await asyncio.sleep(0.01)
    return dict(shown)
