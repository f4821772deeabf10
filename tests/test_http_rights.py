"""The rights of persons over HTTP: erasing, restricting, holding, contesting, telling what is known."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from application.certificates import Certificate, digest_of
from domain.clock import SettableClock
from domain.roles import Role
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running

NOTE = "Sa sœur l'héberge ; <script>alert(1)</script>"
PLAIN = "A demandé un rendez-vous."
IDENTITY = {"given_name": "Zoé", "family_name": "Quatremère", "birth_date": "1991-05-17"}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as service:
        yield service


@pytest.fixture
async def dpo(service: Service) -> Agency:
    return await service.person(Role.DPO, agency="dpd-34")


@pytest.fixture
async def software(service: Service) -> Agency:
    return await service.agency()


@pytest.fixture
async def place(software: Agency) -> str:
    place = await software.opened(**IDENTITY)
    for note in (NOTE, PLAIN):
        await software.command(f"{place}/contacts", {"channel": "phone", "note": note})
    await software.command(f"{place}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    return place


async def asked(client: Agency, path: str, body: Any = None, status: int = 201) -> Any:
    answer = await client.command(path, body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def erased(dpo: Agency, place: str) -> Any:
    """The erasure, once all that can be done at once is done."""
    erasure = await asked(dpo, f"{place}/erasures", {"ground": "person_asked"}, 202)
    for _ in range(1_200):
        erasure = (await dpo.get(f"/v1/erasures/{erasure['id']}")).json()
        if erasure["level"] is not None:
            return erasure
        await asyncio.sleep(0.05)
    raise AssertionError(erasure)


async def test_an_erased_pathway_is_unknown_to_all_and_its_services_are_told(
    service: Service, dpo: Agency, software: Agency, place: str
) -> None:
    mission = await service.agency(MISSION_LOCALE)
    erasure = await erased(dpo, place)
    assert erasure["next_step"] == "kek_epoch_destroyed"
    assert erasure["recipients"] == [CCAS, MISSION_LOCALE]
    absent = (await software.get(f"/v1/pathways/{uuid4()}")).json()
    for client in (software, mission):
        gone = (await client.get(place)).json()
        assert [gone[name] for name in ("status", "code", "detail")] == [404, absent["code"], absent["detail"]]
        notices = (await client.get("/v1/erasure-notices")).json()["items"]
        assert [f"/v1/pathways/{notice['pathway_id']}" for notice in notices] == [place]
    assert (await (await service.agency("caf-34")).get("/v1/erasure-notices")).json()["items"] == []
    assert (await software.get("/v1/pathways")).json()["items"] == []
    assert (await software.command(f"{place}/contacts", {"channel": "phone"})).status_code == 404
    assert [line["step"] for line in (await dpo.get("/v1/erasures")).json()["items"]] == ["payloads_pruned"]


async def test_a_certificate_is_given_once_the_person_is_erased(dpo: Agency, place: str) -> None:
    erasure = await erased(dpo, place)
    answer = await dpo.get(f"/v1/erasures/{erasure['id']}/certificate")
    certificate = msgspec.json.decode(answer.content, type=Certificate)
    assert certificate.sha256 == digest_of(certificate)
    assert certificate.level == "unusable"
    assert certificate.unreadable_due - certificate.unusable_since > timedelta(days=36)
    assert all(step.position > 0 for step in certificate.steps)
    assert b"Quatrem" not in answer.content
    assert (await dpo.get(f"/v1/erasures/{uuid4()}/certificate")).status_code == 404


async def test_nobody_but_the_officer_may_have_a_person_erased(service: Service, dpo: Agency, place: str) -> None:
    """It cannot be undone: nobody of an agency, however much in charge of the pathway, does it alone."""
    for client in (
        await service.agency(),
        await service.person(Role.WORKER),
        await service.person(Role.LEAD),
        await service.person(Role.LEAD, agency="caf-34"),
        await service.person(Role.COORDINATOR, agency="metropole"),
    ):
        assert (await client.command(f"{place}/erasures", {"ground": "unlawful"})).status_code == 403
    assert (await dpo.command(f"{place}/erasures", {"ground": "unlawful"})).status_code == 202


async def test_a_legal_hold_refuses_the_erasure(dpo: Agency, place: str) -> None:
    held = await asked(dpo, f"{place}/legal-holds", {"ground": "litigation", "note": "Appel en cours."})
    assert UUID(held["id"]).version == 7
    refused = await asked(dpo, f"{place}/erasures", {"ground": "person_asked"}, 409)
    assert refused["code"] == "legal_hold"
    await asked(dpo, f"{place}/legal-holds/liftings", {})
    assert (await erased(dpo, place))["level"] == "unusable"


async def test_a_restricted_pathway_is_neither_shown_nor_added_to(
    service: Service, dpo: Agency, software: Agency, place: str
) -> None:
    await asked(dpo, f"{place}/restrictions", {"ground": "accuracy_contested"})
    for answer in (
        await software.get(place),
        await software.get(f"{place}/timeline"),
        await software.command(f"{place}/contacts", {"channel": "phone"}),
        await (await service.partner()).get(f"{place}/contents?compartments=identity&purpose=accompaniment"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "person_restricted")
    alerts = (await software.get("/v1/alerts")).json()["items"]
    assert all(alert["status"] == "cleared" for alert in alerts)
    assert (await dpo.get(place)).json()["status"] == "restricted"
    await asked(dpo, f"{place}/restrictions/liftings", {})
    assert (await software.get(place)).status_code == 200
    assert (await software.command(f"{place}/contacts", {"channel": "phone", "note": PLAIN})).status_code == 201


async def test_only_the_officer_restricts(service: Service, place: str) -> None:
    lead = await service.person(Role.LEAD)
    assert (await lead.command(f"{place}/restrictions", {"ground": "unlawful"})).status_code == 403


async def test_what_is_contested_is_flagged_wherever_it_is_read(software: Agency, place: str) -> None:
    entries = (await software.get(place)).json()["entries"]
    contact = next(entry["id"] for entry in entries if entry["type"] == "contact")
    await asked(software, f"{place}/entries/{contact}/contests", {"note": "Ce n'était pas moi."}, 200)

    async def flags() -> list[bool]:
        whole = (await software.get(place)).json()["entries"]
        entry = (await software.get(f"{place}/entries/{contact}")).json()
        facts = (await software.get(f"{place}/facts")).json()["items"]
        return [
            next(each["contested"] for each in whole if each["id"] == contact),
            entry["contested"],
            next(fact["contested"] for fact in facts if fact["fact_id"] == contact),
        ]

    assert await flags() == [True, True, True]
    settled = {"outcome": "maintained"}
    await asked(software, f"{place}/entries/{contact}/contests/settlements", settled, 200)
    assert await flags() == [False, False, False]


async def test_a_person_is_told_all_that_is_known_once_somebody_read_it_over(dpo: Agency, place: str) -> None:
    prepared = await asked(dpo, f"{place}/subject-access")
    own = f"{place}/subject-access/{prepared['id']}"
    draft = (await dpo.get(own)).json()
    assert draft["draft"]
    notes = [(line["version"], item) for line in draft["history"] for item in line["items"] if item["field"] == "note"]
    assert [(item["value"], item["to_check"]) for _, item in notes] == [(NOTE, True), (PLAIN, False)]
    for mistyped in ({"version": 99, "field": "note"}, {"version": notes[0][0], "field": "notes"}):
        refused = await dpo.command(f"{own}/releases", {"withheld": [mistyped]})
        assert (refused.status_code, refused.json()["code"]) == (422, "nothing_to_withhold")
    released = await asked(dpo, f"{own}/releases", {"withheld": [{"version": notes[0][0], "field": "note"}]}, 200)
    assert released["released"]
    answer = (await dpo.get(own)).json()
    assert not answer["draft"]
    assert answer["identity"] == IDENTITY
    assert answer["agencies"] == [CCAS, MISSION_LOCALE]
    told = [item for line in answer["history"] for item in line["items"] if item["field"] == "note"]
    assert [(item["value"], item["withheld"]) for item in told] == [(None, True), (PLAIN, False)]
    assert [(access["agency"], access["purpose"]) for access in answer["accesses"]] == [("dpd-34", "rights")] * 2
    assert (await dpo.command(f"{own}/releases", {})).json()["code"] == "already_released"


async def test_a_lead_is_shown_an_answer_once_the_officer_has_read_it_over(
    service: Service, dpo: Agency, place: str
) -> None:
    """A lead opens neither identity nor notes otherwise."""
    lead = await service.person(Role.LEAD)
    prepared = await asked(lead, f"{place}/subject-access")
    own = f"{place}/subject-access/{prepared['id']}"
    assert [(await lead.get(own)).status_code, (await lead.command(f"{own}/releases", {})).status_code] == [403, 403]
    assert (await dpo.get(own)).json()["draft"]
    await asked(dpo, f"{own}/releases", {}, 200)
    assert (await lead.get(own)).json()["identity"] == IDENTITY


async def test_the_page_is_in_french_and_runs_nothing(dpo: Agency, place: str) -> None:
    prepared = await asked(dpo, f"{place}/subject-access")
    own = f"{place}/subject-access/{prepared['id']}"
    answer = await dpo.get(own, headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "Quatremère" in page
    assert "17/05/1991" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "Projet à vérifier" in page
    for raw in ("contact.recorded", "given_name", "logement-hebergement--", "person_asked"):
        assert raw not in page


async def test_an_answer_goes_with_the_person_and_belongs_to_one_pathway(
    service: Service, dpo: Agency, software: Agency, place: str
) -> None:
    prepared = await asked(dpo, f"{place}/subject-access")
    other = await software.opened()
    assert (await dpo.get(f"{other}/subject-access/{prepared['id']}")).status_code == 404
    worker = await service.person(Role.WORKER)
    assert (await worker.command(f"{place}/subject-access")).status_code == 403
    await erased(dpo, place)
    assert (await dpo.get(f"{place}/subject-access/{prepared['id']}")).status_code in (404, 410)


async def test_the_clock_is_reported_and_nothing_is_done(service: Service, place: str, clock: SettableClock) -> None:
    clock.advance(timedelta(days=800))
    dpo = await service.person(Role.DPO, agency="dpd-34")
    runtime = service.runtime
    assert await runtime.follower.caught_up(TERRITORY, await runtime.log.head(TERRITORY), 10)
    report = (await dpo.get("/v1/retention")).json()
    assert [f"/v1/pathways/{due['pathway_id']}" for due in report["to_archive"]] == [place]
    assert (await dpo.get(place)).json()["status"] == "open"
