"""Alerts over HTTP: a referral that nobody answered, and what agencies say of the alert that it makes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from application.event_log import Commit
from domain.alert import Finding, Found, Recipient, decide
from domain.clock import SettableClock
from projections.alert_board import AlertBoard
from tests.support.service import HOUSING, MISSION_LOCALE, TERRITORY, Agency, Service


async def unanswered(ccas: Agency, clock: SettableClock) -> tuple[str, str]:
    """A referral that nobody answered in time, in a pathway otherwise in step: its pathway and its id."""
    pathway = await ccas.opened()
    await ccas.command(f"{pathway}/referents", {})
    await ccas.command(f"{pathway}/diagnoses", {"needs": [{"theme": HOUSING}]})
    await ccas.command(f"{pathway}/consents", {"purpose": "sharing", "to_agency": MISSION_LOCALE})
    referral = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    await ccas.get("/v1/inbox", params={"at_least": referral.headers["x-position"]})
    clock.advance(timedelta(days=21))
    return pathway, referral.json()["id"]


async def alerts_of(agency: Agency, **params: str) -> list[dict[str, Any]]:
    """Once there are some."""
    async with asyncio.timeout(10):
        while True:
            items: list[dict[str, Any]] = (await agency.get("/v1/alerts", params=params)).json()["items"]
            if items:
                return items
            await asyncio.sleep(0.05)


async def raised(service: Service, pathway: str, *recipients: Recipient, severity: str = "warning") -> str:
    """An alert on this pathway that concerns whom it is said to, as the rules would record it; its id."""
    runtime, pathway_id, alert_id = service.runtime, UUID(pathway.rpartition("/")[2]), uuid4()
    now, known_at = runtime.clock.now(), await runtime.log.head(TERRITORY)
    [opening, *_] = await runtime.log.read_stream(TERRITORY, pathway_id)
    found = Found(
        on=now,
        known_at=known_at,
        finding=Finding(
            pathway=pathway_id,
            rule="silence-90",
            version=1,
            severity=severity,
            activation=str(pathway_id),
            at=now,
        ),
        recipients=recipients,
    )
    event = decide(alert_id, None, found)
    assert event is not None
    appended = await runtime.log.append(
        TERRITORY,
        Commit(
            stream_id=alert_id, expected_version=0, events=[event], subject=opening.subject, causation_id=pathway_id
        ),
    )
    await runtime.follower.caught_up(TERRITORY, appended.last_position, 10, [AlertBoard.name])
    return str(alert_id)


async def respond(agency: Agency, alert_id: str, what: str, /, **body: Any) -> httpx2.Response:
    """`what` is the collection that it goes to: answers, waivers…"""
    return await agency.command(f"/v1/alerts/{alert_id}/{what}", body)


async def alert_at(agency: Agency, response: httpx2.Response) -> dict[str, Any]:
    """The alert that was responded to, once the board shows that."""
    assert response.status_code == 200, response.text
    said = response.json()
    read = await agency.get(f"/v1/alerts/{said['alert_id']}", params={"at_least": said["position"]})
    assert read.status_code == 200, read.text
    found: dict[str, Any] = read.json()
    return found


def response_of(alert: dict[str, Any], agency: str) -> dict[str, Any]:
    [found] = [each for each in alert["responses"] if each["agency"] == agency]
    return dict(found)
