"""Alerts and the inbox over HTTP: each agency sees what it may, and no more."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.clock import SettableClock
from domain.roles import Role
from tests.support.alerted import alerts_of, unanswered
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, Agency, Service, running


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path, clock=clock) as service:
        yield service


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


@pytest.fixture
async def mission(service: Service) -> Agency:
    return await service.agency(MISSION_LOCALE)


async def test_an_unanswered_referral_alerts_both_agencies_with_its_evidence(
    ccas: Agency, mission: Agency, clock: SettableClock
) -> None:
    pathway, referral = await unanswered(ccas, clock)
    for agency in (ccas, mission):
        [alert] = await alerts_of(agency)
        assert alert["status"] == "open"
        assert alert["sees"] == "content"
        assert alert["content"]["pathway_id"] == pathway.rpartition("/")[2]
        assert alert["content"]["activation"] == referral
        assert (await agency.get(f"/v1/alerts/{alert['id']}")).json() == alert


async def test_an_agency_not_concerned_sees_no_alert_and_cannot_tell_that_there_is_one(
    service: Service, ccas: Agency, clock: SettableClock
) -> None:
    await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    stranger = await service.agency("cpam")
    assert (await stranger.get("/v1/alerts")).json() == {"items": [], "next": None}
    foreign = await stranger.get(f"/v1/alerts/{alert['id']}", headers={"X-Request-Id": "same"})
    absent_id = str(uuid4())
    absent = await stranger.get(f"/v1/alerts/{absent_id}", headers={"X-Request-Id": "same"})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_alert")
    assert foreign.text.replace(alert["id"], absent_id) == absent.text


async def test_alerts_are_filtered(ccas: Agency, clock: SettableClock) -> None:
    pathway, _ = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    rule = alert["content"]["rule"]
    for params, found in (
        ({"status": "open"}, 1),
        ({"status": "cleared"}, 0),
        ({"rule": rule}, 1),
        ({"rule": "no-such-rule"}, 0),
        ({"pathway_id": pathway.rpartition("/")[2]}, 1),
        ({"pathway_id": str(uuid4())}, 0),
    ):
        assert len((await ccas.get("/v1/alerts", params=params)).json()["items"]) == found
    first = await ccas.get("/v1/alerts", params={"status": "open", "limit": 1})
    assert "status=open" in first.links["next"]["url"]
    last = await ccas.get(first.links["next"]["url"])
    assert (last.json(), dict(last.links)) == ({"items": [], "next": None}, {})


async def test_the_obligation_behind_an_alert_can_be_read(ccas: Agency, clock: SettableClock) -> None:
    pathway, referral = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    obligations = (await ccas.get(f"{pathway}/obligations")).json()
    [broken] = [each for each in obligations["items"] if each["rule"] == alert["content"]["rule"]]
    assert broken["status"] == "violated_open"
    assert broken["activation"] == referral
    assert broken["raised"] is True


async def test_why_an_alert_is_there_is_told_to_who_sees_its_content(
    service: Service, ccas: Agency, mission: Agency, clock: SettableClock
) -> None:
    _, referral = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    for agency in (ccas, mission):
        told = (await agency.get(f"/v1/alerts/{alert['id']}/explanation")).json()
        assert told["rule"] == f"{alert['content']['rule']}@{alert['content']['rule_version']}"
        assert (told["status"], told["known_at"]) == ("violated_open", alert["content"]["known_at"])
        assert set(told["activation"]) == {"fact_id", "type", "agency", "start", "state", "position"}
        assert (told["activation"]["fact_id"], told["activation"]["agency"]) == (referral, CCAS)
        assert "inclus" in told["window"]["fr"]
        assert "included" in told["window"]["en"]
        assert told["fr"] != told["en"]
        assert HOUSING not in str(told)


async def test_a_bare_notice_is_explained_to_nobody(service: Service, ccas: Agency, clock: SettableClock) -> None:
    await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    stranger, same = await service.agency("cpam"), {"X-Request-Id": "same"}
    await service.runtime.pool.execute("UPDATE alert_recipients SET sees = 'notice'")
    assert (await ccas.get(f"/v1/alerts/{alert['id']}")).json()["content"] is None
    absent_id = str(uuid4())
    absent = await ccas.get(f"/v1/alerts/{absent_id}/explanation", headers=same)
    assert (absent.status_code, absent.json()["code"]) == (404, "unknown_alert")
    for agency in (ccas, stranger):
        refused = await agency.get(f"/v1/alerts/{alert['id']}/explanation", headers=same)
        assert refused.text.replace(alert["id"], absent_id) == absent.text


async def test_an_alert_of_a_rule_that_nobody_knows_cannot_be_explained(
    service: Service, ccas: Agency, clock: SettableClock
) -> None:
    await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    await service.runtime.pool.execute("UPDATE alerts SET rule = 'forgotten'")
    refused = await ccas.get(f"/v1/alerts/{alert['id']}/explanation")
    assert (refused.status_code, refused.json()["code"]) == (410, "cannot_be_explained")


async def test_a_referral_to_answer_is_in_the_inbox_until_it_is_answered(ccas: Agency, mission: Agency) -> None:
    pathway = await ccas.opened()
    asked = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    referral = asked.json()["id"]
    inbox = await mission.get("/v1/inbox", params={"at_least": asked.headers["x-position"]})
    [item] = inbox.json()["items"]
    assert (item["id"], item["kind"]) == (referral, "referral_to_answer")
    assert item["pathway_id"] == pathway.rpartition("/")[2]

    answered = await mission.command(f"{pathway}/referrals/{referral}/moves", {"status": "rejected", "reason": "full"})
    inbox = await mission.get("/v1/inbox", params={"at_least": answered.headers["x-position"]})
    assert inbox.json()["items"] == []
    assert (await ccas.get("/v1/inbox")).json()["items"] == []


async def test_an_inbox_is_read_page_by_page(ccas: Agency, mission: Agency) -> None:
    asked = []
    for _ in range(5):
        pathway = await ccas.opened()
        answer = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
        asked.append(answer.json()["id"])
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2, "at_least": 10}
    while True:
        page = (await mission.get("/v1/inbox", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert sorted(seen) == sorted(asked)
    assert len(seen) == len(set(seen))
    narrowed = params | {"kind": "alert"}
    refused = await mission.get("/v1/inbox", params=narrowed)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


async def test_an_agency_that_no_longer_takes_part_is_shown_no_more_of_an_alert(
    ccas: Agency, mission: Agency, clock: SettableClock
) -> None:
    pathway = await ccas.opened()
    referral = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    await ccas.get("/v1/inbox", params={"at_least": referral.headers["x-position"]})
    clock.advance(timedelta(days=21))
    [told] = await alerts_of(mission, rule="referral-acknowledged")
    assert told["content"]["pathway_id"] == pathway.rpartition("/")[2]
    seen = (await ccas.get(pathway)).headers["etag"]
    taken_back = await ccas.command(f"{pathway}/entries/{referral.json()['id']}/retractions", {}, If_Match=seen)
    assert taken_back.status_code == 200, taken_back.text
    place, at_least = f"/v1/alerts/{told['id']}", {"at_least": taken_back.headers["x-position"]}
    assert (await mission.get(f"{place}/explanation")).status_code == 404
    assert (await mission.get(place, params=at_least)).json()["code"] == "unknown_alert"
    for listed in ("alerts", "inbox", "inbox/cards"):  # Not even that it is over, later.
        assert (await mission.get(f"/v1/{listed}", params=at_least)).json()["items"] == []
    assert (await ccas.get(f"{place}/explanation")).status_code == 200


async def test_of_a_restricted_person_no_list_shows_more_than_that(
    service: Service, ccas: Agency, clock: SettableClock
) -> None:
    pathway, _ = await unanswered(ccas, clock)
    await alerts_of(ccas)
    officer = await service.person(Role.DPO)
    restricted = await officer.command(f"{pathway}/restrictions", {"ground": "accuracy_contested"})
    at_least = {"at_least": str(restricted.json()["position"])}
    assert {alert["content"] for alert in (await ccas.get("/v1/alerts", params=at_least)).json()["items"]} == {None}
    including = {"include": "alerts,timeline", "limit": "10"} | at_least
    [line] = (await ccas.get("/v1/pathways", params=including)).json()["items"]
    assert (line["status"], line.get("alerts"), line.get("timeline")) == ("restricted", None, None)
