"""An auditor of cases replays what the mandate names, as it was known, and nothing else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
import pytest

from api.browser import SESSION_COOKIE
from application.access import Caller, Means, Scope
from domain.clock import SettableClock
from domain.compartments import Compartment
from domain.roles import Role
from tests.support.alerted import alerts_of, unanswered
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, Agency, Service, running

DEPARTMENT = "departement-34"


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


class Person:
    """Somebody of the département, who signs in anew for each request: time passes here faster than sessions last."""

    def __init__(self, service: Service, member_id: UUID) -> None:
        self.id = str(member_id)
        self._service = service
        self._member_id = member_id

    async def get(self, address: str, **options: Any) -> httpx2.Response:
        return await (await self._signed_in()).get(address, **options)

    async def command(self, address: str, body: Any = None, **headers: str) -> httpx2.Response:
        return await (await self._signed_in()).command(address, body, **headers)

    async def _signed_in(self) -> Agency:
        shown = await self._service.runtime.sessions.open(TERRITORY, DEPARTMENT, self._member_id)
        return await self._service.client({"Cookie": f"{SESSION_COOKIE}={shown}", "X-Unisson-Request": "1"})


async def somebody(service: Service, *roles: Role) -> Person:
    return Person(service, await service.member(*roles, agency=DEPARTMENT))


class Audit(NamedTuple):
    """Those who mandate, and who is mandated."""

    officer: Person
    proposer: Person
    auditor: Person


@pytest.fixture
async def audit(service: Service) -> Audit:
    officer, proposer = await somebody(service, Role.DPO), await somebody(service, Role.LEAD)
    return Audit(officer, proposer, await somebody(service, Role.CASE_AUDITOR))


async def mandate(audit: Audit, clock: SettableClock, *pathways: str, **changes: Any) -> str:
    """Proposed and signed; its address."""
    proposed = await audit.proposer.command("/v1/mandates", proposal(audit, clock, *pathways, **changes))
    assert proposed.status_code == 201, proposed.text
    signed = await audit.officer.command(f"{proposed.headers['location']}/signatures")
    assert signed.status_code == 200, signed.text
    return str(proposed.headers["location"])


def proposal(audit: Audit, clock: SettableClock, *pathways: str, **changes: Any) -> dict[str, Any]:
    now = clock.now()
    return {
        "kind": "case",
        "auditor_agency": DEPARTMENT,
        "auditor": audit.auditor.id,
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(days=30)).isoformat(),
        "reference": "DPO-2026-014",
        "pathways": [pathway.rpartition("/")[2] for pathway in pathways],
    } | changes


def audited(pathway: str) -> str:
    return pathway.replace("/v1/", "/v1/audit/")


async def head(service: Service) -> int:
    return await service.runtime.log.head(TERRITORY)


async def test_a_mandate_opens_the_pathways_it_names_and_no_other(
    ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    named, other = await ccas.opened(), await ccas.opened()
    await mandate(audit, clock, named)
    seen = await audit.auditor.get(audited(named))
    assert seen.status_code == 200, seen.text
    assert seen.json()["pathway"] == (await ccas.get(named)).json()
    same = {"X-Request-Id": "same"}
    absent = await audit.auditor.get(f"/v1/audit/pathways/{uuid4()}", headers=same)
    for part in ("", "/timeline", "/facts", "/verdicts", "/differences?since=1"):
        foreign = await audit.auditor.get(f"{audited(other)}{part}", headers=same)
        path = foreign.url.path
        assert (foreign.status_code, foreign.text) == (404, absent.text.replace(absent.url.path, path))
    assert [each["id"] for each in (await audit.auditor.get("/v1/audit/pathways")).json()["items"]] == [
        named.rpartition("/")[2]
    ]


async def test_every_view_is_as_it_was_read_then(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    """Read by the agency before the answer came, replayed by the auditor after it."""
    mission = await service.agency(MISSION_LOCALE)
    pathway, referral = await unanswered(ccas, clock)
    await alerts_of(ccas)
    position, at = await head(service), clock.now().isoformat()
    facts, obligations = (await ccas.get(f"{pathway}/facts")).json(), (await ccas.get(f"{pathway}/obligations")).json()
    timeline, inbox = (await ccas.get(f"{pathway}/timeline")).json(), (await mission.get("/v1/inbox")).json()
    alerts = (await mission.get("/v1/alerts")).json()

    clock.advance(timedelta(days=1))
    answered = await mission.command(f"{pathway}/referrals/{referral}/moves", {"status": "accepted"})
    await ccas.get("/v1/alerts", params={"at_least": answered.headers["x-position"]}, headers={"Prefer": "wait=10"})
    assert (await mission.get("/v1/inbox")).json() != inbox
    await mandate(audit, clock, pathway)

    for moment in (position, at):
        then = {"known_at": str(moment)}
        place = audited(pathway)
        assert (await audit.auditor.get(f"{place}/facts", params=then)).json()["items"] == facts["items"]
        assert (await audit.auditor.get(f"{place}/verdicts", params=then)).json()["items"] == obligations["items"]
        assert (await audit.auditor.get(f"{place}/timeline", params=then)).json()["items"] == timeline["items"]
        replayed = (await audit.auditor.get(f"/v1/audit/inboxes/{MISSION_LOCALE}", params=then)).json()
        assert replayed["items"] == inbox["items"]
        [alert] = (await audit.auditor.get("/v1/audit/alerts", params=then | {"agency": MISSION_LOCALE})).json()[
            "items"
        ]
        [known] = alerts["items"]
        assert (alert["id"], alert["status"], alert["told"]["position"]) == (known["id"], "open", known["position"])
        assert alert["evidence"] == known["content"]["evidence"]
    [alert] = (await audit.auditor.get("/v1/audit/alerts")).json()["items"]
    assert (alert["status"], alert["told"]["cleared_because"]) == ("cleared", "done_late")
    [change] = [
        each
        for each in (await audit.auditor.get(f"{audited(pathway)}/differences", params={"since": position})).json()[
            "items"
        ]
        if each["key"].endswith(f"/facts/{referral}")
    ]
    assert (change["before"]["attrs"]["status"], change["after"]["attrs"]["status"]) == ("requested", "accepted")


async def test_what_was_learnt_late_was_so_on_the_day_and_not_known_then(
    ccas: Agency, audit: Audit, clock: SettableClock, service: Service
) -> None:
    pathway = await ccas.opened(on="2026-02-20")
    before = await head(service)
    clock.advance(timedelta(days=10))
    assert (await ccas.command(f"{pathway}/contacts", {"channel": "phone", "on": "2026-03-01"})).status_code == 201
    await mandate(audit, clock, pathway)
    place = f"{audited(pathway)}/facts"

    async def types(**params: object) -> list[str]:
        answer = await audit.auditor.get(place, params={name: str(value) for name, value in params.items()})
        return [fact["type"] for fact in answer.json()["items"]]

    assert await types(known_at=before) == ["opened"]
    assert await types(true_on="2026-03-01") == ["contact"]
    assert await types(true_on="2026-03-02") == []
    assert await types(true_on="2026-02-20") == ["opened"]
    absent = await audit.auditor.get(place, params={"true_on": "2026-02-19"})
    assert (absent.status_code, absent.json()["code"]) == (404, "unknown_pathway")


async def test_an_alert_that_should_have_been_there_is_seen_on_its_day(
    ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    """What was out of step on a day, in the light of what was known later: told or not."""
    pathway, referral = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    await mandate(audit, clock, pathway)
    day = (NOW + timedelta(days=15)).date().isoformat()
    [found] = (await audit.auditor.get("/v1/audit/alerts", params={"true_on": day})).json()["items"]
    assert (found["id"], found["activation"], found["status"]) == (alert["id"], referral, "open")
    [item] = [
        each
        for each in (await audit.auditor.get(f"/v1/audit/inboxes/{CCAS}", params={"true_on": day})).json()["items"]
        if each["kind"] == "alert"
    ]
    assert item["id"] == alert["id"]
    early = (NOW + timedelta(days=2)).date().isoformat()
    assert (await audit.auditor.get("/v1/audit/alerts", params={"true_on": early})).json()["items"] == []


async def test_the_future_is_not_replayed(ccas: Agency, audit: Audit, clock: SettableClock, service: Service) -> None:
    pathway = await ccas.opened()
    await mandate(audit, clock, pathway)
    tomorrow = clock.now() + timedelta(days=1)
    for params in (
        {"known_at": str(await head(service) + 100)},
        {"known_at": tomorrow.isoformat()},
        {"true_on": tomorrow.date().isoformat()},
    ):
        refused = await audit.auditor.get(audited(pathway), params=params)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_moment")


async def test_pages_of_a_replay_follow_one_another(ccas: Agency, audit: Audit, clock: SettableClock) -> None:
    pathways = [await ccas.opened() for _ in range(5)]
    await mandate(audit, clock, *pathways)
    seen, address = [], "/v1/audit/pathways?limit=2"
    for _ in range(3):
        page = await audit.auditor.get(address)
        seen += [each["id"] for each in page.json()["items"]]
        address = page.links.get("next", {}).get("url", "")
    assert (sorted(seen), address) == (sorted(each.rpartition("/")[2] for each in pathways), "")


async def test_why_an_alert_was_raised_is_worked_out_again(ccas: Agency, audit: Audit, clock: SettableClock) -> None:
    pathway, _ = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    await mandate(audit, clock, pathway)
    why = (await audit.auditor.get(f"/v1/audit/alerts/{alert['id']}/why")).json()
    assert (why["differs_in"], why["status"]) == ([], "violated_open")
    assert why["rule"] == f"{alert['content']['rule']}@{alert['content']['rule_version']}"
    assert (why["calendar"], why["known_at"]) == (alert["content"]["calendar"], alert["content"]["known_at"])
    assert why["rule_document"]["rule"] == alert["content"]["rule"]
    assert [event["type"] for event in why["events"]] == ["referral.requested"]
    told = (await ccas.get(f"/v1/alerts/{alert['id']}/explanation")).json()
    assert {name: why[name] for name in ("fr", "en", "window", "activation", "matched", "near_misses")} == {
        name: told[name] for name in ("fr", "en", "window", "activation", "matched", "near_misses")
    }
    same = {"X-Request-Id": "same"}
    before = {"known_at": str(alert["position"] - 1)}
    early = await audit.auditor.get(f"/v1/audit/alerts/{alert['id']}/why", params=before, headers=same)
    assert (early.status_code, early.json()["code"]) == (404, "unknown_alert")


async def test_what_an_agency_could_see_follows_shares_and_their_ends(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    worker = await service.person(Role.WORKER)
    pathway = await ccas.opened()
    hidden = await head(service)
    until = (clock.now() + timedelta(days=5)).isoformat()
    body = {"to_agency": "cpam", "purpose": "accompaniment", "basis": "casf-l121-6-2", "contents": ["identity"]}
    shared = await worker.command(f"{pathway}/shares", body | {"until": until})
    assert shared.status_code == 201, shared.text
    while_shared = clock.now().isoformat()
    clock.advance(timedelta(days=6))
    await mandate(audit, clock, pathway)

    async def sight(agency: str, known_at: object) -> list[tuple[str, str, str]]:
        address = f"/v1/audit/agencies/{agency}/sight"
        [item] = (await audit.auditor.get(address, params={"known_at": str(known_at)})).json()["items"]
        return [(each["capacity"], each["action"], each["relation"]) for each in item["open"]]

    assert await sight("cpam", hidden) == []
    assert ("worker", "open_identity", "share") in await sight("cpam", while_shared)
    assert ("care_worker", "open_health", "share") not in await sight("cpam", while_shared)
    assert await sight("cpam", clock.now().isoformat()) == []
    assert ("worker", "write_case", "owner") in await sight(CCAS, hidden)


async def test_nobody_replays_without_a_mandate_of_their_own(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    pathway = await ccas.opened()
    assert await code(audit.auditor, audited(pathway)) == "mandate_required"
    await mandate(audit, clock, pathway)
    assert await code(audit.auditor, audited(pathway)) is None
    colleague = await somebody(service, Role.CASE_AUDITOR)
    assert await code(colleague, audited(pathway)) == "mandate_required"
    for caller in (ccas, audit.officer, audit.proposer, await somebody(service, Role.OPERATOR)):
        assert await code(caller, audited(pathway)) in ("scope_required", "forbidden")


async def code(caller: Agency | Person, address: str) -> str | None:
    answer = await caller.get(address)
    return None if answer.status_code == 200 else str(answer.json()["code"])


async def test_a_mandate_opens_between_its_dates_only(ccas: Agency, audit: Audit, clock: SettableClock) -> None:
    pathway = await ccas.opened()
    begins, ends = clock.now() + timedelta(days=1), clock.now() + timedelta(days=3)
    await mandate(audit, clock, pathway, begins_at=begins.isoformat(), ends_at=ends.isoformat())
    opened = []
    for moment in (begins - timedelta(seconds=1), begins, ends - timedelta(seconds=1), ends):
        clock.set(moment)
        opened.append(await code(audit.auditor, audited(pathway)))
    assert opened == ["mandate_required", None, None, "mandate_required"]


async def test_a_revoked_mandate_opens_nothing_from_the_next_request_on(
    ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    pathway = await ccas.opened()
    address = await mandate(audit, clock, pathway)
    assert await code(audit.auditor, audited(pathway)) is None
    assert (await audit.officer.command(f"{address}/revocations")).status_code == 200
    assert await code(audit.auditor, audited(pathway)) == "mandate_required"
    again = await audit.officer.command(f"{address}/revocations")
    assert (again.status_code, again.json()["position"]) == (200, 0)


async def test_whoever_signs_is_neither_proposer_nor_auditor(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    pathway = await ccas.opened()
    own = await audit.officer.command("/v1/mandates", proposal(audit, clock, pathway))
    alone = await audit.officer.command(f"{own.headers['location']}/signatures")
    assert (alone.status_code, alone.json()["code"]) == (403, "mandate_needs_another")
    both = await somebody(service, Role.DPO, Role.CASE_AUDITOR)
    proposed = await audit.proposer.command("/v1/mandates", proposal(audit, clock, pathway, auditor=both.id))
    for_oneself = await both.command(f"{proposed.headers['location']}/signatures")
    assert (for_oneself.status_code, for_oneself.json()["code"]) == (403, "mandate_needs_another")
    unable = await audit.proposer.command(f"{own.headers['location']}/signatures")
    assert (unable.status_code, unable.json()["code"]) == (403, "forbidden")
    assert await code(audit.auditor, audited(pathway)) == "mandate_required"


async def test_the_log_says_which_pathways_an_auditor_opened_and_nothing_is_opened_unsaid(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await ccas.opened(), await ccas.opened()
    address = await mandate(audit, clock, first, second)
    for _ in range(2):
        assert await code(audit.auditor, audited(first)) is None
    clock.advance(timedelta(days=1))
    await audit.auditor.get("/v1/audit/alerts")
    uses = (await audit.officer.get(f"{address}/uses")).json()["items"]
    ids = [each.rpartition("/")[2] for each in (first, second)]
    assert [(use["pathway_id"], use["day"]) for use in uses] == [
        (ids[0], "2026-03-02"),
        *((each, "2026-03-03") for each in sorted(ids)),
    ]
    clock.advance(timedelta(days=1))

    async def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(service.runtime.log, "append", fail)
    refused = await audit.auditor.get(audited(first))
    assert refused.status_code == 500
    assert ids[0] not in refused.text.replace(refused.url.path, "")


async def test_mandates_are_read_by_those_whom_they_concern(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    address = await mandate(audit, clock, await ccas.opened())
    for person in (audit.officer, audit.proposer, audit.auditor):
        read = (await person.get(address)).json()
        assert (read["state"], read["kind"]) == ("open", "case")
        assert [each["id"] for each in (await person.get("/v1/mandates")).json()["items"]] == [read["id"]]
    colleague = await somebody(service, Role.CASE_AUDITOR)
    for other in (colleague, ccas, await service.agency(DEPARTMENT)):
        assert (await other.get("/v1/mandates")).json()["items"] == []
        assert (await other.get(address)).json()["code"] == "unknown_mandate"
    pretender = await service.agency(DEPARTMENT)
    pretending = await pretender.get(address, headers={"X-Agent": audit.auditor.id})
    assert (pretending.status_code, pretending.json()["code"]) == (400, "invalid_agent")


async def test_of_a_restricted_person_nothing_is_replayed_whatever_the_moment(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    pathway = await ccas.opened()
    before = str(await head(service))
    await mandate(audit, clock, pathway)
    restricted = await audit.officer.command(f"{pathway}/restrictions", {"ground": "accuracy_contested"})
    assert restricted.status_code == 201, restricted.text
    assert await code(audit.auditor, f"{audited(pathway)}/facts?known_at={before}") == "person_restricted"
    for address in ("/v1/audit/pathways", f"/v1/audit/inboxes/{CCAS}", "/v1/audit/differences?since=0"):
        assert (await audit.auditor.get(address)).json()["items"] == []
    await audit.officer.command(f"{pathway}/restrictions/liftings")
    assert await code(audit.auditor, f"{audited(pathway)}/facts?known_at={before}") is None


async def test_of_an_erased_person_a_replay_shows_that_something_happened_and_no_more(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    pathway, _ = await unanswered(ccas, clock)
    [alert] = await alerts_of(ccas)
    before = {"known_at": str(alert["position"])}
    await mandate(audit, clock, pathway)
    subject = await service.runtime.pool.fetchval("SELECT subject FROM events WHERE position = $1", alert["position"])
    await service.runtime.vault.keys.destroy(TERRITORY, subject, list(Compartment))
    seen = (await audit.auditor.get(audited(pathway), params=before)).json()["pathway"]
    assert (seen["status"], seen["entries"]) == ("erased", [])
    timeline = (await audit.auditor.get(f"{audited(pathway)}/timeline", params=before)).json()["items"]
    assert timeline[0]["type"] == "pathway.opened"
    assert all(event["summary"] == {} for event in timeline)
    for part in ("/facts", "/verdicts"):
        assert (await audit.auditor.get(f"{audited(pathway)}{part}", params=before)).json()["items"] == []
    assert (await audit.auditor.get("/v1/audit/alerts", params=before)).json()["items"] == []
    assert await code(audit.auditor, f"/v1/audit/alerts/{alert['id']}/why") == "cannot_be_judged_again"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"ends_at": "2026-03-02T08:00:00Z"}, "mandate_dates"),
        ({"ends_at": "2026-09-02T08:00:00Z"}, "mandate_too_long"),
        ({"pathways": []}, "mandate_names_pathways"),
        ({"kind": "integrity"}, "mandate_names_pathways"),
        ({"kind": "everything"}, "invalid_body"),
        ({"reference": "an audit of Ada Lovelace"}, "invalid_body"),
    ],
)
async def test_a_mandate_that_makes_no_sense_is_refused(
    audit: Audit, clock: SettableClock, changes: dict[str, Any], refused: str
) -> None:
    body = proposal(audit, clock, f"/{uuid4()}") | changes
    answer = await audit.proposer.command("/v1/mandates", body)
    assert (answer.status_code, answer.json()["code"]) == (422, refused)


async def test_sent_again_a_proposal_is_recorded_once(audit: Audit, clock: SettableClock) -> None:
    body, key = proposal(audit, clock, f"/{uuid4()}"), {"Idempotency-Key": "one"}
    answers = [await audit.proposer.command("/v1/mandates", body, **key) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await audit.proposer.get("/v1/mandates")).json()["items"]) == 1


async def test_an_auditor_of_integrity_or_statistics_opens_no_pathway(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    pathway = await ccas.opened()
    for role, kind in ((Role.INTEGRITY_AUDITOR, "integrity"), (Role.STATISTICS_AUDITOR, "statistics")):
        auditor = await somebody(service, role)
        await mandate(audit, clock, kind=kind, auditor=auditor.id)
        for address in (audited(pathway), "/v1/audit/alerts", pathway, f"{pathway}/contents?compartments=identity"):
            assert await code(auditor, address) in ("scope_required", "forbidden")


async def test_software_that_speaks_for_everybody_mandates_nobody(
    service: Service, ccas: Agency, audit: Audit, clock: SettableClock
) -> None:
    """It would propose in the name of one and sign in the name of another."""
    pathway = await ccas.opened()
    lead = await service.partner(DEPARTMENT, member_id=UUID(audit.proposer.id))
    officer = await service.partner(DEPARTMENT, member_id=UUID(audit.officer.id))
    refused = await lead.command("/v1/mandates", proposal(audit, clock, pathway))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    proposed = await audit.proposer.command("/v1/mandates", proposal(audit, clock, pathway))
    unsigned = await officer.command(f"{proposed.headers['location']}/signatures")
    assert (unsigned.status_code, unsigned.json()["code"]) == (403, "forbidden")


async def test_an_auditor_without_a_mandate_has_no_scope_left_either(service: Service, audit: Audit) -> None:
    caller = Caller(
        territory=TERRITORY,
        agency=DEPARTMENT,
        agent=audit.auditor.id,
        means=Means.SERVICE,
        roles=frozenset({Role.CASE_AUDITOR}),
        scopes=frozenset({Scope.AUDIT_CASE}),
    )
    limited = await service.runtime.mandates.limited(caller)
    assert (limited.roles, limited.scopes) == (frozenset(), frozenset())
