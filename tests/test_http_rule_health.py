"""How rules fare, over HTTP: who sees whose figures, for which days, as JSON or as a table for a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from application.access import USUAL_SCOPES, Scope
from application.civil_time import PARIS
from domain.clock import SettableClock
from domain.roles import Role
from tests.support.alerted import alerts_of, unanswered
from tests.support.service import CCAS, MISSION_LOCALE, NOW, Agency, Service, running

STEERING = USUAL_SCOPES | {Scope.STEER}


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture(scope="module")
async def service(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, clock: SettableClock
) -> AsyncIterator[Service]:
    """A referral that the mission locale did not answer in time: an alert for it and for the CCAS. Only read here."""
    async with running(module_database_url, tmp_path_factory.mktemp("health"), clock=clock) as service:
        ccas = await service.agency(CCAS)
        await unanswered(ccas, clock)
        await alerts_of(ccas)
        yield service


async def health(client: Agency, path: str = "/v1/rules/health", **params: str) -> list[dict[str, Any]]:
    response = await client.get(path, params=params, headers={"Prefer": "wait=5"})
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_who_steers_sees_every_agency_and_the_others_their_own(service: Service) -> None:
    software = await service.agency("departement-34", scopes=STEERING)
    coordinator = await service.person(Role.COORDINATOR, agency="departement-34")
    for client in (software, coordinator):
        [whole] = await health(client)
        assert (whole["agency"], whole["raised"], whole["still_open"]) == (None, 1, 1)
        assert {line["agency"] for line in await health(client, by="agency")} == {CCAS, MISSION_LOCALE}
        assert [line["agency"] for line in await health(client, agency=CCAS)] == [CCAS]
    lead = await service.person(Role.LEAD, agency=MISSION_LOCALE)
    for client in (lead, await service.agency(MISSION_LOCALE)):
        assert [line["agency"] for line in await health(client, by="agency")] == [MISSION_LOCALE]
        refused = await client.get("/v1/rules/health", params={"agency": CCAS})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert await health(await service.agency("caf-34")) == []


async def test_neither_workers_nor_the_steering_committee_see_figures(service: Service) -> None:
    for role in (Role.WORKER, Role.CARE_WORKER, Role.STEERING, Role.DPO, Role.STATISTICS_AUDITOR):
        client = await service.person(role)
        assert (await client.get("/v1/rules/health")).status_code == 403, role


async def test_one_rule_is_told_by_its_name(service: Service) -> None:
    client = await service.agency("departement-34", scopes=STEERING)
    [line] = await health(client)
    assert await health(client, f"/v1/rules/{line['rule']}/health") == [line]
    assert await health(client, "/v1/rules/silence-90/health") == []
    unknown = await client.get("/v1/rules/no-such-rule/health")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_rule")


async def test_a_period_is_of_whole_days_of_the_territory(service: Service, clock: SettableClock) -> None:
    client = await service.agency("departement-34", scopes=STEERING)
    [alert] = (await (await service.agency(CCAS)).get("/v1/alerts")).json()["items"]
    day = datetime.fromisoformat(alert["raised_at"]).astimezone(PARIS).date().isoformat()
    assert len(await health(client, **{"from": day, "to": day})) == 1
    page = (await client.get("/v1/rules/health")).json()
    assert page["to"] == clock.now().date().isoformat()
    clock.advance(timedelta(days=10))
    later = (clock.now() - timedelta(days=1)).date().isoformat()
    [line] = await health(client, **{"from": later})
    assert (line["raised"], line["review_told"]) == (0, 1), "it still stands"
    for first, last in (("2026-05-02", "2026-05-01"), ("0001-01-01", "0001-01-05"), ("2026-01-01", "9999-12-31")):
        refused = await client.get("/v1/rules/health", params={"from": first, "to": last})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_query")


async def test_a_spreadsheet_gets_every_line_as_a_table(service: Service) -> None:
    client = await service.agency("departement-34", scopes=STEERING)
    lines = await health(client, by="agency")
    table = await client.get("/v1/rules/health", params={"by": "agency", "limit": "1"}, headers={"Accept": "text/csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [(row["rule"], row["agency"], row["raised"]) for row in rows] == [
        (line["rule"], line["agency"], str(line["raised"])) for line in lines
    ]
    assert {"disputed_rule_too_strict", "cleared_done_late"} < rows[0].keys()


async def test_lines_come_in_pages(service: Service) -> None:
    client = await service.agency("departement-34", scopes=STEERING)
    lines = await health(client, by="agency")
    first = await client.get("/v1/rules/health", params={"by": "agency", "limit": "1"})
    last = await client.get(first.links["next"]["url"])
    assert first.json()["items"] + last.json()["items"] == lines
    assert last.json()["next"] is None
