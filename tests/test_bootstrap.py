"""The first operator comes in by a link: once, within the hour, through the identity provider where there is one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from application.bootstrap import GOOD_FOR
from domain.clock import SettableClock
from tests.support.identity_provider import CLIENT_ID, local_provider
from tests.support.service import CCAS, NOW, TERRITORY, Service, running

HERE = {"territory": TERRITORY, "agency": CCAS}


@pytest.fixture
async def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock, offer_bootstrap=True) as up:
        yield up


async def test_the_link_makes_one_person_operator_and_lead(service: Service) -> None:
    code, other = service.app.state.bootstrap_code, await service.runtime.bootstrap.make()
    browser = await service.client()
    done = await browser.post("/bootstrap", json={"code": code} | HERE)
    assert (done.status_code, done.json()) == (200, {"location": "/v1/me"}), done.text
    told = (await browser.get("/v1/me")).json()
    assert (told["means"], told["roles"]) == ("person", ["lead", "operator"])
    assert await service.runtime.bootstrap.offer() is None
    for spent in (code, other):
        refused = await (await service.client()).post("/bootstrap", json={"code": spent} | HERE)
        assert refused.json()["code"] == "invalid_bootstrap"


async def test_of_many_at_once_one_gets_in(service: Service) -> None:
    body = {"code": service.app.state.bootstrap_code} | HERE
    browsers = [await service.client() for _ in range(5)]
    answers = await asyncio.gather(*(browser.post("/bootstrap", json=body) for browser in browsers))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403, 403]


async def test_a_link_is_good_for_an_hour(service: Service, clock: SettableClock) -> None:
    browser, body = await service.client(), {"code": service.app.state.bootstrap_code} | HERE
    clock.advance(GOOD_FOR)
    assert (await browser.post("/bootstrap", json=body)).json()["code"] == "invalid_bootstrap"
    again = await service.runtime.bootstrap.make()
    clock.advance(GOOD_FOR - timedelta(seconds=1))
    assert (await browser.post("/bootstrap", json=body | {"code": again})).status_code == 200


async def test_what_is_no_code_is_refused(service: Service) -> None:
    browser = await service.client()
    for code in ("", "x", "un_bl_x", service.app.state.bootstrap_code[:-1] + "x"):
        assert (await browser.post("/bootstrap", json={"code": code} | HERE)).status_code == 403
    assert (await browser.post("/bootstrap", data={"code": "x"})).status_code == 415
    refused = await browser.get("/bootstrap", params={"code": service.app.state.bootstrap_code})
    assert refused.json()["code"] == "key_in_url"


async def test_the_page_asks_nothing_of_another_host(service: Service) -> None:
    page = await (await service.client()).get("/bootstrap")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "http" not in page.text
    script = await (await service.client()).get("/static/bootstrap.js")
    assert "location.hash" in script.text


async def test_with_a_provider_the_operator_is_whoever_signs_in(
    database_url: str, tmp_path: Path, clock: SettableClock
) -> None:
    async with local_provider(clock) as provider:
        provider.is_public = True
        chosen = {"oidc_issuer": provider.address, "oidc_client_id": CLIENT_ID}
        async with running(database_url, tmp_path, clock=clock, chosen=chosen) as service:
            browser, code = await service.client(), await service.runtime.bootstrap.make()
            begun = await browser.post("/bootstrap", json={"code": code} | HERE)
            address = begun.json()["location"]
            assert address.startswith(f"{provider.address}/authorize?")
            weak = await browser.get("/login/callback", params=provider.sign_in(address, amr=["pwd"]))
            assert weak.json()["code"] == "weak_sign_in"
            done = await browser.get("/login/callback", params=provider.sign_in(address))
            assert done.status_code == 200, done.text
            assert (await browser.get("/v1/me")).json()["roles"] == ["lead", "operator"]
            again = await browser.post("/bootstrap", json={"code": code} | HERE)
            assert again.json()["code"] == "invalid_bootstrap"
