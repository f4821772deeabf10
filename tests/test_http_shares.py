"""Sharing a pathway and breaking the glass, over HTTP: what opens, to whom, until when, and who is told."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.clock import SettableClock
from domain.roles import Role
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running

SIAO = "siao-34"
MOTIVE = "Found unconscious; the hospital asks whom to call."
IN_A_MONTH = (NOW + timedelta(days=30)).isoformat()
SHARE = {"to_agency": SIAO, "purpose": "referral", "basis": "casf-l121-6-2", "until": IN_A_MONTH}


@pytest.fixture
async def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as opened:
        yield opened


async def shared(worker: Agency, **fields: Any) -> tuple[str, str]:
    """A new pathway's address, and its share's."""
    pathway = await worker.opened()
    answer = await worker.command(f"{pathway}/shares", SHARE | fields)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{pathway}/shares"
    return pathway, f"{pathway}/shares/{answer.json()['id']}"


async def test_a_share_lets_read_and_not_record_until_it_is_revoked(service: Service) -> None:
    worker, stranger = await service.person(Role.WORKER), await service.agency(SIAO)
    pathway, share = await shared(worker)
    assert (await stranger.get(pathway)).status_code == 200
    head = await service.runtime.log.head(TERRITORY)
    items = (await stranger.get(f"{pathway}/timeline?at_least={head}")).json()["items"]
    assert [item["type"] for item in items] == ["pathway.opened", "share.granted"]
    refused = await stranger.command(f"{pathway}/contacts", {"channel": "phone"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await worker.command(f"{share}/revocations")).status_code == 200
    gone, absent = await stranger.get(pathway), await stranger.get(f"/v1/pathways/{uuid4()}")
    assert gone.status_code == absent.status_code == 404
    assert gone.json() | {"trace_id": "", "instance": ""} == absent.json() | {"trace_id": "", "instance": ""}
    again = await worker.command(f"{share}/revocations")
    assert (again.status_code, again.json()["code"]) == (409, "already_revoked")


async def test_a_share_ends_by_itself(service: Service, clock: SettableClock) -> None:
    pathway, _ = await shared(await service.person(Role.WORKER))
    stranger = await service.agency(SIAO)
    clock.advance(timedelta(days=30, microseconds=-1))
    assert (await stranger.get(pathway)).status_code == 200
    clock.advance(timedelta(microseconds=1))
    assert (await stranger.get(pathway)).status_code == 404
    worker = await service.person(Role.WORKER)
    [listed] = (await worker.get(f"{pathway}/shares")).json()["shares"]
    assert (listed["to_agency"], listed["live"]) == (SIAO, False)


async def test_a_share_that_rests_on_a_consent_falls_with_it(service: Service) -> None:
    worker, stranger = await service.person(Role.CARE_WORKER), await service.agency(SIAO)
    pathway = await worker.opened()
    consent = (await worker.command(f"{pathway}/consents", {"purpose": "sharing", "to_agency": SIAO})).json()["id"]
    body = SHARE | {"basis": "consent", "consent_id": consent, "contents": ["health"]}
    assert (await worker.command(f"{pathway}/shares", body)).status_code == 201
    assert (await stranger.get(pathway)).status_code == 200
    await worker.command(f"{pathway}/consents/{consent}/withdrawals")
    assert (await stranger.get(pathway)).status_code == 404


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to_agency": CCAS}, "shared_with_oneself"),
        ({"until": NOW.isoformat()}, "share_too_long"),
        ({"until": (NOW + timedelta(days=367)).isoformat()}, "share_too_long"),
        ({"contents": ["health"]}, "consent_missing"),
        ({"basis": "consent"}, "consent_missing"),
        ({"consent_id": str(uuid4())}, "consent_missing"),
        ({"basis": "consent", "consent_id": str(uuid4())}, "consent_missing"),
    ],
)
async def test_a_share_that_cannot_stand_is_refused(service: Service, fields: dict[str, Any], code: str) -> None:
    worker = await service.person(Role.CARE_WORKER)
    answer = await worker.command(f"{await worker.opened()}/shares", SHARE | fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_neither_a_key_nor_software_shares(service: Service) -> None:
    key = await service.agency(CCAS)
    pathway = await key.opened()
    assert (await key.command(f"{pathway}/shares", SHARE)).status_code == 403
    assert (await (await service.partner()).command(f"{pathway}/shares", SHARE)).status_code == 403
    on_behalf = await service.partner(member_id=await service.member(Role.WORKER))
    assert (await on_behalf.command(f"{pathway}/shares", SHARE)).status_code == 201


async def test_breaking_the_glass_opens_for_four_hours_and_tells_those_who_review_it(
    service: Service, clock: SettableClock
) -> None:
    pathway = await (await service.agency(CCAS)).opened()
    coordinator = await service.person(Role.COORDINATOR, agency="departement-34")
    agent = await service.person(Role.WORKER, agency=SIAO, sub="ada")
    assert (await agent.get(pathway)).status_code == 404
    answer = await agent.command(f"{pathway}/break-glass", {"motive": MOTIVE})
    assert answer.status_code == 201, answer.text
    assert (await agent.get(pathway)).status_code == 200
    assert (await agent.command(f"{pathway}/contacts", {"channel": "phone"})).status_code == 403
    colleague = await service.person(Role.WORKER, agency=SIAO)
    assert (await colleague.get(pathway)).status_code == 404
    twice = await agent.command(f"{pathway}/break-glass", {"motive": MOTIVE})
    assert (twice.status_code, twice.json()["code"]) == (409, "already_broken")

    assert await service.runtime.follower.caught_up(TERRITORY, answer.json()["position"], 20)
    told = await service.runtime.pool.fetch("SELECT agency, type, pathway, subject_id FROM outbox ORDER BY agency")
    assert [(row["agency"], row["type"], row["pathway"] is None) for row in told] == [
        (CCAS, "unisson.glass.broken.v1", False),
        ("departement-34", "unisson.glass.broken.v1", True),
    ]
    [to_review] = (await coordinator.get("/v1/break-glass")).json()["items"]
    assert to_review["break_glass_id"] == answer.json()["id"] == str(told[0]["subject_id"])
    for hours, status in ((3.9, 200), (0.1, 404)):
        clock.advance(timedelta(hours=hours))
        again = await service.person(agency=SIAO, sub="ada")  # Sessions are shorter than that.
        assert (await again.get(pathway)).status_code == status


async def test_an_unjustified_breaking_closes_at_once_and_nobody_reviews_their_own(service: Service) -> None:
    pathway = await (await service.agency(CCAS)).opened()
    agent = await service.person(Role.WORKER, Role.COORDINATOR, agency=SIAO)
    broken = (await agent.command(f"{pathway}/break-glass", {"motive": MOTIVE})).json()["id"]
    review = {"justified": False, "note": "A neighbour asked."}
    own = await agent.command(f"{pathway}/break-glass/{broken}/reviews", review)
    assert (own.status_code, own.json()["code"]) == (403, "own_review")
    officer, worker = await service.person(Role.DPO), await service.person(Role.WORKER)
    assert (await worker.command(f"{pathway}/break-glass/{broken}/reviews", review)).status_code == 403
    assert (await officer.command(f"{pathway}/break-glass/{broken}/reviews", review)).status_code == 200
    again = await officer.command(f"{pathway}/break-glass/{broken}/reviews", review)
    assert (again.status_code, again.json()["code"]) == (409, "already_reviewed")
    [shown] = (await officer.get(f"{pathway}/shares")).json()["break_glass"]
    assert shown["justified"] is False


async def test_an_agency_with_an_overdue_review_breaks_no_more_glass(service: Service, clock: SettableClock) -> None:
    key, agent = await service.agency(CCAS), await service.person(Role.WORKER, agency=SIAO)
    first, second = await key.opened(), await key.opened()
    broken = await agent.command(f"{first}/break-glass", {"motive": MOTIVE})
    assert await service.runtime.follower.caught_up(TERRITORY, broken.json()["position"], 20)
    clock.advance(timedelta(days=7, seconds=1))
    agent = await service.person(Role.WORKER, agency=SIAO)
    late = await agent.command(f"{second}/break-glass", {"motive": MOTIVE})
    assert (late.status_code, late.json()["code"]) == (403, "reviews_overdue")
    elsewhere = await service.person(Role.WORKER, agency=MISSION_LOCALE)
    assert (await elsewhere.command(f"{second}/break-glass", {"motive": MOTIVE})).status_code == 201
    officer = await service.person(Role.DPO)
    place = f"{first}/break-glass/{broken.json()['id']}/reviews"
    done = await officer.command(place, {"justified": True})
    assert await service.runtime.follower.caught_up(TERRITORY, done.json()["position"], 20)
    assert (await agent.command(f"{second}/break-glass", {"motive": MOTIVE})).status_code == 201


@pytest.mark.parametrize("motive", ["too short", " " * 40])
async def test_a_motive_says_something(service: Service, motive: str) -> None:
    pathway = await (await service.agency(CCAS)).opened()
    agent = await service.person(Role.WORKER, agency=SIAO)
    assert (await agent.command(f"{pathway}/break-glass", {"motive": motive})).status_code in {400, 422}


async def test_the_glass_of_what_is_not_there_is_not_broken(service: Service) -> None:
    agent = await service.person(Role.WORKER, agency=SIAO)
    answer = await agent.command(f"/v1/pathways/{uuid4()}/break-glass", {"motive": MOTIVE})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_pathway")


async def test_an_agency_that_was_asked_to_act_is_still_let_in(service: Service) -> None:
    worker, asked = await service.person(Role.WORKER), await service.person(Role.WORKER, agency=SIAO)
    pathway = await worker.opened()
    await worker.command(f"{pathway}/referrals", {"to_agency": SIAO, "theme": HOUSING})
    assert (await asked.command(f"{pathway}/contacts", {"channel": "phone"})).status_code == 201


async def test_nobody_reviews_their_own_by_signing_in_for_another_agency(service: Service) -> None:
    pathway = await (await service.agency(CCAS)).opened()
    agent = await service.person(Role.WORKER, agency=SIAO, sub="one and the same")
    elsewhere = await service.person(Role.COORDINATOR, agency=MISSION_LOCALE, sub="one and the same")
    broken = (await agent.command(f"{pathway}/break-glass", {"motive": MOTIVE})).json()["id"]
    own = await elsewhere.command(f"{pathway}/break-glass/{broken}/reviews", {"justified": True})
    assert (own.status_code, own.json()["code"]) == (403, "own_review")


async def test_software_reviews_nothing_in_the_name_of_somebody(service: Service) -> None:
    pathway = await (await service.agency(CCAS)).opened()
    agent = await service.person(Role.WORKER, agency=SIAO)
    broken = (await agent.command(f"{pathway}/break-glass", {"motive": MOTIVE})).json()["id"]
    officer = await service.partner(SIAO, member_id=await service.member(Role.DPO, agency=SIAO))
    refused = await officer.command(f"{pathway}/break-glass/{broken}/reviews", {"justified": True})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_what_was_opened_in_an_emergency_is_not_shared_on(service: Service) -> None:
    worker, asked = await service.person(Role.WORKER), await service.person(Role.CARE_WORKER, agency=SIAO)
    pathway = await worker.opened()
    await worker.command(f"{pathway}/referrals", {"to_agency": SIAO, "theme": HOUSING})
    consent = await worker.command(f"{pathway}/consents", {"purpose": "sharing", "to_agency": MISSION_LOCALE})
    share = SHARE | {"to_agency": MISSION_LOCALE, "basis": "consent", "consent_id": consent.json()["id"]}
    assert (await asked.command(f"{pathway}/break-glass", {"motive": MOTIVE})).status_code == 201
    refused = await asked.command(f"{pathway}/shares", share | {"contents": ["health"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await asked.command(f"{pathway}/shares", share | {"contents": ["notes"]})).status_code == 201


async def test_nobody_puts_their_own_agency_in_charge(service: Service) -> None:
    """Its lead would erase the person, and its care workers would open what was never shared with them."""
    ccas, siao = await service.agency(CCAS), await service.agency(SIAO)
    lead, carer = await service.person(Role.LEAD, agency=SIAO), await service.person(Role.CARE_WORKER, agency=SIAO)
    pathway = await ccas.opened()
    health = f"{pathway}/contents?compartments=health&purpose=accompaniment"
    await ccas.command(f"{pathway}/referrals", {"to_agency": SIAO, "theme": HOUSING})
    assert (await siao.command(f"{pathway}/referents", {})).status_code == 201
    assert (await lead.command(f"{pathway}/erasures", {"ground": "person_asked"})).status_code == 403
    assert [(await carer.get(health)).status_code, (await lead.get(f"{pathway}/accesses")).status_code] == [403, 403]
    await ccas.command(f"{pathway}/referents", {})
    assert (await ccas.command(f"{pathway}/referents", {"to_agency": SIAO})).status_code == 201
    assert [(await carer.get(health)).status_code, (await lead.get(f"{pathway}/accesses")).status_code] == [200, 200]
