"""The inbox over HTTP: one card per pathway, what is nearly due, days of quiet alerts; each agency its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.clock import SettableClock
from tests.support.eventually import PATIENCE_SECONDS
from tests.support.following import TRAINING_NEED
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, Agency, Service, running

DAY = timedelta(days=1)


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


async def referral(ccas: Agency, **fields: str) -> str:
    """A request to the mission locale, in a pathway otherwise in step: the pathway's id."""
    pathway = await ccas.opened()
    await ccas.command(f"{pathway}/referents", {})
    await ccas.command(f"{pathway}/diagnoses", {"needs": [{"theme": HOUSING}]})
    await ccas.command(f"{pathway}/consents", {"purpose": "sharing", "to_agency": MISSION_LOCALE})
    asked = {"to_agency": MISSION_LOCALE, "theme": HOUSING} | fields
    answer = await ccas.command(f"{pathway}/referrals", asked)
    assert answer.status_code == 201, answer.text
    await ccas.get("/v1/inbox", params={"at_least": answer.headers["x-position"]})
    return pathway.rpartition("/")[2]


Items = list[dict[str, Any]]


async def items_of(agency: Agency, path: str, are_there: Callable[[Items], object] = bool) -> Items:
    """Once they are there."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            items: Items = (await agency.get(path)).json()["items"]
            if are_there(items):
                return items
            await asyncio.sleep(0.02)


async def test_one_card_per_pathway_in_both_languages(service: Service, ccas: Agency, clock: SettableClock) -> None:
    pathway = await referral(ccas)
    clock.advance(21 * DAY)
    [card] = await items_of(ccas, "/v1/inbox/cards")
    assert (card["id"], card["pathway_id"], card["open"], card["severity"]) == (pathway, pathway, 1, "warning")
    assert card["title"] == {"fr": "1 écart", "en": "1 out of step"}
    assert (await ccas.get(f"/v1/alerts/{card['alerts'][0]}")).json()["content"]["pathway_id"] == pathway
    [line] = await items_of(ccas, "/v1/inbox?kind=alert")
    assert (line["id"], line["severity"], line["level"]) == (card["alerts"][0], "warning", None)
    stranger = await service.agency("cpam")
    for path in ("/v1/inbox/cards", "/v1/inbox/due-soon", "/v1/inbox/summaries"):
        assert (await stranger.get(path)).json() == {"items": [], "next": None}


async def test_cards_come_in_pages_whose_cursors_are_good_for_nothing_else(
    service: Service, ccas: Agency, clock: SettableClock
) -> None:
    pathways = {await referral(ccas) for _ in range(3)}
    clock.advance(21 * DAY)
    await items_of(ccas, "/v1/inbox/cards", lambda items: len(items) == 3)
    first = (await ccas.get("/v1/inbox/cards?limit=2")).json()
    rest = (await ccas.get(f"/v1/inbox/cards?limit=2&cursor={first['next']}")).json()
    assert {card["id"] for card in first["items"] + rest["items"]} == pathways
    assert rest["next"] is None
    mission = await service.agency(MISSION_LOCALE)
    for agency, path in ((mission, "cards"), (ccas, "due-soon"), (ccas, "summaries")):
        foreign = await agency.get(f"/v1/inbox/{path}?limit=2&cursor={first['next']}")
        assert (foreign.status_code, foreign.json()["code"]) == (400, "invalid_cursor")


async def test_what_is_nearly_due_is_counted_on_its_card_and_listed(ccas: Agency, clock: SettableClock) -> None:
    pathway = await referral(ccas)
    clock.advance(6 * DAY)
    nearly = await items_of(ccas, "/v1/inbox/due-soon")
    assert {each["pathway_id"] for each in nearly} == {pathway}
    assert all(each["closes"] <= each["alert_at"] for each in nearly)
    assert (await ccas.get("/v1/inbox/cards")).json()["items"] == []
    assert (await ccas.get(f"/v1/alerts/{nearly[0]['alert_id']}")).status_code == 404
    clock.advance(15 * DAY)
    [card] = await items_of(ccas, "/v1/inbox/cards")
    left = (await ccas.get("/v1/inbox/due-soon")).json()["items"]
    assert card["due_soon"] == len(left)


async def test_what_was_long_over_when_it_was_recorded_is_counted_not_told(ccas: Agency) -> None:
    pathway = await ccas.opened()
    long_ago = (NOW - 400 * DAY).date().isoformat()
    told = await ccas.command(f"{pathway}/diagnoses", {"needs": [{"theme": TRAINING_NEED}], "on": long_ago})
    assert told.status_code == 201, told.text
    [summary] = await items_of(ccas, "/v1/inbox/summaries")
    assert summary["day"] == NOW.date().isoformat()
    assert summary["alerts"] == summary["still_open"] >= 1
    assert (await ccas.get("/v1/inbox?kind=alert")).json()["items"] == []
