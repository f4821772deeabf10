"""Responses to alerts over HTTP: who may give which, what everybody then sees, and what comes too late."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.alert import Recipient, Sees
from domain.alert import Role as AlertRole
from domain.clock import SettableClock
from domain.roles import Role
from tests.support.alerted import alert_at, alerts_of, raised, respond, response_of, unanswered
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running

CONTENT = Recipient(CCAS, AlertRole.ACTING, Sees.CONTENT)
ALSO_CONTENT = Recipient(MISSION_LOCALE, AlertRole.ABLE_TO_ACT, Sees.CONTENT)
NOTICE = Recipient("plie", AlertRole.ABLE_TO_ACT, Sees.NOTICE)
UNTIL = (NOW + timedelta(days=30)).isoformat()
RESPONSES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("acknowledgements", {}),
    ("answers", {"answer": "taking"}),
    ("waivers", {"code": "agreed_delay", "until": UNTIL, "text": "On en a parlé."}),
    ("snoozes", {"until": UNTIL, "reason": "Congés."}),
    ("resumptions", {"what": "snooze"}),
    ("disputes", {"reason": "not_relevant"}),
)


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


@pytest.fixture
async def alert_id(service: Service, ccas: Agency) -> str:
    """Of a pathway in which both take part."""
    pathway = await ccas.opened()
    await ccas.command(f"{pathway}/consents", {"purpose": "sharing", "to_agency": MISSION_LOCALE})
    return await raised(service, pathway, CONTENT, ALSO_CONTENT)


async def test_who_takes_it_is_seen_by_all_and_so_is_who_has_not_answered(
    ccas: Agency, mission: Agency, alert_id: str
) -> None:
    taken = await respond(mission, alert_id, "answers", answer="taking")
    seen = await alert_at(ccas, taken)
    assert seen["taken"]
    assert response_of(seen, MISSION_LOCALE)["answer"] == "taking"
    assert response_of(seen, MISSION_LOCALE)["acknowledged_until"] is not None
    assert seen["content"]["not_answered"] == [CCAS]
    assert (seen["waived_until"], seen["snoozed_until"], seen["escalation"]) == (None, None, None)


async def test_two_agencies_that_take_it_in_the_same_instant_are_told_which_one_does(
    ccas: Agency, mission: Agency, alert_id: str
) -> None:
    for _ in range(5):
        both = await asyncio.gather(*(respond(each, alert_id, "answers", answer="taking") for each in (ccas, mission)))
        assert sorted(each.status_code for each in both) == [200, 409]
        [lost] = [each.json() for each in both if each.status_code == 409]
        [winner] = [each for each, said in zip((CCAS, MISSION_LOCALE), both, strict=True) if said.status_code == 200]
        assert (lost["code"], lost["detail"].endswith(f"It is {winner}.")) == ("already_taken", True)
        assert "in_support" in lost["detail"]
        holder = ccas if winner == CCAS else mission
        assert (await respond(holder, alert_id, "answers", answer="in_support")).status_code == 200


async def test_an_agency_that_it_does_not_concern_cannot_tell_that_there_is_one(
    service: Service, alert_id: str
) -> None:
    stranger, absent_id, same = await service.agency("cpam"), str(uuid4()), {"X_Request_Id": "same"}
    for what, body in RESPONSES:
        forged = await stranger.command(f"/v1/alerts/{alert_id}/{what}", body, **same)
        absent = await stranger.command(f"/v1/alerts/{absent_id}/{what}", body, **same)
        assert (forged.status_code, forged.json()["code"]) == (404, "unknown_alert")
        assert forged.text.replace(alert_id, absent_id) == absent.text
    assert len(await service.runtime.log.read_stream(TERRITORY, UUID(alert_id))) == 1


async def test_once_it_is_cleared_there_is_nothing_left_to_say(
    ccas: Agency, mission: Agency, clock: SettableClock
) -> None:
    pathway, referral = await unanswered(ccas, clock)
    [alert] = await alerts_of(mission)
    moved = await mission.command(f"{pathway}/referrals/{referral}/moves", {"status": "rejected", "reason": "full"})
    await mission.get("/v1/alerts", params={"at_least": moved.headers["x-position"]})
    for what, body in RESPONSES:
        late = await respond(mission, alert["id"], what, **body)
        assert (late.status_code, late.json()["code"]) == (409, "alert_over"), what


async def test_lists_tell_apart_what_is_open_put_aside_waived_and_just_cleared(
    service: Service, ccas: Agency, mission: Agency, alert_id: str, clock: SettableClock
) -> None:
    async def listed(agency: Agency, **params: Any) -> list[str]:
        return [each["id"] for each in (await agency.get("/v1/alerts", params=params)).json()["items"]]

    before = (clock.now() - timedelta(seconds=1)).isoformat()
    await alert_at(mission, await respond(mission, alert_id, "snoozes", until=UNTIL, reason="Congés."))
    assert (await listed(mission, status="snoozed"), await listed(mission, status="open")) == ([alert_id], [])
    assert (await listed(ccas, status="snoozed"), await listed(ccas, status="open")) == ([], [alert_id])
    clock.advance(timedelta(hours=1))
    waiver = {"code": "exempt", "until": UNTIL, "text": "Un texte le prévoit."}
    await alert_at(ccas, await respond(ccas, alert_id, "waivers", **waiver))
    assert (await listed(ccas, status="waived"), await listed(ccas, status="open")) == ([alert_id], [])
    assert await listed(ccas, changed_after=before) == [alert_id]
    assert await listed(ccas, changed_after=clock.now().isoformat()) == []
    assert await listed(ccas, recent="true") == [alert_id]
    clock.advance(timedelta(days=31))
    assert (await listed(ccas, status="waived"), await listed(mission, status="snoozed")) == ([], [])
    refused = await ccas.get("/v1/alerts", params={"status": "lost"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")


async def test_the_same_answer_sent_twice_is_one(service: Service, mission: Agency, alert_id: str) -> None:
    first = await mission.command(f"/v1/alerts/{alert_id}/answers", {"answer": "taking"}, Idempotency_Key="once")
    again = await mission.command(f"/v1/alerts/{alert_id}/answers", {"answer": "taking"}, Idempotency_Key="once")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    other = await mission.command(f"/v1/alerts/{alert_id}/answers", {"answer": "in_support"}, Idempotency_Key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    history = await service.runtime.log.read_stream(TERRITORY, UUID(alert_id))
    assert [stored.topic for stored in history].count("alert.answered") == 1
    assert again.json()["version"] == first.json()["version"]


async def test_an_answer_to_another_version_or_revision_than_the_present_one_is_refused(
    mission: Agency, alert_id: str
) -> None:
    first = await respond(mission, alert_id, "acknowledgements")
    stale = await mission.command(f"/v1/alerts/{alert_id}/answers", {"answer": "taking"}, If_Match='"v1"')
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    fresh = await mission.command(
        f"/v1/alerts/{alert_id}/answers", {"answer": "taking"}, If_Match=first.headers["etag"]
    )
    assert fresh.status_code == 200
    other = await respond(mission, alert_id, "answers", answer="taking", revision=2)
    assert (other.status_code, other.json()["code"]) == (409, "other_revision")


SENSELESS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("answers", {"answer": "not_concerned"}, "reason_needed"),
    ("answers", {"answer": "perhaps"}, "invalid_body"),
    ("acknowledgements", {"until": NOW.isoformat()}, "not_in_the_future"),
    ("snoozes", {"until": (NOW + timedelta(days=31)).isoformat(), "reason": "…"}, "too_far"),
    ("snoozes", {"until": UNTIL}, "invalid_body"),
    ("waivers", {"code": "other", "until": (NOW + timedelta(days=367)).isoformat(), "text": "…"}, "too_far"),
    ("waivers", {"code": "because", "until": UNTIL, "text": "…"}, "invalid_body"),
    ("resumptions", {"what": "waiver"}, "nothing_put_aside"),
    ("disputes", {"reason": "boring"}, "invalid_body"),
)


async def test_what_makes_no_sense_is_refused_and_leaves_no_trace(
    service: Service, mission: Agency, alert_id: str
) -> None:
    for what, body, code in SENSELESS:
        refused = await respond(mission, alert_id, what, **body)
        assert (refused.status_code, refused.json()["code"]) == (409 if code == "nothing_put_aside" else 422, code)
    assert len(await service.runtime.log.read_stream(TERRITORY, UUID(alert_id))) == 1


async def test_opening_it_is_recorded_once_by_agency_and_listing_it_is_not(
    service: Service, ccas: Agency, mission: Agency, alert_id: str
) -> None:
    for _ in range(3):
        await mission.get(f"/v1/alerts/{alert_id}")
    history = await service.runtime.log.read_stream(TERRITORY, UUID(alert_id))
    assert [(stored.topic, stored.event.agency) for stored in history[1:]] == [("alert.read", MISSION_LOCALE)]
    [seen] = (await ccas.get("/v1/alerts", params={"at_least": history[-1].position})).json()["items"]
    assert response_of(seen, MISSION_LOCALE)["read_at"] is not None


async def test_a_bare_notice_can_be_answered_and_its_content_not_judged(service: Service, ccas: Agency) -> None:
    alert_id = await raised(service, await ccas.opened(), CONTENT, NOTICE)
    notified = await service.agency("plie")
    shown = (await notified.get(f"/v1/alerts/{alert_id}")).json()
    assert (shown["content"], shown["sees"]) == (None, "notice")
    for what, body in RESPONSES:
        if what in {"waivers", "disputes"}:
            refused = await respond(notified, alert_id, what, **body)
            assert (refused.status_code, refused.json()["code"]) == (403, "notice_only")
    await respond(ccas, alert_id, "answers", answer="taking")
    refused = await respond(notified, alert_id, "answers", answer="taking")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_taken")
    assert CCAS not in refused.text
    seen = await alert_at(notified, await respond(notified, alert_id, "answers", answer="in_support"))
    assert (seen["taken"], [each["agency"] for each in seen["responses"]]) == (True, ["plie"])


async def test_an_agency_whose_right_has_ended_answers_no_more(service: Service, ccas: Agency, mission: Agency) -> None:
    """It was told the content while it took part; it never does again on the strength of that."""
    alert_id = await raised(service, await ccas.opened(), CONTENT, ALSO_CONTENT)
    for what, body in RESPONSES:
        refused = await respond(mission, alert_id, what, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "right_ended"), what
    assert (await mission.get(f"/v1/alerts/{alert_id}")).status_code == 404


async def test_a_lead_may_answer_and_an_auditor_may_not(service: Service, alert_id: str) -> None:
    lead = await service.person(Role.LEAD, agency=MISSION_LOCALE)
    seen = await alert_at(lead, await respond(lead, alert_id, "answers", answer="in_support"))
    assert response_of(seen, MISSION_LOCALE)["answer"] == "in_support"
    auditor = await service.person(Role.INTEGRITY_AUDITOR, agency=MISSION_LOCALE)
    refused = await respond(auditor, alert_id, "answers", answer="taking")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_required")


async def test_what_was_written_is_opened_by_a_person_for_a_purpose_and_logged_first(
    service: Service, mission: Agency, ccas: Agency, alert_id: str
) -> None:
    written = "Le dossier attend une pièce."
    await respond(mission, alert_id, "disputes", reason="data_error", text=written)
    history = f"/v1/alerts/{alert_id}/history"
    assert written not in (await ccas.get(history)).text
    refused = await ccas.get(history, params={"notes_for": "accompaniment"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    worker = await service.person(Role.WORKER, agency=CCAS)
    elsewhere = await worker.get(history, params={"notes_for": "emergency"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "purpose_required")
    assert await accesses(service) == 0
    opened = (await worker.get(history, params={"notes_for": "accompaniment"})).json()["items"]
    assert [step["note"] for step in opened] == [None, written]
    assert await accesses(service) == 1


async def accesses(service: Service) -> int:
    count: int = await service.runtime.pool.fetchval("SELECT count(*) FROM events WHERE topic = 'access.opened'")
    return count


async def test_of_a_bare_notice_the_history_is_what_its_own_agency_did_and_what_time_did(
    service: Service, ccas: Agency
) -> None:
    alert_id = await raised(service, await ccas.opened(), CONTENT, NOTICE)
    notified, history = await service.agency("plie"), f"/v1/alerts/{alert_id}/history"
    await respond(ccas, alert_id, "answers", answer="taking")
    await respond(notified, alert_id, "acknowledgements")
    steps = (await notified.get(history)).json()["items"]
    assert [(step["type"], step["agency"]) for step in steps] == [
        ("alert.raised", "unisson"),
        ("alert.acknowledged", "plie"),
    ]
    assert (steps[1]["after"]["taken"], steps[1]["after"]["taken_by"]) == (True, None)
    refused = await notified.get(history, params={"notes_for": "accompaniment"})
    assert (refused.status_code, refused.json()["code"]) == (403, "notice_only")
    stranger = await service.agency("cpam")
    assert (await stranger.get(history)).json()["code"] == "unknown_alert"
