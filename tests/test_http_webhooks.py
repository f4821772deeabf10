"""Webhook endpoints over HTTP under hostile or clumsy requests: at once, out of range, of unknown things."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from api.demo.receiver import Receiver
from infrastructure.delivery import DeliveryWorker
from tests.support.service import CCAS, TERRITORY, Agency, Service, running

ENDPOINTS = "/v1/webhook-endpoints"
URL = {"url": "https://partenaire.example/unisson"}


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency()


@pytest.fixture
async def endpoint(ccas: Agency) -> str:
    """Its address."""
    return f"{ENDPOINTS}/{(await ccas.command(ENDPOINTS, URL)).json()['id']}"


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
async def test_a_replay_since_an_implausible_time_is_refused(ccas: Agency, endpoint: str, since: str) -> None:
    refused = await ccas.command(f"{endpoint}/replays", {"since": since})
    assert (refused.status_code, refused.json()["code"]) == (422, "implausible_date")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/since"]


async def test_a_replay_of_a_message_that_was_never_for_this_endpoint_is_refused(ccas: Agency, endpoint: str) -> None:
    message = (await ccas.command(f"{endpoint}/tests")).json()["message_id"]
    other = f"{ENDPOINTS}/{(await ccas.command(ENDPOINTS, URL)).json()['id']}"
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
        for count in range(1, 4):
            await ccas.command(f"{ENDPOINTS}/{registered['id']}/tests")
            await partner.wait_for(count, timeout_seconds=20)
