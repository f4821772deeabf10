"""Leads give roles over HTTP, names stay sealed in the log, and what is withdrawn opens nothing a moment later."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api.events import _visible
from application.access import Scope
from application.memberships import Identity
from application.tokens import LIFETIME
from domain.clock import SettableClock
from domain.membership import LAPSES_AFTER, REVIEW_EVERY
from domain.roles import OF_AN_AGENCY, Role
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running


@pytest.fixture
async def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as up:
        yield up


async def code_of(client: Agency, path: str, **body: str) -> str | None:
    answer = await client.put(f"/v1/members{path}", json=body)
    return None if answer.status_code == 204 else str(answer.json()["code"])


async def asked(client: Agency, role: Role) -> str:
    """Who asked."""
    assert await code_of(client, "/requests", role=role) is None
    return str((await client.get("/v1/me")).json()["agent"])


async def test_only_who_answers_for_a_role_decides_on_it(service: Service) -> None:
    newcomer, lead = await service.person(), await service.person(Role.LEAD)
    elsewhere = await service.person(Role.LEAD, agency=MISSION_LOCALE)
    worker, operator = await service.person(Role.WORKER), await service.person(Role.OPERATOR)
    member = await asked(newcomer, Role.WORKER)
    assert await code_of(newcomer, f"/{member}/approvals", role="worker") == "not_oneself"
    assert await code_of(worker, f"/{member}/approvals", role="worker") == "not_yours_to_give"
    assert await code_of(elsewhere, f"/{member}/approvals", role="worker", agency=CCAS) == "not_yours_to_give"
    assert await code_of(operator, f"/{member}/approvals", role="worker") == "not_yours_to_give"
    assert await code_of(lead, f"/{member}/approvals", role="dpo") == "not_yours_to_give"
    assert await code_of(lead, f"/{member}/approvals", role="care_worker") == "role_not_asked"
    assert (await newcomer.get("/v1/me")).json()["roles"] == []
    assert await code_of(lead, f"/{member}/approvals", role="worker") is None
    assert (await newcomer.get("/v1/me")).json()["roles"] == ["worker"]
    assert await code_of(lead, f"/{UUID(int=8)}/approvals", role="worker") == "unknown_member"


async def test_neither_a_key_nor_software_decides_or_lists(service: Service) -> None:
    member_id = await service.member(Role.LEAD)
    for client in (await service.agency(), await service.partner(), await service.partner(member_id=member_id)):
        assert await code_of(client, "/requests", role="lead") == "person_required"
        assert (await client.get("/v1/members")).json()["code"] == "person_required"


async def test_a_lead_sees_the_people_of_the_agency_and_no_others(service: Service) -> None:
    lead = await service.person(Role.LEAD)
    await service.person(Role.LEAD, agency=MISSION_LOCALE)
    listed = (await lead.get("/v1/members")).json()["items"]
    assert {each["agency"] for each in listed} == {CCAS}
    assert (await lead.get("/v1/members", params={"agency": MISSION_LOCALE})).json()["code"] == "not_yours_to_give"
    worker = await service.person(Role.WORKER)
    assert (await worker.get("/v1/members")).json()["code"] == "not_yours_to_give"
    operator = await service.person(Role.OPERATOR)
    there = (await operator.get("/v1/members", params={"agency": MISSION_LOCALE})).json()["items"]
    assert [(each["agency"], each["role"], each["lapsed"]) for each in there] == [(MISSION_LOCALE, "lead", False)]


async def test_an_ended_role_opens_nothing_any_more(service: Service) -> None:
    person, lead = await service.person(Role.WORKER), await service.person(Role.LEAD)
    member = (await person.get("/v1/me")).json()["agent"]
    assert (await person.get("/v1/pathways")).status_code == 200
    assert await code_of(lead, f"/{member}/endings", role="worker") is None
    assert (await person.get("/v1/pathways")).status_code == 403


async def test_a_role_that_nobody_reviews_lapses(service: Service, clock: SettableClock) -> None:
    member_id = await service.member(Role.WORKER)
    roles = service.runtime.members.roles
    clock.advance(REVIEW_EVERY + LAPSES_AFTER)
    assert await roles(TERRITORY, member_id, CCAS) == {Role.WORKER}
    clock.advance(timedelta(days=1))
    assert await roles(TERRITORY, member_id, CCAS) == frozenset()


async def test_what_is_said_at_once_is_all_kept(service: Service) -> None:
    member_id = await service.member()
    members = service.runtime.members
    await asyncio.gather(*(members.request(TERRITORY, member_id, CCAS, role) for role in OF_AN_AGENCY))
    assert {role for _, role in (await members.read(TERRITORY, member_id)).memberships} == OF_AN_AGENCY


async def test_a_new_name_replaces_the_former_and_neither_is_stored_in_clear(service: Service) -> None:
    members = service.runtime.members
    for name in ("Zoé Ouldname", "Zoé Newname"):
        identity = Identity(issuer="https://identity.example", sub="subject-of-zoe", name=name)
        member_id = await members.introduce(TERRITORY, CCAS, identity)
        assert (await members.read(TERRITORY, member_id)).name == name
        assert name not in repr(identity)
    for clear in ("Ouldname", "Newname", "subject-of-zoe"):
        assert await tables_that_hold(service, clear) == []


async def test_no_credential_is_stored_in_clear(service: Service) -> None:
    person, partner, agency = await service.person(Role.LEAD), await service.partner(), await service.agency()
    code = await service.runtime.bootstrap.make()
    headers = (person.headers["Cookie"], partner.headers["Authorization"], agency.headers["Authorization"], code)
    for secret in (header.rpartition("_")[0].rpartition("_")[2] for header in headers):
        assert len(secret) == 43
        assert await tables_that_hold(service, secret) == []


async def tables_that_hold(service: Service, text: str) -> list[str]:
    """Names of tables with a row where the text stands, plain or as the hexadecimal of its bytes."""
    pool = service.runtime.pool
    names = await pool.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert len(names) > 20
    found = []
    for (name,) in names:
        query = f"SELECT count(*) FROM {name} AS t WHERE t::text LIKE $1 OR t::text LIKE $2"
        if await pool.fetchval(query, f"%{text}%", f"%{text.encode().hex()}%"):
            found.append(str(name))
    return found


# Answers that take long.


async def test_whoever_is_shut_out_while_waiting_is_told_nothing(service: Service) -> None:
    software = await service.partner(scopes=frozenset({Scope.READ}))
    head = await service.runtime.log.head(TERRITORY)
    waiting = asyncio.create_task(software.get("/v1/events", params={"after": head, "wait": 20}))
    await asyncio.sleep(0.2)
    [client] = await service.runtime.clients.of_territory(TERRITORY)
    await service.runtime.clients.disable(TERRITORY, client.client_id, NOW)
    await asyncio.sleep(1.1)  # As long as a look-up is believed.
    await (await service.agency()).opened()
    assert (await asyncio.wait_for(waiting, 15)).status_code == 401


async def test_a_stream_ends_where_its_reader_is_shut_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    agency = await service.agency()
    addresses = [await agency.opened() for _ in range(3)]
    await agency.get(f"{addresses[-1]}/timeline", headers={"Prefer": "wait=10"})
    person = await service.person(Role.WORKER)
    shown = 0

    async def then_signed_out(*given: object) -> object:
        nonlocal shown
        shown += 1
        found = await _visible(*given)  # type: ignore[arg-type]
        await person.post("/logout")
        return found

    monkeypatch.setattr("api.events.SCANNED_AT_ONCE", 1)
    monkeypatch.setattr("api.events._visible", then_signed_out)
    told = (await person.get("/v1/exports/events.ndjson")).text.splitlines()
    assert (shown, len(told)) == (2, 1)
    assert "next_after" not in told[0]


# Housekeeping.


async def test_what_is_over_is_forgotten(service: Service, clock: SettableClock) -> None:
    await service.partner()
    await service.person(Role.WORKER)
    clock.advance(LIFETIME + timedelta(hours=1, seconds=1))
    await service.runtime.tokens.drop_expired()
    await service.runtime.sessions.drop_over()
    pool = service.runtime.pool
    assert await pool.fetchval("SELECT count(*) FROM access_tokens") == 0
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 1
    clock.advance(timedelta(hours=9))
    await service.runtime.sessions.drop_over()
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 0
