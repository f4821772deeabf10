"""Pathways over HTTP: opening, commands, conditions, reading one's own writes."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from application.pathways import Pathways
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, Agency, Service, running


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


@pytest.fixture
async def mission(service: Service) -> Agency:
    return await service.agency(MISSION_LOCALE)


async def referred(ccas: Agency, pathway: str) -> str:
    response = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def test_an_opened_pathway_answers_where_it_is_and_how_far_the_log_went(ccas: Agency) -> None:
    response = await ccas.command("/v1/pathways", {"given_name": "Zoé"})
    assert response.status_code == 201
    body = response.json()
    assert body == {"id": body["pathway_id"], "pathway_id": body["pathway_id"], "version": 1, "position": 1}
    assert response.headers["location"] == f"/v1/pathways/{body['pathway_id']}"
    assert response.headers["etag"] == '"v1"'
    assert response.headers["x-position"] == "1"


async def test_a_referral_is_answered_by_the_agency_it_was_sent_to(ccas: Agency, mission: Agency) -> None:
    pathway = await ccas.opened()
    referral = await referred(ccas, pathway)
    answer = await mission.command(f"{pathway}/referrals/{referral}/moves", {"status": "accepted"})
    assert answer.status_code == 201
    entry = (await ccas.get(f"{pathway}/entries/{referral}")).json()
    assert entry["attrs"]["status"] == "accepted"


async def test_what_the_domain_refuses_is_a_problem_with_its_code_and_its_place(ccas: Agency, mission: Agency) -> None:
    pathway = await ccas.opened()
    referral = await referred(ccas, pathway)
    response = await mission.command(f"{pathway}/referrals/{referral}/moves", {"status": "rejected"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == "reason_required"
    assert problem["type"] == "/problems/reason_required"
    assert problem["errors"][0]["pointer"] == "/reason"


async def test_a_read_says_what_is_coded_and_never_a_name(ccas: Agency) -> None:
    pathway = await ccas.opened(given_name="Canari", family_name="Secret")
    response = await ccas.get(pathway)
    assert response.status_code == 200
    assert response.json()["participants"] == [CCAS]
    assert response.json()["status"] == "open"
    assert "Canari" not in response.text
    assert "Secret" not in response.text


async def test_a_foreign_pathway_and_an_absent_one_give_the_same_answer(ccas: Agency, mission: Agency) -> None:
    pathway = await ccas.opened()
    foreign = await mission.get(pathway, headers={"X-Request-Id": "same"})
    absent_id = str(uuid4())
    absent = await mission.get(f"/v1/pathways/{absent_id}", headers={"X-Request-Id": "same"})
    assert foreign.status_code == absent.status_code == 404
    own_id = pathway.rpartition("/")[2]
    assert foreign.text.replace(own_id, absent_id) == absent.text
    assert dict(foreign.headers) == dict(absent.headers)


async def test_a_foreign_pathway_takes_as_long_to_refuse_as_an_absent_one(service: Service, ccas: Agency) -> None:
    """Nothing is kept in memory here: a foreign pathway is read, opened and folded each time."""
    runtime, stranger = service.runtime, await service.agency("cpam")
    runtime.pathways = Pathways(runtime.log, runtime.clock, kept=0, refusal_step_seconds=0.1)
    foreign = await ccas.opened()
    for _ in range(30):
        await ccas.command(f"{foreign}/contacts", {"channel": "phone"})

    async def seconds(path: str) -> float:
        began = time.monotonic()
        assert (await stranger.get(path)).status_code == 404
        return time.monotonic() - began

    took = [min([await seconds(path) for _ in range(5)]) for path in (foreign, f"/v1/pathways/{uuid4()}")]
    assert abs(took[0] - took[1]) < 0.005
    assert min(took) >= 0.1


async def test_a_command_on_a_foreign_pathway_is_refused_like_one_on_an_absent_one(
    ccas: Agency, mission: Agency
) -> None:
    pathway = await ccas.opened()
    body = {"to_agency": CCAS, "theme": HOUSING}
    for path in (pathway, f"/v1/pathways/{uuid4()}"):
        refused = await mission.command(f"{path}/referrals", body)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_pathway")


async def test_the_same_command_again_is_answered_the_same_and_recorded_once(ccas: Agency) -> None:
    pathway = await ccas.opened()
    body = {"to_agency": MISSION_LOCALE, "theme": HOUSING}
    first = await ccas.command(f"{pathway}/referrals", body, Idempotency_Key="k-1")
    again = await ccas.command(f"{pathway}/referrals", body, Idempotency_Key="k-1")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (await ccas.get(pathway)).json()["version"] == 2


async def test_a_repeated_command_that_would_now_be_refused_is_still_answered_as_it_was(
    ccas: Agency, mission: Agency
) -> None:
    pathway = await ccas.opened()
    referral = await referred(ccas, pathway)
    move = f"{pathway}/referrals/{referral}/moves"
    first = await mission.command(move, {"status": "accepted"}, Idempotency_Key="k", If_Match='"v2"')
    assert first.status_code == 201
    again = await mission.command(move, {"status": "accepted"}, Idempotency_Key="k", If_Match='"v2"')
    assert again.status_code == 201
    assert again.json() == first.json()


async def test_an_idempotency_key_serves_for_one_request_only(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING}, Idempotency_Key="k")
    other = await ccas.command(f"{pathway}/referrals", {"to_agency": "cpam", "theme": HOUSING}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_two_agencies_may_use_the_same_idempotency_key(ccas: Agency, mission: Agency) -> None:
    mine = await ccas.command("/v1/pathways", Idempotency_Key="1")
    theirs = await mission.command("/v1/pathways", Idempotency_Key="1")
    assert mine.status_code == theirs.status_code == 201
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize("key", [None, "", "with space", "é", "x" * 256])
async def test_a_post_without_a_good_idempotency_key_is_refused(ccas: Agency, key: str | None) -> None:
    headers = [] if key is None else [(b"Idempotency-Key", key.encode())]
    response = await ccas.post("/v1/pathways", json={}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")


async def test_a_stale_version_is_refused_and_says_what_was_missed(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await referred(ccas, pathway)
    body = {"to_agency": "cpam", "theme": HOUSING}
    response = await ccas.command(f"{pathway}/referrals", body, If_Match='"v1"')
    assert response.status_code == 412
    problem = response.json()
    assert problem["code"] == "stale_version"
    assert problem["current_version"] == 2
    assert problem["changed"] == [{"version": 2, "type": "referral.requested"}]
    fresh = await ccas.command(f"{pathway}/referrals", body, If_Match='"v2"')
    assert fresh.status_code == 201


async def test_closing_asks_which_version_was_seen(ccas: Agency) -> None:
    pathway = await ccas.opened()
    blind = await ccas.command(f"{pathway}/closures", {"outcome": "employment"})
    assert (blind.status_code, blind.json()["code"]) == (428, "version_required")


@pytest.mark.parametrize("value", ["v1", '"1"', 'W/"v1"', '"v1", "v2"', '"v99999999999999999999"'])
async def test_an_ill_formed_version_is_refused(ccas: Agency, value: str) -> None:
    pathway = await ccas.opened()
    response = await ccas.command(f"{pathway}/referrals", {"to_agency": "cpam", "theme": HOUSING}, If_Match=value)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_version")


async def test_an_unchanged_pathway_is_not_sent_again(ccas: Agency) -> None:
    pathway = await ccas.opened()
    etag = (await ccas.get(pathway)).headers["etag"]
    unchanged = await ccas.get(pathway, headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    await referred(ccas, pathway)
    assert (await ccas.get(pathway, headers={"If-None-Match": etag})).status_code == 200


async def test_the_whole_pathway_is_answered_when_preferred(ccas: Agency) -> None:
    response = await ccas.command("/v1/pathways", Prefer="return=representation")
    assert response.status_code == 201
    assert response.headers["preference-applied"] == "return=representation"
    assert response.json()["entries"][0]["type"] == "opened"


async def test_the_usual_answer_is_said_to_be_minimal_when_that_is_preferred(ccas: Agency) -> None:
    response = await ccas.command("/v1/pathways", Prefer="return=minimal")
    assert response.headers["preference-applied"] == "return=minimal"
    assert response.json().keys() == {"id", "pathway_id", "version", "position"}
    assert "preference-applied" not in (await ccas.command("/v1/pathways")).headers


async def test_who_acted_is_the_agent_named_by_the_agency(ccas: Agency) -> None:
    pathway = await ccas.opened()
    body = {"to_agency": MISSION_LOCALE, "theme": HOUSING}
    await ccas.command(f"{pathway}/referrals", body, X_Agent="w-17")
    facts = (await ccas.get(f"{pathway}/facts")).json()["items"]
    assert [fact["actor"] for fact in facts if fact["type"] == "referral"] == ["w-17"]


async def test_facts_can_be_read_as_they_were_known(ccas: Agency) -> None:
    opening = await ccas.command("/v1/pathways")
    pathway, position = opening.headers["location"], opening.json()["position"]
    await referred(ccas, pathway)
    now = (await ccas.get(f"{pathway}/facts")).json()
    then = (await ccas.get(f"{pathway}/facts", params={"known_at": position})).json()
    assert [fact["type"] for fact in now["items"]] == ["opened", "referral"]
    assert [fact["type"] for fact in then["items"]] == ["opened"]
    assert (await ccas.get(f"{pathway}/facts", params={"known_at": 0})).status_code == 404


async def test_a_write_is_read_back_from_the_timeline_at_once(ccas: Agency) -> None:
    pathway = await ccas.opened()
    response = await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    timeline = await ccas.get(f"{pathway}/timeline", params={"at_least": response.headers["x-position"]})
    assert [item["type"] for item in timeline.json()["items"]] == ["pathway.opened", "referral.requested"]
    assert "x-projection-lag" not in timeline.headers


async def test_a_position_that_never_comes_is_waited_for_and_then_answered_with_the_lag(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await ccas.get(f"{pathway}/timeline", headers={"Prefer": "wait=5"})
    late = await ccas.get(f"{pathway}/timeline", params={"at_least": 51}, headers={"Prefer": "wait=0"})
    assert late.status_code == 200
    assert late.headers["x-projection-lag"] == "50"
    assert late.headers["preference-applied"] == "wait=0"


async def test_timelines_are_read_page_by_page(ccas: Agency) -> None:
    pathway = await ccas.opened()
    for _ in range(4):
        await referred(ccas, pathway)
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        params = {"after": after, "limit": 2, "at_least": 5}
        page = (await ccas.get(f"{pathway}/timeline", params=params)).json()
        seen += [item["version"] for item in page["items"]]
        after = page["next_after"]
    assert seen == [1, 2, 3, 4, 5]


async def test_every_page_leads_to_the_next_one_by_its_link(ccas: Agency, mission: Agency) -> None:
    pathways = [await ccas.opened() for _ in range(3)]
    for pathway in pathways:
        await referred(ccas, pathway)
    timeline = await ccas.get(f"{pathways[0]}/timeline", params={"limit": 1, "at_least": 6})
    assert timeline.links["next"]["url"] == f"{pathways[0]}/timeline?limit=1&after=1"
    for agency, address in ((ccas, "/v1/pathways?limit=1"), (mission, "/v1/inbox?kind=referral_to_answer&limit=1")):
        seen: list[str] = []
        page = await agency.get(address, params={"at_least": 6})
        while True:
            seen += [item["id"] for item in page.json()["items"]]
            if "next" not in page.links:
                break
            assert "at_least" not in page.links["next"]["url"]
            page = await agency.get(page.links["next"]["url"])
        assert len(seen) == len(set(seen)) == 3


async def test_an_agency_lists_the_pathways_it_takes_part_in_and_no_other(ccas: Agency, mission: Agency) -> None:
    shared = await ccas.opened()
    mine = [shared, *[await ccas.opened() for _ in range(3)]]
    await referred(ccas, shared)
    assert await listed(ccas, 2) == mine
    assert await listed(mission, 2) == [shared]


async def listed(agency: Agency, limit: int) -> list[str]:
    """Every page, followed by its cursor."""
    found: list[str] = []
    params: dict[str, str | int] = {"limit": limit}
    while True:
        response = await agency.get("/v1/pathways", params=params, headers={"Prefer": "wait=5"})
        page = response.json()
        found += [f"/v1/pathways/{line['id']}" for line in page["items"]]
        if page["next"] is None:
            return found
        assert response.headers["link"] == f'</v1/pathways?limit={limit}&cursor={page["next"]}>; rel="next"'
        params["cursor"] = page["next"]


async def test_a_cursor_serves_only_whom_it_was_given_to(ccas: Agency, mission: Agency) -> None:
    for _ in range(2):
        await referred(ccas, await ccas.opened())
    page = (await ccas.get("/v1/pathways", params={"limit": 1}, headers={"Prefer": "wait=5"})).json()
    stolen = await mission.get("/v1/pathways", params={"limit": 1, "cursor": page["next"]})
    forged = await ccas.get("/v1/pathways", params={"cursor": page["next"][:-2] + "AA"})
    for refused in (stolen, forged, await ccas.get("/v1/pathways", params={"cursor": "é{}"})):
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


async def test_every_event_carries_the_request_that_caused_it(ccas: Agency, service: Service) -> None:
    request_id = str(uuid4())
    response = await ccas.command("/v1/pathways", X_Request_Id=request_id)
    assert response.headers["x-request-id"] == request_id
    [stored] = await service.runtime.log.page("FR-34", after=0)
    assert stored.correlation_id == UUID(request_id)


async def test_without_a_request_id_events_carry_the_trace_of_the_request(ccas: Agency, service: Service) -> None:
    trace = uuid4()
    await ccas.command("/v1/pathways", traceparent=f"00-{trace.hex}-{'cd' * 8}-01")
    own = str(uuid4())
    await ccas.command("/v1/pathways", traceparent=f"00-{trace.hex}-{'cd' * 8}-01", X_Request_Id=own)
    ill_formed = f"00-{'0' * 32}-{'cd' * 8}-01"
    answer = await ccas.command("/v1/pathways", traceparent=ill_formed)
    stored = await service.runtime.log.page("FR-34", after=0)
    assert [str(each.correlation_id) for each in stored] == [str(trace), own, answer.headers["x-request-id"]]
