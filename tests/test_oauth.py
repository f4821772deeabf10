"""Partners' software gets tokens for what it proves, for ten minutes, and loses them at once."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from joserfc.jwk import ECKey, OctKey

from application.access import Scope
from application.signed_statements import UnusableKeys, public_keys
from domain.clock import SettableClock
from domain.roles import Role
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, Service, running
from tests.support.signing import ISSUER, Software

CLOCK = SettableClock(NOW)


@pytest.fixture(scope="module")
async def service(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with running(module_database_url, tmp_path_factory.mktemp("oauth"), clock=CLOCK) as up:
        yield up


@pytest.fixture
def clock() -> Iterator[SettableClock]:
    yield CLOCK
    CLOCK.set(NOW)


@pytest.fixture
async def software(service: Service) -> Software:
    return await Software.register(service)


async def test_a_token_opens_what_was_asked_for_and_no_more(software: Software) -> None:
    answer = (await software.ask(scope="read case:read:identity")).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 600)
    told = (await software.me(answer["access_token"])).json()
    assert told["scopes"] == ["case:read:identity", "read"]
    assert (told["agency"], told["means"], told["key_id"]) == (CCAS, "service", software.client.client_id)


async def test_a_token_is_over_after_ten_minutes(software: Software, clock: SettableClock) -> None:
    token = await software.token()
    clock.advance(timedelta(minutes=9, seconds=59))
    assert (await software.me(token)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert (await software.me(token)).json()["code"] == "invalid_token"


async def test_a_revoked_token_is_refused_at_once(software: Software) -> None:
    token = await software.token()
    assert (await software.me(token)).status_code == 200
    assert (await software.revoke(token)).status_code == 200
    assert (await software.me(token)).status_code == 401


async def test_nobody_revokes_the_token_of_another(service: Service, software: Software) -> None:
    token, other = await software.token(), await Software.register(service, MISSION_LOCALE)
    assert (await other.revoke(token)).status_code == 200
    assert (await software.me(token)).status_code == 200


async def test_a_disabled_client_loses_all_its_tokens_within_a_second(service: Service, software: Software) -> None:
    token = await software.token()
    await service.runtime.clients.disable(TERRITORY, software.client.client_id, NOW)
    assert (await software.me(token)).status_code == 401
    assert (await software.ask()).json()["error"] == "invalid_client"


async def test_an_assertion_serves_once(software: Software) -> None:
    assertion = software.statement()
    assert (await software.ask(client_assertion=assertion)).status_code == 200
    again = await software.ask(client_assertion=assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


LATER = int(NOW.timestamp())


ALTERED: tuple[dict[str, Any], ...] = (
    {"aud": "https://elsewhere.example"},
    {"aud": None},
    {"iss": "un_cl_unknown"},
    {"sub": "un_cl_unknown"},
    {"sub": None},
    {"exp": None},
    {"exp": LATER - 60},
    {"exp": LATER + 3600},
    {"exp": "soon"},
    {"exp": float("inf")},
    {"exp": 1e300},
    {"exp": True},
    {"nbf": LATER + 3600},
    {"jti": None},
    {"jti": "x" * 129},
    {"jti": ["x"]},
    {"typ": "agent+jwt"},
    {"alg": "HS256", "key": OctKey.generate_key(256)},
    {"key": ECKey.generate_key("P-256")},
)


async def test_an_assertion_that_is_not_right_in_every_part_is_refused_alike(software: Software) -> None:
    for altered in ALTERED:
        refused = await software.ask(client_assertion=software.statement(**altered))
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), altered
    assert (await software.ask()).status_code == 200


async def test_what_is_no_assertion_is_refused(software: Software) -> None:
    for assertion in ("x", "a.b.c", "." * 9000, "e30.e30.e30", "bnVsbA.bnVsbA.x", "W10.W10.", "[" * 8000):
        refused = await software.ask(client_assertion=assertion)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), assertion[:20]


async def test_an_unsigned_assertion_is_refused(software: Software) -> None:
    _, payload, _ = software.statement().split(".")
    assert (await software.ask(client_assertion=f"eyJhbGciOiJub25lIn0.{payload}.")).status_code == 401


REFUSED: tuple[tuple[dict[str, str], str], ...] = (
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"client_assertion_type": "other"}, "invalid_request"),
    ({"scope": "audit:case"}, "invalid_scope"),
    ({"scope": "everything"}, "invalid_scope"),
    ({"client_id": "un_cl_other"}, "invalid_client"),
    ({"agent_assertion": "x"}, "invalid_grant"),
    ({"resource": "é"}, "invalid_request"),
)


async def test_refusals_are_those_that_libraries_know(software: Software) -> None:
    for form, error in REFUSED:
        assert (await software.ask(**form)).json()["error"] == error, form


async def test_a_body_must_be_a_form_without_repetition(software: Software) -> None:
    client = await software.service.client()
    assert (await client.post("/oauth/token", json={})).status_code == 415
    twice = await client.post(
        "/oauth/token",
        content="grant_type=client_credentials&grant_type=password",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert twice.json()["error"] == "invalid_request"


async def test_software_never_gets_more_than_it_was_given(service: Service) -> None:
    software = await Software.register(service, scopes=frozenset({Scope.READ}))
    assert (await software.ask(scope="read write")).json()["error"] == "invalid_scope"
    assert (await software.ask()).json()["scope"] == "read"


# On somebody's behalf.


def naming(member_id: object, **more: Any) -> dict[str, Any]:
    return {"typ": "agent+jwt", "sub_id": {"format": "opaque", "id": str(member_id)}} | more


async def test_on_behalf_of_somebody_both_must_be_allowed(service: Service, software: Software) -> None:
    member_id = await service.member(Role.LEAD)
    token = await software.token(agent_assertion=software.statement(**naming(member_id)))
    told = (await software.me(token)).json()
    assert (told["agent"], told["roles"], told["scopes"]) == (
        str(member_id),
        ["lead"],
        ["erasure:request", "manage", "read", "write"],
    )


async def test_the_person_may_be_named_as_the_provider_names_them(service: Service, software: Software) -> None:
    sub = str(uuid4())
    member_id = await service.member(Role.WORKER, sub=sub)
    named = {"format": "iss_sub", "iss": "https://identity.example", "sub": sub}
    token = await software.token(agent_assertion=software.statement(typ="agent+jwt", sub_id=named))
    assert (await software.me(token)).json()["agent"] == str(member_id)


async def test_what_a_person_loses_their_software_loses_within_a_second(service: Service, software: Software) -> None:
    member_id = await service.member(Role.WORKER)
    token = await software.token(agent_assertion=software.statement(**naming(member_id)))
    await service.end(member_id, Role.WORKER)
    assert (await software.me(token)).json()["scopes"] == []


async def test_nobody_acts_for_a_person_of_another_agency(service: Service, software: Software) -> None:
    elsewhere = await service.member(Role.WORKER, agency=MISSION_LOCALE)
    refused = await software.ask(agent_assertion=software.statement(**naming(elsewhere)))
    assert refused.json()["error"] == "invalid_grant"


async def test_a_client_assertion_names_no_agent(service: Service, software: Software) -> None:
    member_id = await service.member(Role.WORKER)
    refused = await software.ask(agent_assertion=software.statement(**naming(member_id, typ="JWT")))
    assert refused.json()["error"] == "invalid_grant"


# Bound to a key.


async def bound(software: Software) -> str:
    answer = (await software.ask(proof=software.proof("POST", "/oauth/token"))).json()
    assert answer["token_type"] == "DPoP"
    return str(answer["access_token"])


async def test_a_bound_token_works_with_a_proof_made_for_the_request(software: Software) -> None:
    token = await bound(software)
    answer = await software.me(token, "DPoP", DPoP=software.proof("GET", "/v1/me", token))
    assert answer.status_code == 200


async def test_a_proof_serves_once(software: Software) -> None:
    token = await bound(software)
    proof = software.proof("GET", "/v1/me", token)
    assert [(await software.me(token, "DPoP", DPoP=proof)).status_code for _ in range(2)] == [200, 401]


async def test_a_stolen_bound_token_is_worth_nothing(service: Service, software: Software) -> None:
    token, thief = await bound(software), await Software.register(service)
    assert (await software.me(token)).status_code == 401
    assert (await software.me(token, "DPoP")).status_code == 401
    stolen = thief.proof("GET", "/v1/me", token)
    assert (await software.me(token, "DPoP", DPoP=stolen)).status_code == 401


async def test_a_proof_made_for_something_else_is_refused(software: Software) -> None:
    token = await bound(software)
    for altered in ({"htm": "POST"}, {"htu": f"{ISSUER}/v1/inbox"}, {"iat": LATER - 120}, {"ath": "x"}, {"iat": "now"}):
        proof = software.proof("GET", "/v1/me", token, **altered)
        assert (await software.me(token, "DPoP", DPoP=proof)).status_code == 401, altered


async def test_an_unbound_token_is_a_bearer_token_and_nothing_else(software: Software) -> None:
    token = await software.token()
    refused = await software.me(token, "DPoP", DPoP=software.proof("GET", "/v1/me", token))
    assert refused.status_code == 401


# Keys.


def as_json(key: Any, *, private: bool) -> str:
    return json.dumps(key.as_dict(private=private))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "not a JSON Web Key"),
        ("[]", "not a JSON Web Key"),
        ("x", "not a JSON Web Key"),
        ('{"keys": []}', "1 to 4"),
        (as_json(ECKey.generate_key("P-256"), private=True), "private"),
        (as_json(OctKey.generate_key(256), private=True), "pair of keys"),
        (json.dumps({"kty": "RSA", "n": "x" * 171, "e": "AQAB"}), "2048"),
    ],
    ids=["empty", "list", "text", "none", "private", "secret", "short"],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_keys_that_prove_nothing_are_refused(text: str, why: str) -> None:
    with pytest.raises(UnusableKeys, match=why):
        public_keys(text)


async def test_libraries_find_what_they_need(service: Service) -> None:
    told = (await (await service.client()).get("/.well-known/oauth-authorization-server")).json()
    assert told["token_endpoint"] == f"{ISSUER}/oauth/token"
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
