"""People sign in with an identity provider, work in a session, and leave; whatever is not quite that is refused."""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from joserfc.jwk import RSAKey

from api.login import SIGN_IN_COOKIE
from application.identity_provider import ProviderUnreachable
from application.sessions import IDLE, LONGEST
from domain.agency import DescribeAgency
from domain.clock import SettableClock
from domain.membership import member_id_of
from domain.roles import Role
from tests.support.identity_provider import CLIENT_ID, SECRET, LocalProvider, local_provider
from tests.support.service import CCAS, NOW, TERRITORY, Agency, Service, running

HERE = {"territory": TERRITORY, "agency": CCAS}
OURS = {"X-Unisson-Request": "1"}


CLOCK = SettableClock(NOW)


@pytest.fixture(scope="module")
async def module_provider() -> AsyncIterator[LocalProvider]:
    async with local_provider(CLOCK) as up:
        yield up


@pytest.fixture(scope="module")
async def service(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, module_provider: LocalProvider
) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("login")
    secret = folder / "secret"
    secret.write_text(SECRET)
    chosen = {"oidc_issuer": module_provider.address, "oidc_client_id": CLIENT_ID, "oidc_client_secret_file": secret}
    async with running(module_database_url, folder, clock=CLOCK, chosen=chosen) as up:
        await up.runtime.agencies.carry_out(TERRITORY, CCAS, DescribeAgency(name="CCAS"))
        yield up


@pytest.fixture
def clock() -> Iterator[SettableClock]:
    yield CLOCK
    CLOCK.set(NOW)


@pytest.fixture
def provider(module_provider: LocalProvider) -> Iterator[LocalProvider]:
    """Somebody new is about to sign in; whatever the test spoils is mended."""
    module_provider.sub = str(uuid4())
    yield module_provider
    module_provider.key = module_provider.published
    module_provider.is_down = module_provider.is_public = False
    module_provider.userinfo = {}


@pytest.fixture
async def browser(service: Service) -> Agency:
    return await service.client()


async def signed_in(browser: Agency, provider: LocalProvider, **claims: Any) -> httpx2.Response:
    """The last answer of a whole sign-in."""
    begun = await browser.get("/login", params=HERE)
    assert begun.status_code == 302, begun.text
    return await browser.get("/login/callback", params=provider.sign_in(begun.headers["location"], **claims))


def code_of(answer: httpx2.Response) -> str:
    return str(answer.json()["code"])


async def test_whoever_signed_in_is_known_and_may_nothing_yet(browser: Agency, provider: LocalProvider) -> None:
    done = await signed_in(browser, provider)
    assert done.status_code == 200, done.text
    assert 'content="0;url=/v1/me"' in done.text
    told = (await browser.get("/v1/me")).json()
    assert (told["means"], told["roles"], told["scopes"]) == ("person", [], [])
    assert told["agent"] == str(member_id_of(provider.address, provider.sub))
    assert (await browser.get("/v1/pathways")).status_code == 403


async def test_nothing_of_the_session_is_left_to_scripts_or_to_other_sites(
    browser: Agency, provider: LocalProvider
) -> None:
    done = await signed_in(browser, provider)
    session, over = done.headers.get_list("set-cookie")
    assert re.fullmatch(r"unisson-session=un_ss_\w+; HttpOnly; Max-Age=36000; Path=/; SameSite=strict", session)
    assert over.startswith('unisson-sign-in=""; HttpOnly; Max-Age=0')


async def test_over_https_cookies_are_for_this_host_alone(
    database_url: str, tmp_path: Path, provider: LocalProvider, clock: SettableClock
) -> None:
    chosen = {"oidc_issuer": provider.address, "oidc_client_id": CLIENT_ID, "public_url": "https://unisson.example"}
    async with running(database_url, tmp_path, clock=clock, chosen=chosen) as up:
        await up.runtime.agencies.carry_out(TERRITORY, CCAS, DescribeAgency(name="CCAS"))
        begun = await (await up.client()).get("/login", params=HERE)
        assert begun.headers["set-cookie"].startswith("__Host-unisson-sign-in=")
        assert "; Secure" in begun.headers["set-cookie"]
        member_id = await up.member(Role.WORKER)
        shown = await up.runtime.sessions.open(TERRITORY, CCAS, member_id)
        planted = await up.client({"Cookie": f"unisson-session={shown}"})
        assert (await planted.get("/v1/me")).status_code == 401
        own = await up.client({"Cookie": f"__Host-unisson-session={shown}"})
        assert (await own.get("/v1/me")).status_code == 200


async def test_roles_given_later_count_at_once(service: Service, browser: Agency, provider: LocalProvider) -> None:
    await signed_in(browser, provider)
    asked = await browser.put("/v1/members/requests", json={"role": "worker"}, headers=OURS)
    assert asked.status_code == 204, asked.text
    lead = await service.person(Role.LEAD)
    [waiting] = (await lead.get("/v1/members", params={"state": "requested"})).json()["items"][:1]
    assert (waiting["name"], waiting["role"]) == ("Ada Martin", "worker")
    approved = await lead.put(f"/v1/members/{waiting['member_id']}/approvals", json={"role": "worker"})
    assert approved.status_code == 204, approved.text
    assert (await browser.get("/v1/me")).json()["roles"] == ["worker"]
    assert (await browser.get("/v1/pathways")).status_code == 200


ALTERED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"amr": ["pwd"]}, "weak_sign_in"),
    ({"amr": None}, "weak_sign_in"),
    ({"amr": "mfa"}, "sign_in_refused"),
    ({"acr": "eidas1", "amr": []}, "weak_sign_in"),
    ({"aud": "another"}, "sign_in_refused"),
    ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "sign_in_refused"),
    ({"iss": "https://elsewhere.example"}, "sign_in_refused"),
    ({"nonce": "another"}, "sign_in_refused"),
    ({"nonce": None}, "sign_in_refused"),
    ({"exp": int(NOW.timestamp()) - 120}, "sign_in_refused"),
    ({"at_hash": "of-another-token"}, "sign_in_refused"),
    ({"sub": None}, "sign_in_refused"),
    ({"sub": "x" * 256}, "sign_in_refused"),
    ({"sub": 7}, "sign_in_refused"),
)


async def test_an_answer_that_is_not_right_in_every_part_lets_nobody_in(
    browser: Agency, provider: LocalProvider
) -> None:
    for claims, code in ALTERED:
        refused = await signed_in(browser, provider, **claims)
        assert (refused.status_code, code_of(refused)) == (403, code), claims
    assert (await browser.get("/v1/me")).status_code == 401


async def test_a_token_signed_by_somebody_else_lets_nobody_in(browser: Agency, provider: LocalProvider) -> None:
    provider.key = RSAKey.generate_key(2048, auto_kid=True)
    assert code_of(await signed_in(browser, provider)) == "sign_in_refused"


async def test_keys_that_the_provider_changed_are_fetched_again(
    browser: Agency, provider: LocalProvider, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await signed_in(browser, provider)).status_code == 200
    provider.key = provider.published = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    assert code_of(await signed_in(browser, provider)) == "sign_in_refused"  # Not more often than once a minute.
    monkeypatch.setattr("infrastructure.oidc.ASKED_AGAIN_SECONDS", -1)
    assert (await signed_in(browser, provider)).status_code == 200


async def test_a_name_told_elsewhere_is_found(service: Service, browser: Agency, provider: LocalProvider) -> None:
    provider.userinfo = {"sub": provider.sub, "given_name": "Ada", "usual_name": "Martin", "email": "ada@a.example"}
    assert (await signed_in(browser, provider, name=None)).status_code == 200
    member = await service.runtime.members.read(TERRITORY, member_id_of(provider.address, provider.sub))
    assert (member.name, member.email) == ("Ada Martin", "ada@a.example")
    provider.userinfo = provider.userinfo | {"sub": "somebody-else"}
    assert code_of(await signed_in(browser, provider, name=None)) == "sign_in_refused"


async def test_a_level_of_assurance_may_stand_for_the_second_factor(
    database_url: str, tmp_path: Path, provider: LocalProvider, clock: SettableClock
) -> None:
    chosen = {"oidc_issuer": provider.address, "oidc_client_id": CLIENT_ID, "oidc_acr": "eidas2,eidas3"}
    provider.is_public = True
    async with running(database_url, tmp_path, clock=clock, chosen=chosen) as up:
        await up.runtime.agencies.carry_out(TERRITORY, CCAS, DescribeAgency(name="CCAS"))
        browser = await up.client()
        assert (await signed_in(browser, provider, acr="eidas2", amr=None)).status_code == 200
        assert code_of(await signed_in(browser, provider, acr="eidas1", amr=None)) == "weak_sign_in"


async def test_only_the_browser_that_began_may_end_a_sign_in(
    service: Service, browser: Agency, provider: LocalProvider
) -> None:
    begun = await browser.get("/login", params=HERE)
    back = provider.sign_in(begun.headers["location"])
    other = await service.client()
    assert code_of(await other.get("/login/callback", params=back)) == "sign_in_refused"
    assert code_of(await browser.get("/login/callback", params=back | {"state": "x"})) == "sign_in_refused"
    elsewhere = back | {"iss": "https://elsewhere.example"}
    assert code_of(await browser.get("/login/callback", params=elsewhere)) == "sign_in_refused"
    denied = {"state": back["state"], "error": "access_denied"}
    assert code_of(await browser.get("/login/callback", params=denied)) == "sign_in_refused"
    assert (await browser.get("/login/callback", params=back)).status_code == 200
    assert (await browser.get("/login/callback", params=back)).status_code == 403


async def test_a_provider_that_does_not_answer_is_said_to(browser: Agency, provider: LocalProvider) -> None:
    begun = await browser.get("/login", params=HERE)
    provider.is_down = True
    refused = await browser.get("/login/callback", params=provider.sign_in(begun.headers["location"]))
    assert (refused.status_code, code_of(refused)) == (503, ProviderUnreachable.code)


async def test_nobody_signs_in_for_an_agency_that_does_not_exist(browser: Agency) -> None:
    refused = await browser.get("/login", params={"territory": "FR-75", "agency": "made-up"})
    assert code_of(refused) == "unknown_agency"


@pytest.mark.parametrize("after", ["//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example", "x", ""])
async def test_nobody_is_led_elsewhere_after_signing_in(browser: Agency, provider: LocalProvider, after: str) -> None:
    begun = await browser.get("/login", params=HERE | {"after": after})
    done = await browser.get("/login/callback", params=provider.sign_in(begun.headers["location"]))
    assert 'content="0;url=/v1/me"' in done.text


# Sessions.


async def test_a_session_is_over_after_a_quarter_of_an_hour_of_silence(service: Service, clock: SettableClock) -> None:
    person = await service.person(Role.WORKER)
    for _ in range(3):
        clock.advance(IDLE - timedelta(seconds=1))
        assert (await person.get("/v1/me")).status_code == 200
    clock.advance(IDLE)
    assert code_of(await person.get("/v1/me")) == "session_over"


async def test_a_session_is_over_after_ten_hours_however_busy(service: Service, clock: SettableClock) -> None:
    person = await service.person(Role.WORKER)
    for _ in range(int(LONGEST / timedelta(minutes=10)) - 1):
        clock.advance(timedelta(minutes=10))
        assert (await person.get("/v1/me")).status_code == 200
    clock.advance(timedelta(minutes=10))
    assert code_of(await person.get("/v1/me")) == "session_over"


async def test_leaving_ends_the_session_at_once(service: Service) -> None:
    person = await service.person(Role.WORKER)
    done = await person.post("/logout")
    assert (done.status_code, done.headers["clear-site-data"]) == (204, '"cache", "cookies", "storage"')
    assert code_of(await person.get("/v1/me")) == "session_over"


async def test_a_session_counts_in_our_own_pages_only(service: Service) -> None:
    person = await service.person(Role.WORKER, Role.LEAD)
    role = {"role": "worker"}
    without = person.headers.copy()
    del without["X-Unisson-Request"]
    person.headers = without
    assert code_of(await person.put("/v1/members/requests", json=role)) == "cross_site"
    assert code_of(await person.post("/logout")) == "cross_site"
    assert (await person.put("/v1/members/requests", json=role, headers=OURS)).status_code == 204
    for site in ("cross-site", "same-site"):
        elsewhere = {"Sec-Fetch-Site": site}
        assert code_of(await person.put("/v1/members/requests", json=role, headers=OURS | elsewhere)) == "cross_site"
        assert code_of(await person.get("/v1/me", headers=elsewhere)) == "cross_site"
    assert (await person.get("/v1/me", headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200


async def test_what_is_no_session_is_refused_alike(service: Service) -> None:
    person = await service.person(Role.WORKER)
    shown = person.headers["Cookie"]
    for altered in (shown[:-1] + "x", shown + "0", "unisson-session=", "unisson-session=un_ss_x"):
        refused = await (await service.client({"Cookie": altered})).get("/v1/me")
        assert refused.status_code == 401, altered
    twice = await (await service.client({"Cookie": f"{shown}; unisson-session=x"})).get("/v1/me")
    assert twice.status_code == 401


async def test_a_person_acts_under_nobody_elses_name(service: Service) -> None:
    person = await service.person(Role.WORKER)
    assert code_of(await person.get("/v1/me", headers={"X-Agent": "somebody"})) == "invalid_agent"


async def test_a_browser_that_rewrites_what_it_keeps_is_let_in_nowhere_else(
    service: Service, browser: Agency, provider: LocalProvider
) -> None:
    begun = await browser.get("/login", params=HERE)
    back = provider.sign_in(begun.headers["location"])
    value = begun.cookies[SIGN_IN_COOKIE]
    kept = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    for changed, status in (
        ({"agency": "nowhere-at-all"}, 404),
        ({"agency": "No Agency's Name"}, 403),
        ({"territory": "nowhere"}, 403),
        ({"after": "https://elsewhere.example"}, 403),
    ):
        forged = base64.urlsafe_b64encode(json.dumps(kept | changed).encode()).decode().rstrip("=")
        other = await service.client({"Cookie": f"{SIGN_IN_COOKIE}={forged}"})
        assert (await other.get("/login/callback", params=back)).status_code == status, changed


async def test_software_names_nobody_who_signs_in(service: Service) -> None:
    """Else it would write its own doings down to them."""
    member_id = await service.member(Role.WORKER)
    for software in (await service.agency(), await service.partner()):
        assert (await software.get("/v1/me", headers={"X-Agent": "agent-7"})).status_code == 200
        assert code_of(await software.get("/v1/me", headers={"X-Agent": str(member_id)})) == "invalid_agent"
    on_behalf = await service.partner(member_id=member_id)
    assert (await on_behalf.get("/v1/me", headers={"X-Agent": str(member_id)})).status_code == 200
