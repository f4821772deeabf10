"""Who a person is, their health and what was noted: opened by one route, with a ground, never without a trace."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.openapi import document
from application.access import Scope
from domain.clock import SettableClock
from domain.compartments import Compartment
from domain.roles import Role
from infrastructure.database import Pool
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running

IDENTITY = {"given_name": "Zoé", "family_name": "Quatremère", "birth_date": "1991-05-17", "phone": "+33612345678"}
NOTE = "A dit craindre son propriétaire."
ADDICTION = "sante--addictions"
SHARE = {
    "to_agency": MISSION_LOCALE,
    "contents": ["notes"],
    "purpose": "accompaniment",
    "basis": "casf-l263-4-1",
    "until": "2026-06-01T00:00:00Z",
}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as service:
        yield service


@pytest.fixture
async def software(service: Service) -> Agency:
    return await service.agency()


@pytest.fixture
async def place(software: Agency) -> str:
    """A pathway of the CCAS, with a name, a note and a theme of health."""
    place = await software.opened(**IDENTITY)
    await software.command(f"{place}/contacts", {"channel": "phone", "note": NOTE})
    diagnosed = await software.command(f"{place}/diagnoses", {"needs": [{"theme": ADDICTION}, {"theme": HOUSING}]})
    assert diagnosed.status_code == 201, diagnosed.text
    return place


async def opened(client: Agency, place: str, compartments: str = "identity", purpose: str = "accompaniment") -> Any:
    return await client.get(f"{place}/contents?compartments={compartments}&purpose={purpose}")


async def accesses(service: Service, place: str) -> list[dict[str, Any]]:
    """As the data-protection officer sees them."""
    dpo = await service.person(Role.DPO, agency="dpd-34")
    listed = await dpo.get(f"{place}/accesses")
    assert listed.status_code == 200, listed.text
    items: list[dict[str, Any]] = listed.json()["items"]
    return items


async def test_a_worker_opens_identity_and_own_notes_of_a_pathway_of_the_agency(service: Service, place: str) -> None:
    worker = await service.person(Role.WORKER)
    shown = await opened(worker, place, "identity,notes")
    assert shown.status_code == 200, shown.text
    body = shown.json()
    assert body["identity"] == IDENTITY | {"email": None, "address": None, "contested": False}
    assert [(note["type"], note["text"]) for note in body["notes"]] == [("contact.recorded", NOTE)]
    assert (body["health"], body["erased"], body["version"]) == (None, [], 3)


async def test_health_is_opened_to_whoever_is_bound_by_medical_secrecy(service: Service, place: str) -> None:
    shown = await opened(await service.person(Role.CARE_WORKER), place, "health")
    [told] = shown.json()["health"]
    assert (told["type"], [one["theme"] for one in told["themes"]]) == ("diagnosis.recorded", [ADDICTION])
    assert shown.json()["identity"] is None


async def test_all_of_it_is_opened_or_nothing(service: Service, place: str) -> None:
    """A worker may open identity, and not health: asked for both, neither is shown, and the log keeps that it was."""
    refused = await opened(await service.person(Role.WORKER), place, "identity,health")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "Quatremère" not in refused.text
    [access] = await accesses(service, place)
    assert (access["refused"], access["opened"], access["compartments"]) == ("forbidden", [], ["health", "identity"])


async def test_who_looked_is_listed_with_why(service: Service, place: str) -> None:
    worker = await service.person(Role.WORKER)
    shown = await opened(worker, place, "identity", "contact")
    me = (await worker.get("/v1/me")).json()
    [access] = await accesses(service, place)
    assert access["position"] == shown.json()["position"]
    assert (access["agency"], access["agent"], access["means"]) == (CCAS, me["agent"], "person")
    assert (access["roles"], access["purpose"]) == (["worker"], "contact")
    assert access["opened"] == [
        {"compartment": "identity", "relation": "owner", "legal_basis": "rgpd-6-1-e", "reference": None}
    ]


async def test_the_data_protection_officer_s_own_look_is_logged_too(service: Service, place: str) -> None:
    dpo = await service.person(Role.DPO, agency="dpd-34")
    assert (await opened(dpo, place, "identity,health,notes", "rights")).status_code == 200
    [access] = await accesses(service, place)
    assert (access["agency"], access["purpose"]) == ("dpd-34", "rights")


async def test_when_the_access_cannot_be_written_nothing_is_shown(service: Service, pool: Pool, place: str) -> None:
    worker = await service.person(Role.WORKER)
    await pool.execute("ALTER TABLE events ADD CONSTRAINT full_disk CHECK (topic <> 'access.opened') NOT VALID")
    failed = await opened(worker, place)
    assert failed.status_code == 500
    assert "Quatremère" not in failed.text
    await pool.execute("ALTER TABLE events DROP CONSTRAINT full_disk")
    assert (await opened(worker, place)).json()["identity"]["family_name"] == "Quatremère"
    assert len(await accesses(service, place)) == 1


async def test_while_the_log_is_locked_nothing_is_shown(service: Service, pool: Pool, place: str) -> None:
    """Whoever cannot write in time is told to come back."""
    worker = await service.person(Role.WORKER)
    async with pool.acquire() as db, db.transaction():
        await db.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await db.execute("SELECT FROM log_head WHERE territory = $1 FOR UPDATE", TERRITORY)
        busy = await opened(worker, place)
    assert (busy.status_code, busy.json()["code"]) == (503, "busy")
    assert await accesses(service, place) == []


# To whom nothing is opened.


async def test_an_absent_pathway_and_a_foreign_one_are_refused_word_for_word_alike(
    service: Service, place: str
) -> None:
    stranger = await service.person(Role.WORKER, agency=MISSION_LOCALE)
    foreign = await opened(stranger, place)
    absent = await opened(stranger, "/v1/pathways/01a1f3d2-0000-7000-8000-000000000000")
    assert foreign.status_code == absent.status_code == 404
    assert _without(foreign.json()) == _without(absent.json())
    assert set(foreign.headers) == set(absent.headers)
    assert await accesses(service, place) == []


def _without(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name not in {"instance", "trace_id"}}


async def test_an_api_key_opens_nothing(service: Service, software: Agency, place: str) -> None:
    answers = [await opened(software, place, compartment) for compartment in ("identity", "health", "notes")]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert await accesses(service, place) == []


async def test_a_service_opens_what_its_scopes_say(service: Service, place: str) -> None:
    with_identity = await service.partner(scopes=frozenset({Scope.READ, Scope.IDENTITY}))
    without = await service.partner(scopes=frozenset({Scope.READ}))
    assert (await opened(with_identity, place)).status_code == 200
    assert (await opened(without, place)).status_code == 403


async def test_what_and_what_for_must_be_said(service: Service, place: str) -> None:
    worker = await service.person(Role.WORKER)
    for query in ("", "?compartments=identity", "?purpose=contact"):
        refused = await worker.get(f"{place}/contents{query}")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")


async def test_an_unknown_compartment_is_refused(service: Service, place: str) -> None:
    worker = await service.person(Role.WORKER)
    for compartments in ("", "case", "identity,", "identity,case", "identity,,notes", "IDENTITY"):
        refused = await opened(worker, place, compartments)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")


async def test_a_purpose_that_is_not_the_caller_s_is_refused_and_kept(service: Service, place: str) -> None:
    refused = await opened(await service.person(Role.WORKER), place, "identity", "audit")
    assert (refused.status_code, refused.json()["code"]) == (422, "purpose_required")
    assert [access["refused"] for access in await accesses(service, place)] == ["purpose_required"]


# What is shown.


async def test_identity_is_what_was_said_last_whatever_was_said_before(service: Service, place: str) -> None:
    """A correction replaces the whole: what it leaves out is forgotten."""
    software, worker = await service.agency(), await service.person(Role.WORKER)
    corrected = await software.command(f"{place}/identity-corrections", {"given_name": "Zoë"}, If_Match='"v3"')
    assert corrected.status_code == 200, corrected.text
    names = (await opened(worker, place)).json()["identity"]
    assert {name: value for name, value in names.items() if value} == {"given_name": "Zoë"}
    await software.command(f"{place}/identity-corrections", {}, If_Match='"v4"')
    assert set((await opened(worker, place)).json()["identity"].values()) == {None, False}


async def test_a_note_that_was_taken_back_is_not_shown(service: Service, software: Agency, place: str) -> None:
    worker = await service.person(Role.WORKER)
    written = await software.command(f"{place}/contacts", {"channel": "phone", "note": "Écrit par erreur."})
    entry, version = written.json()["id"], written.headers["ETag"]
    retracted = await software.command(f"{place}/entries/{entry}/retractions", {}, If_Match=version)
    assert retracted.status_code == 200, retracted.text
    assert [note["text"] for note in (await opened(worker, place, "notes")).json()["notes"]] == [NOTE]


async def test_what_the_person_contests_is_shown_as_contested(service: Service, software: Agency, place: str) -> None:
    facts = (await software.get(f"{place}/facts")).json()["items"]
    contact = next(fact["fact_id"] for fact in facts if fact["type"] == "contact")
    contested = await software.command(f"{place}/entries/{contact}/contests")
    assert contested.status_code in {200, 201}, contested.text
    shown = (await opened(await service.person(Role.WORKER), place, "identity,notes")).json()
    assert [note["contested"] for note in shown["notes"]] == [True]
    assert shown["identity"]["contested"] is False


async def test_notes_of_another_agency_are_opened_by_a_share_only(
    service: Service, software: Agency, place: str
) -> None:
    asked = {"theme": HOUSING, "to_agency": MISSION_LOCALE, "note": "Urgent, lire sa lettre."}
    assert (await software.command(f"{place}/referrals", asked)).status_code == 201
    theirs = await service.agency(MISSION_LOCALE)
    assert (await theirs.command(f"{place}/contacts", {"channel": "email", "note": "Vue ici."})).status_code == 201
    worker = await service.person(Role.WORKER, agency=MISSION_LOCALE)
    assert [note["text"] for note in (await opened(worker, place, "notes")).json()["notes"]] == ["Vue ici."]
    assert (await opened(worker, place, "notes")).json()["erased"] == []
    granted = await (await service.person(Role.WORKER)).command(f"{place}/shares", SHARE)
    assert granted.status_code == 201, granted.text
    texts = [note["text"] for note in (await opened(worker, place, "notes")).json()["notes"]]
    assert texts == [NOTE, "Urgent, lire sa lettre.", "Vue ici."]
    assert (await accesses(service, place))[-1]["opened"][0]["reference"] in {None, granted.json()["id"]}


async def test_what_was_erased_is_said_so_and_the_rest_is_shown(service: Service, place: str) -> None:
    runtime = service.runtime
    subject = await runtime.pool.fetchval("SELECT subject FROM events WHERE topic = 'pathway.opened'")
    await runtime.vault.keys.destroy(TERRITORY, subject, [Compartment.NOTES])
    shown = (await opened(await service.person(Role.WORKER), place, "identity,notes")).json()
    assert (shown["identity"]["family_name"], shown["notes"], shown["erased"]) == ("Quatremère", [], ["notes"])


# When a ground falls away.


async def test_a_revoked_share_opens_nothing_more(service: Service, place: str) -> None:
    granting, reading = await service.person(Role.WORKER), await service.person(Role.WORKER, agency=MISSION_LOCALE)
    granted = await granting.command(f"{place}/shares", SHARE | {"contents": ["identity"]})
    assert (await opened(reading, place)).json()["identity"]["family_name"] == "Quatremère"
    [access] = await accesses(service, place)
    assert access["opened"] == [
        {
            "compartment": "identity",
            "relation": "share",
            "legal_basis": "casf-l263-4-1",
            "reference": granted.json()["id"],
        }
    ]
    await granting.command(f"{place}/shares/{granted.json()['id']}/revocations")
    assert (await opened(reading, place)).status_code == 404


async def test_the_glass_opens_for_an_emergency_and_closes_after_four_hours(
    service: Service, place: str, clock: SettableClock
) -> None:
    worker = await service.person(Role.WORKER, agency=MISSION_LOCALE)
    assert (await opened(worker, place, "identity", "emergency")).status_code == 404
    broken = await worker.command(f"{place}/break-glass", {"motive": "Personne en danger, injoignable."})
    assert broken.status_code == 201, broken.text
    assert (await opened(worker, place, "identity,notes", "emergency")).json()["notes"][0]["text"] == NOTE
    assert (await opened(worker, place, "identity", "contact")).status_code == 422
    *_, access = [each for each in await accesses(service, place) if each["opened"]]
    assert [each["reference"] for each in access["opened"]] == [broken.json()["id"]] * 2
    clock.advance(timedelta(hours=4))
    later = await service.person(Role.WORKER, agency=MISSION_LOCALE)
    for client in (worker, later):
        assert (await opened(client, place, "identity", "emergency")).status_code in {401, 404}


async def test_a_restricted_person_is_opened_for_their_rights_only(service: Service, place: str) -> None:
    runtime = service.runtime
    subject = await runtime.pool.fetchval("SELECT subject FROM events WHERE topic = 'pathway.opened'")
    await runtime.vault.keys.restrict(TERRITORY, subject, restricted=True)
    withheld = await opened(await service.person(Role.WORKER), place)
    assert (withheld.status_code, withheld.json()["code"]) == (409, "person_restricted")
    dpo = await service.person(Role.DPO, agency="dpd-34")
    assert (await opened(dpo, place, "identity", "rights")).json()["identity"]["family_name"] == "Quatremère"
    assert await runtime.pool.fetchval("SELECT count(*) FROM vault.uses") == 1


async def test_on_somebody_s_behalf_a_service_opens_what_both_may(service: Service, place: str) -> None:
    member = await service.member(Role.WORKER)
    on_behalf = await service.partner(member_id=member)
    assert (await opened(on_behalf, place, "notes")).status_code == 200
    assert (await opened(await service.partner(), place, "notes")).status_code == 403
    [access] = [each for each in await accesses(service, place) if each["opened"]]
    assert (access["means"], access["agent"], access["roles"]) == ("service", str(member), ["worker"])


# Who may read who looked.


async def test_the_lead_of_the_agency_in_charge_reads_who_looked(service: Service, place: str) -> None:
    await opened(await service.person(Role.WORKER), place)
    lead = await service.person(Role.LEAD)
    assert len((await lead.get(f"{place}/accesses")).json()["items"]) == 1
    assert (await (await service.person(Role.WORKER)).get(f"{place}/accesses")).status_code == 403
    assert (await (await service.person(Role.LEAD, agency=MISSION_LOCALE)).get(f"{place}/accesses")).status_code == 404


async def test_accesses_of_all_are_for_the_officer_and_those_of_an_agency_for_its_lead(
    service: Service, place: str
) -> None:
    await opened(await service.person(Role.WORKER), place)
    await opened(await service.person(Role.DPO, agency="dpd-34"), place, "identity", "rights")
    dpo, lead = await service.person(Role.DPO, agency="dpd-34"), await service.person(Role.LEAD)
    page = (await dpo.get("/v1/accesses?limit=1")).json()
    assert [access["agency"] for access in page["items"]] == [CCAS]
    rest = (await dpo.get(f"/v1/accesses?after={page['next_after']}")).json()
    assert ([access["agency"] for access in rest["items"]], rest["next_after"]) == (["dpd-34"], None)
    assert {access["agency"] for access in (await dpo.get("/v1/accesses?agency=dpd-34")).json()["items"]} == {"dpd-34"}
    assert {access["agency"] for access in (await lead.get("/v1/accesses")).json()["items"]} == {CCAS}
    assert {access["agency"] for access in (await lead.get("/v1/accesses?agency=dpd-34")).json()["items"]} == {CCAS}
    assert (await (await service.person(Role.WORKER)).get("/v1/accesses")).status_code == 403


# Bounds.


async def test_a_crawler_is_stopped_at_the_budget_of_the_day(service: Service, software: Agency) -> None:
    most = service.runtime.settings.persons_per_user
    places = [await software.opened(**IDENTITY) for _ in range(most + 3)]
    worker, dpo = await service.person(Role.WORKER), await service.person(Role.DPO, agency="dpd-34")
    answers = await asyncio.gather(*(opened(worker, place) for place in places))
    assert sorted(answer.status_code for answer in answers) == [200] * most + [429] * 3
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused.json()["code"], "Retry-After" in refused.headers) == ("too_many_persons", True)
    [told] = (await dpo.get(f"/v1/accesses?limit=200&after={most + 100}")).json()["budgets_spent"]
    assert (told["agency"], told["agent"], told["persons_most"]) == (
        CCAS,
        (await worker.get("/v1/me")).json()["agent"],
        most,
    )
    assert await service.runtime.follower.caught_up(TERRITORY, told["position"], 20)
    messages = await service.runtime.pool.fetch("SELECT agency, type, pathway FROM outbox ORDER BY agency")
    assert [tuple(row) for row in messages] == [
        (CCAS, "unisson.access.budget-spent.v1", None),
        ("dpd-34", "unisson.access.budget-spent.v1", None),
    ]


async def test_reading_coded_facts_counts_for_a_person_and_not_for_software(database_url: str, tmp_path: Path) -> None:
    """The same person counts once a day, however much of them is read."""
    async with running(database_url, tmp_path, chosen={"persons_per_user": 2}) as service:
        software = await service.agency()
        first, second, third = [await software.opened(**IDENTITY) for _ in range(3)]
        worker = await service.person(Role.WORKER)
        answers = [await worker.get(place) for place in (first, f"{first}/facts", f"{second}/timeline", third)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [(await opened(worker, place)).status_code for place in (first, third)] == [200, 429]
        assert (await worker.get(f"{third}/facts")).json()["code"] == "too_many_persons"
        assert [(await software.get(place)).status_code for place in (first, second, third)] == [200] * 3
        absent = await worker.get("/v1/pathways/01a1f3d2-0000-7000-8000-000000000000")
        assert absent.status_code == 404


async def test_a_list_that_shows_more_of_each_person_counts_each_of_them(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path, chosen={"persons_per_user": 2}) as service:
        software, worker = await service.agency(), await service.person(Role.WORKER)
        for _ in range(3):
            await software.opened(**IDENTITY)
        page = {"limit": "2", "include": "timeline"}
        two = await worker.get("/v1/pathways", params=page, headers={"Prefer": "wait=5"})
        assert [len(line["timeline"]) for line in two.json()["items"]] == [1, 1]
        third = await worker.get("/v1/pathways", params=page | {"cursor": two.json()["next"]})
        assert (third.status_code, third.json()["code"]) == (429, "too_many_persons")
        assert len((await worker.get("/v1/pathways")).json()["items"]) == 3
        assert (await software.get("/v1/pathways", params=page | {"limit": "3"})).status_code == 200


def test_what_names_a_person_is_described_in_no_other_answer() -> None:
    """Field by field. Elsewhere it is something to send: to open a pathway, to correct, to look for somebody."""
    described = document()
    naming = {
        operation["operationId"]
        for item in described["paths"].values()
        for operation in item.values()
        if {"given_name", "birth_date", "phone"} & set(_fields(operation["responses"], described))
    }
    assert naming == {"openContents"}


def _fields(part: Any, described: dict[str, Any]) -> Iterator[str]:
    """The names of all fields of an answer, however deep."""
    if isinstance(part, list):
        for each in part:
            yield from _fields(each, described)
    elif isinstance(part, dict):
        yield from part.get("properties", {})
        yield from _fields(list(part.values()), described)
        kind, _, name = str(part.get("$ref", "")).rpartition("/")
        if kind == "#/components/schemas":
            yield from _fields(described["components"]["schemas"][name], described)
