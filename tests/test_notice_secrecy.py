"""Who has a bare notice of an alert cannot work out what it is about, by filters, histories or figures."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from application.event_log import Commit
from domain.alert import ClearedBecause, Recipient, Resolved, Role, Sees, decide
from domain.clock import SettableClock
from tests.support.alerted import raised, respond
from tests.support.service import CCAS, NOW, TERRITORY, Agency, Service, running

PLIE = "plie"
RECIPIENTS = (Recipient(CCAS, Role.ACTING, Sees.CONTENT), Recipient(PLIE, Role.ABLE_TO_ACT, Sees.NOTICE))


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
async def plie(service: Service) -> Agency:
    return await service.agency(PLIE)


@pytest.fixture
async def alert_id(service: Service, ccas: Agency) -> str:
    return await raised(service, await ccas.opened(), *RECIPIENTS)


async def test_a_filter_by_rule_answers_of_a_notice_as_if_there_were_none(plie: Agency, alert_id: str) -> None:
    """Not even that there is a next page."""
    for limit in (1, 100):
        answers = [
            await plie.get("/v1/alerts", params={"rule": rule, "limit": limit}) for rule in ("silence-90", "other")
        ]
        assert [answer.json() for answer in answers] == [{"items": [], "next": None}] * 2
        assert "link" not in answers[0].headers
    [listed] = (await plie.get("/v1/alerts")).json()["items"]
    assert (listed["id"], listed["content"]) == (alert_id, None)


async def test_the_history_of_a_notice_does_not_say_why_it_was_cleared(
    service: Service, ccas: Agency, plie: Agency, alert_id: str
) -> None:
    await cleared(service, alert_id)
    reasons = {}
    for agency in (ccas, plie):
        [*_, last] = (await agency.get(f"/v1/alerts/{alert_id}/history")).json()["items"]
        assert last["type"] == "alert.cleared"
        reasons[agency] = last["reason"]
    assert reasons == {ccas: "suspended", plie: None}


async def cleared(service: Service, alert_id: str) -> None:
    log, now = service.runtime.log, service.runtime.clock.now() + timedelta(seconds=1)
    history = await log.read_stream(TERRITORY, UUID(alert_id))
    alert = None
    for stored in history:
        alert = stored.event.mutate(alert)
    event = decide(
        UUID(alert_id), alert, Resolved(on=now, known_at=await log.head(TERRITORY), reason=ClearedBecause.SUSPENDED)
    )
    assert event is not None
    await log.append(
        TERRITORY,
        Commit(stream_id=UUID(alert_id), expected_version=len(history), events=[event], subject=history[0].subject),
    )


async def test_a_notice_does_not_show_when_others_read_acknowledge_or_dispute_it(
    service: Service, ccas: Agency, plie: Agency, alert_id: str, clock: SettableClock
) -> None:
    """Only what is told to everybody it concerns: that somebody takes it."""
    place = f"/v1/alerts/{alert_id}"
    before = (await plie.get(place)).json() | {"responses": []}
    clock.advance(timedelta(hours=1))
    await ccas.get(place)
    await respond(ccas, alert_id, "acknowledgements")
    await respond(ccas, alert_id, "snoozes", until=(NOW + timedelta(days=3)).isoformat(), reason="Congés.")
    disputed = await respond(ccas, alert_id, "disputes", reason="data_error")
    shown = {"at_least": disputed.json()["position"]}
    assert (await plie.get(place, params=shown)).json() | {"responses": []} == before
    since = {"changed_after": (NOW + timedelta(minutes=1)).isoformat()}
    assert (await plie.get("/v1/alerts", params=shown | since)).json()["items"] == []
    assert [each["id"] for each in (await ccas.get("/v1/alerts", params=since)).json()["items"]] == [alert_id]
    taken = await respond(ccas, alert_id, "answers", answer="taking")
    [seen] = (await plie.get("/v1/alerts", params=since | {"at_least": taken.json()["position"]})).json()["items"]
    assert (seen["taken"], seen["position"] > before["position"]) == (True, True)


async def test_the_figures_of_an_agency_leave_out_the_rules_that_it_only_had_notices_of(
    service: Service, ccas: Agency, plie: Agency, alert_id: str
) -> None:
    await respond(plie, alert_id, "acknowledgements")
    head = await service.runtime.log.head(TERRITORY)
    params = {"at_least": head}
    assert [line["rule"] for line in (await ccas.get("/v1/rules/health", params=params)).json()["items"]] == [
        "silence-90"
    ]
    assert (await plie.get("/v1/rules/health", params=params)).json()["items"] == []
    assert (await plie.get("/v1/rules/silence-90/health", params=params)).json()["items"] == []
    table = await plie.get("/v1/rules/health", params=params, headers={"Accept": "text/csv"})
    assert "silence-90" not in table.text
