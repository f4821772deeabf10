"""The list of pathways over HTTP: references, filters, orders, what is shown of each, and everything ill-formed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from domain.clock import SettableClock
from infrastructure.database import Pool
from projections.builds import install
from projections.pathway_timeline import PathwayTimeline
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, Agency, Service, running

NEED = "se-former--monter-son-dossier-de-formation"


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


async def listed(agency: Agency, **params: Any) -> list[dict[str, Any]]:
    response = await agency.get("/v1/pathways", params=params, headers={"Prefer": "wait=5"})
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_where_nothing_was_recorded_nothing_is_missing(ccas: Agency) -> None:
    for asked in ({"at_least": 0}, {}):
        response = await ccas.get("/v1/pathways", params=asked, headers={"Prefer": "wait=30"})
        assert (response.json()["items"], response.headers.get("X-Projection-Lag")) == ([], None)


async def references(agency: Agency, **params: Any) -> list[str]:
    return [line["reference"] for line in await listed(agency, **params)]


async def refused(agency: Agency, query: str) -> list[tuple[str, str]]:
    """(pointer, code) of each fault."""
    response = await agency.get(f"/v1/pathways?{query}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_query"), response.text
    return [(fault["pointer"], fault["code"]) for fault in response.json().get("errors", ())]


async def refer(agency: Agency, pathway: str) -> None:
    response = await agency.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    assert response.status_code == 201


async def test_a_pathway_is_found_by_what_people_call_it(ccas: Agency, mission: Agency) -> None:
    await ccas.opened()
    opening = await ccas.command("/v1/pathways", Prefer="return=representation")
    pathway, reference = opening.headers["location"], opening.json()["reference"]
    await refer(ccas, pathway)
    assert reference == "P-00002"
    assert (await ccas.get(pathway)).json()["reference"] == reference
    for spelt in (reference, "P-2", "P-000000002"):
        assert [f"/v1/pathways/{line['id']}" for line in await listed(ccas, reference=spelt)] == [pathway]
    assert await references(mission, reference=reference) == [reference]


async def test_a_reference_tells_a_stranger_nothing(ccas: Agency, mission: Agency) -> None:
    await ccas.opened()
    assert await listed(ccas, reference="P-00001")
    assert await listed(mission, reference="P-00001") == await listed(mission, reference="P-00099") == []
    assert await listed(ccas, reference="P-" + "9" * 18) == []


async def test_filters_are_taken_together(ccas: Agency, clock: SettableClock) -> None:
    pathways = []
    for _ in range(4):
        pathways.append(await ccas.opened())
        clock.advance(timedelta(days=1))
    await ccas.command(f"{pathways[1]}/suspensions", {"motive": "hospital_stay"})
    await ccas.command(f"{pathways[2]}/relocations", {"to_zone": "34172", "on": "2026-03-01"})
    assert await references(ccas, status="suspended") == ["P-00002"]
    assert await references(ccas, status="closed") == []
    assert await references(ccas, zone="34172") == ["P-00003"]
    second, fourth = (NOW + timedelta(days=days) for days in (1, 3))
    assert await references(ccas, opened_after=second, opened_before=fourth) == ["P-00002", "P-00003"]
    assert await references(ccas, opened_after=second, opened_before=fourth, status="open") == ["P-00003"]
    assert await references(ccas, opened_after=second, sort="-updated") == ["P-00003", "P-00002", "P-00004"]
    assert await references(ccas, zone="34172", status="suspended") == []
    assert await references(ccas, reference="P-00003", zone="34172") == ["P-00003"]
    assert await references(ccas, reference="P-00003", zone="34032") == []
    assert (await ccas.get(pathways[2])).json()["zone"] == "34172"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("opened", [1, 2, 3]), ("-opened", [3, 2, 1]), ("updated", [2, 3, 1]), ("-updated", [1, 3, 2])],
)
async def test_pages_go_on_in_the_order_asked_for(ccas: Agency, sort: str, expected: list[int]) -> None:
    first, *_ = [await ccas.opened() for _ in range(3)]
    await refer(ccas, first)
    found: list[int] = []
    page = await ccas.get("/v1/pathways", params={"sort": sort, "limit": 1, "at_least": 4})
    while page.json()["items"]:
        found += [int(line["reference"].removeprefix("P-")) for line in page.json()["items"]]
        page = await ccas.get(page.links["next"]["url"])
    assert found == expected


async def test_a_cursor_serves_one_order_and_one_set_of_filters(ccas: Agency) -> None:
    for _ in range(2):
        await ccas.opened()
    page = (await ccas.get("/v1/pathways?limit=1&sort=-opened", headers={"Prefer": "wait=5"})).json()
    for other in ("sort=opened", "sort=-updated", "sort=-opened&status=open", "sort=-opened&fields=status"):
        answer = await ccas.get(f"/v1/pathways?limit=1&{other}&cursor={page['next']}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_only_the_fields_asked_for_are_given(ccas: Agency) -> None:
    await ccas.opened()
    assert [set(line) for line in await listed(ccas, fields="reference,status")] == [{"id", "reference", "status"}]
    assert [set(line) for line in await listed(ccas, fields="id")] == [{"id"}]
    assert "alerts" not in (await listed(ccas))[0]


async def test_the_history_of_each_pathway_is_included_on_demand(ccas: Agency) -> None:
    quiet, busy = await ccas.opened(), await ccas.opened()
    await refer(ccas, busy)
    by_id = {f"/v1/pathways/{line['id']}": line for line in await listed(ccas, include="timeline", limit=50)}
    assert [event["type"] for event in by_id[quiet]["timeline"]] == ["pathway.opened"]
    assert by_id[busy]["timeline"] == (await ccas.get(f"{busy}/timeline")).json()["items"]


async def test_alerts_are_included_on_demand_for_whom_they_concern(
    ccas: Agency, mission: Agency, clock: SettableClock
) -> None:
    """Alerts come of the passing of time: until all have come, two answers may differ."""
    waiting = await ccas.opened()
    await refer(ccas, waiting)
    clock.advance(timedelta(days=20))
    for agency in (ccas, mission):
        async with asyncio.timeout(20):
            while True:
                [line] = await listed(agency, include="alerts", fields="id", limit=50)
                told = (await agency.get("/v1/alerts", params={"pathway_id": line["id"]})).json()["items"]
                if told and line["alerts"] == sorted(told, key=itemgetter("position"), reverse=True):
                    break
                await asyncio.sleep(0.05)
        assert {alert["content"]["pathway_id"] for alert in line["alerts"]} == {waiting.rpartition("/")[2]}


async def test_what_is_included_is_bounded_to_the_latest(ccas: Agency) -> None:
    pathway = await ccas.opened()
    for _ in range(25):
        await ccas.command(f"{pathway}/contacts", {"channel": "phone"})
    [line] = await listed(ccas, include="timeline", fields="version", limit=1)
    assert [event["version"] for event in line["timeline"]] == list(range(7, 27))
    assert set(line) == {"id", "version", "timeline"}


ILL_FORMED: list[tuple[str, list[tuple[str, str]]]] = [
    ("statut=open", [("?statut", "unknown_field")]),
    ("status=open&status=closed", [("?status", "said_twice")]),
    ("é=1&é=2", []),
    ("status=gone", [("?status", "unknown_value")]),
    ("status=", [("?status", "unknown_value")]),
    ("zone=Montpellier", [("?zone", "wrong_format")]),
    ("sort=name", [("?sort", "unknown_value")]),
    ("sort=--opened", [("?sort", "unknown_value")]),
    ("reference=412", [("?reference", "wrong_format")]),
    ("reference=P-", [("?reference", "wrong_format")]),
    ("reference=P-0%0A", [("?reference", "wrong_format")]),
    ("reference=P-" + "9" * 19, [("?reference", "wrong_format")]),
    ("fields=name", [("?fields", "wrong_format")]),
    ("fields=id,,status", [("?fields", "wrong_format")]),
    ("fields=id,id", [("?fields", "said_twice")]),
    ("fields=" + "id," * 100 + "id", [("?fields", "wrong_length")]),
    ("include=everything", [("?include", "wrong_format")]),
    ("include=alerts.content", [("?include", "wrong_format")]),
    ("include=alerts,alerts&limit=1", [("?include", "said_twice")]),
    ("include=alerts", [("?limit", "out_of_range")]),
    ("include=timeline&limit=51", [("?limit", "out_of_range")]),
    ("limit=0", [("?limit", "out_of_range")]),
    ("limit=201", [("?limit", "out_of_range")]),
    ("limit=ten", [("?limit", "wrong_type")]),
    ("opened_after=2026-01-01", [("?opened_after", "wrong_format")]),
    ("opened_after=2026-01-01T00:00:00", [("?opened_after", "wrong_format")]),
    ("opened_after=0001-01-01T00:00:00%2B14:00", [("?opened_after", "out_of_range")]),
    ("opened_before=9999-12-31T23:59:59-14:00", [("?opened_before", "out_of_range")]),
    ("opened_after=2026-01-02T00:00:00Z&opened_before=2026-01-02T00:00:00Z", [("?opened_before", "out_of_range")]),
    ("zone=%00", []),
    ("zone=%FF", []),
    ("&".join(f"p{n}=1" for n in range(50)), []),
]


async def test_whatever_is_ill_formed_is_refused_and_says_where(ccas: Agency) -> None:
    assert [(query, await refused(ccas, query)) for query, _ in ILL_FORMED] == ILL_FORMED


async def test_instants_at_the_ends_of_time_are_only_far_away(ccas: Agency) -> None:
    await ccas.opened()
    assert await references(ccas, opened_after="0001-01-01T00:00:00Z") == ["P-00001"]
    assert await references(ccas, opened_before="9999-12-31T23:59:59Z") == ["P-00001"]
    assert await references(ccas, opened_after="9999-12-31T23:59:59.999999Z") == []
    plus = quote("2026-01-01T00:00:00+01:00")
    assert (await ccas.get(f"/v1/pathways?opened_after={plus}")).status_code == 200


async def test_a_list_that_is_still_of_an_earlier_release_says_so(service: Service, ccas: Agency, pool: Pool) -> None:
    """Until its rebuilding is over; nothing of it is a fault of ours."""
    await ccas.opened()
    await install(pool, [PathwayTimeline()])
    await pool.execute("DROP VIEW pathway_participants")
    await pool.execute("CREATE VIEW pathway_participants AS SELECT pathway, territory, agency FROM pathway_timeline")
    answer = await ccas.get("/v1/pathways")
    assert (answer.status_code, answer.json()["code"]) == (503, "view_being_rebuilt")
    assert answer.headers["retry-after"] == "5"
