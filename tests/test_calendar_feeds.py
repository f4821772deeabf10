"""Calendar feeds: what a calendar program reads at its address, and when it reads nothing any more."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from icalendar import Calendar, Event

from application.credentials import CALENDAR, new_credential
from domain.clock import SettableClock
from domain.roles import Role
from tests.support.service import HOUSING, MISSION_LOCALE, NOW, Agency, Service, running

TOMORROW = NOW + timedelta(days=1)
NAME = "Xylophone"


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture(scope="module")
async def service(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, clock: SettableClock
) -> AsyncIterator[Service]:
    async with running(module_database_url, tmp_path_factory.mktemp("calendars"), clock=clock) as service:
        yield service


@pytest.fixture
def slug() -> str:
    """An agency of the test's own."""
    return f"agency-{uuid4().hex[:8]}"


@pytest.fixture
async def agency(service: Service, slug: str) -> Agency:
    return await service.agency(slug)


class Shown(NamedTuple):
    """One event, as a calendar program understands it."""

    uid: str
    summary: str
    start: datetime
    end: datetime
    status: str
    transp: str
    sequence: int


def understood(event: Event) -> Shown:
    start, end = event.start, event.end
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    texts = (str(event[name]) for name in ("uid", "summary", "status", "transp"))
    uid, summary, status, transp = texts
    return Shown(uid, summary, start, end, status, transp, int(event.sequence))


async def feed_of(agency: Agency, **body: Any) -> tuple[str, str]:
    """A new feed's id, and the path of its address."""
    made = await agency.command("/v1/calendar-feeds", body)
    assert made.status_code == 201, made.text
    return made.json()["id"], urlsplit(made.json()["secret"]).path


async def booked(
    agency: Agency, pathway: str, start: datetime = TOMORROW, *, agent: str = "agent-7", **body: Any
) -> httpx2.Response:
    times = {"start": start.isoformat(), "end": (start + timedelta(minutes=45)).isoformat()}
    answer = await agency.command(f"{pathway}/appointments", times | body, X_Agent=agent)
    assert answer.status_code == 201, answer.text
    return answer


async def shown(service: Service, path: str) -> list[Shown]:
    """What a calendar program finds, once all that is recorded is folded."""
    await service.runtime.follower.caught_up("FR-34", await service.runtime.log.head("FR-34"), 10)
    program = await service.client()
    answer = await program.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    return [understood(event) for event in Calendar.from_ical(answer.text).events]


async def refused(service: Service, path: str) -> str:
    answer = await (await service.client()).get(path, headers={"X-Request-Id": "same"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_calendar")
    assert "un_cf" not in answer.text
    return answer.text


async def test_an_agent_reads_the_appointments_that_they_booked(service: Service, agency: Agency) -> None:
    pathway = await agency.opened(given_name=NAME)
    await booked(agency, pathway)
    await booked(agency, pathway, TOMORROW + timedelta(hours=2), agent="agent-8")
    _, path = await feed_of(agency, agent="agent-7")
    [event] = await shown(service, path)
    reference = (await agency.get(pathway)).json()["reference"]
    assert event.summary == f"Rendez-vous {reference}"
    assert (event.start, event.end) == (TOMORROW, TOMORROW + timedelta(minutes=45))
    assert str(event.start.tzinfo) == "Europe/Paris"
    assert event.status == "CONFIRMED"


async def test_the_whole_agency_has_a_calendar_too_in_either_language(service: Service, agency: Agency) -> None:
    pathway = await agency.opened()
    for hours, agent in enumerate(("agent-7", "agent-8")):
        await booked(agency, pathway, TOMORROW + timedelta(hours=hours), agent=agent)
    _, path = await feed_of(agency, whose="agency", language="en")
    events = await shown(service, path)
    assert len(events) == 2
    assert {event.summary.partition(" ")[0] for event in events} == {"Appointment"}


async def test_nothing_that_a_person_said_or_is_called_is_in_it(service: Service, agency: Agency, slug: str) -> None:
    pathway = await agency.opened(given_name=NAME, family_name=NAME)
    referral = await agency.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
    await booked(agency, pathway, note=NAME, referral_id=referral.json()["id"])
    _, path = await feed_of(agency, whose="agency")
    await shown(service, path)
    text = (await (await service.client()).get(path)).text
    for canary in (NAME, HOUSING, "logement", slug, "agent-7", pathway.rpartition("/")[2], "LOCATION", "DESCRIPTION"):
        assert canary not in text


async def test_an_appointment_keeps_its_identity_whatever_becomes_of_it(
    service: Service, agency: Agency, clock: SettableClock
) -> None:
    pathway = await agency.opened()
    entry = (await booked(agency, pathway)).json()["id"]
    _, path = await feed_of(agency, whose="agency")
    [first] = await shown(service, path)
    later = TOMORROW + timedelta(hours=3)
    moved = {"start_at": later.isoformat(), "end_at": (later + timedelta(minutes=30)).isoformat()}
    await agency.command(f"{pathway}/entries/{entry}/corrections", moved, If_Match="*")
    [second] = await shown(service, path)
    assert (second.start, second.end) == (later, later + timedelta(minutes=30))
    await agency.command(f"{pathway}/appointments/{entry}/outcomes", {"outcome": "cancelled"})
    [third] = await shown(service, path)
    assert (third.status, third.transp) == ("CANCELLED", "TRANSPARENT")
    assert len({each.uid for each in (first, second, third)}) == 1
    assert first.sequence < second.sequence < third.sequence


async def test_what_was_booked_by_mistake_is_shown_as_cancelled(service: Service, agency: Agency) -> None:
    pathway = await agency.opened()
    entry = (await booked(agency, pathway)).json()["id"]
    _, path = await feed_of(agency, whose="agency")
    [before] = await shown(service, path)
    await agency.command(f"{pathway}/entries/{entry}/retractions", {}, If_Match="*")
    [after] = await shown(service, path)
    assert after.status == "CANCELLED"
    assert after.uid == before.uid
    assert after.sequence > before.sequence


async def test_the_same_appointments_are_not_sent_twice(service: Service, agency: Agency, clock: SettableClock) -> None:
    pathway = await agency.opened()
    await booked(agency, pathway)
    _, path = await feed_of(agency, whose="agency")
    await shown(service, path)
    program = await service.client()
    first = await program.get(path)
    clock.advance(timedelta(hours=1))
    again = await program.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await booked(agency, pathway, TOMORROW + timedelta(hours=5))
    await shown(service, path)
    changed = await program.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_hours_are_right_on_both_sides_of_the_change_of_clocks(service: Service, agency: Agency) -> None:
    pathway = await agency.opened()
    winter, summer = NOW.replace(month=3, day=28, hour=8), NOW.replace(month=3, day=30, hour=8)
    for start in (winter, summer):
        await booked(agency, pathway, start)
    _, path = await feed_of(agency, whose="agency")
    before, after = await shown(service, path)
    assert (before.start, after.start) == (winter, summer)
    assert [each.start.hour for each in (before, after)] == [9, 10]


async def test_what_lies_far_away_is_left_out(service: Service, agency: Agency) -> None:
    pathway = await agency.opened()
    for days in (-61, -59, 364, 366):
        await booked(agency, pathway, NOW + timedelta(days=days))
    _, path = await feed_of(agency, whose="agency")
    assert len(await shown(service, path)) == 2


async def test_an_agency_that_no_longer_takes_part_reads_nothing_more_of_the_pathway(
    service: Service, agency: Agency, slug: str
) -> None:
    other = f"other-{slug}"
    asked = await service.agency(other)
    pathway = await agency.opened()
    referral = (await agency.command(f"{pathway}/referrals", {"to_agency": other, "theme": HOUSING})).json()
    await booked(asked, pathway)
    _, path = await feed_of(asked, whose="agency")
    assert len(await shown(service, path)) == 1
    await agency.command(f"{pathway}/entries/{referral['id']}/retractions", {}, If_Match="*")
    assert await shown(service, path) == []


async def test_of_a_restricted_person_nothing_is_shown(service: Service, agency: Agency) -> None:
    pathway = await agency.opened()
    await booked(agency, pathway)
    _, path = await feed_of(agency, whose="agency")
    officer = await service.person(Role.DPO)
    await officer.command(f"{pathway}/restrictions", {"ground": "accuracy_contested"})
    assert await shown(service, path) == []


async def test_a_revoked_address_shows_nothing_from_then_on(service: Service, agency: Agency) -> None:
    feed, path = await feed_of(agency, whose="agency")
    await shown(service, path)
    revoked = await agency.command(f"/v1/calendar-feeds/{feed}/revocations")
    assert (revoked.status_code, revoked.json()) == (200, {"id": feed})
    never = await refused(service, f"/calendar/{new_credential(CALENDAR)}.ics")
    assert await refused(service, path) == never
    for odd in ("/calendar/x", "/calendar/un_cf_.ics", path.removesuffix(".ics"), f"{path}.ics"):
        await refused(service, odd)
    again = await agency.command(f"/v1/calendar-feeds/{feed}/revocations")
    assert again.status_code == 404


async def test_whoever_loses_their_role_loses_their_calendar(service: Service, agency: Agency, slug: str) -> None:
    sub = str(uuid4())
    worker = await service.person(Role.WORKER, agency=slug, sub=sub)
    member = await service.member(agency=slug, sub=sub)
    pathway = await agency.opened()
    await booked(worker, pathway, agent=str(member))
    _, path = await feed_of(worker)
    assert len(await shown(service, path)) == 1
    await service.end(member, Role.WORKER, slug)
    await refused(service, path)


async def test_a_person_has_their_own_calendar_and_a_lead_that_of_the_agency(service: Service, slug: str) -> None:
    worker, lead = [await service.person(role, agency=slug) for role in (Role.WORKER, Role.LEAD)]
    for body in ({"whose": "agency"}, {"agent": "somebody-else"}):
        answer = await worker.command("/v1/calendar-feeds", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    own, _ = await feed_of(worker)
    whole, _ = await feed_of(lead, whose="agency")
    assert [each["id"] for each in (await worker.get("/v1/calendar-feeds")).json()["items"]] == [own]
    assert [each["id"] for each in (await lead.get("/v1/calendar-feeds")).json()["items"]] == [own, whole]
    assert (await worker.command(f"/v1/calendar-feeds/{whole}/revocations")).status_code == 404
    assert (await (await service.agency("cpam")).get("/v1/calendar-feeds")).json() == {"items": []}


async def test_an_agent_has_ten_addresses_and_no_more(agency: Agency) -> None:
    for _ in range(10):
        await feed_of(agency, agent="agent-7")
    answer = await agency.command("/v1/calendar-feeds", {"agent": "agent-7"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_calendars")
    await feed_of(agency, agent="agent-8")
    await feed_of(agency, whose="agency")


async def test_software_that_names_agent_after_agent_comes_to_an_end(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.calendar_feeds.FEEDS_OF_AGENCY_MAX", 3)
    for number in range(3):
        await feed_of(agency, agent=f"agent-{number}")
    answer = await agency.command("/v1/calendar-feeds", {"agent": "agent-3"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_calendars")


async def test_an_address_is_shown_once_and_kept_nowhere(service: Service, agency: Agency) -> None:
    key, body = {"Idempotency-Key": str(uuid4())}, {"whose": "agency"}
    first = await agency.post("/v1/calendar-feeds", json=body, headers=key)
    again = await agency.post("/v1/calendar-feeds", json=body, headers=key)
    token = urlsplit(first.json()["secret"]).path.rpartition("/")[2].removesuffix(".ics")
    assert again.json() == first.json() | {"secret": None}
    assert "un_cf" not in (await agency.get("/v1/calendar-feeds")).text
    pool = service.runtime.pool
    for table in ("calendar_feeds", "idempotency"):
        rows = await pool.fetch(f"SELECT t::text AS row FROM {table} AS t")
        assert rows
        for row in rows:
            assert token.encode() not in row["row"].encode()
            assert token.encode().hex() not in row["row"]


async def test_software_names_the_agent(agency: Agency) -> None:
    nobody = await agency.command("/v1/calendar-feeds")
    assert (nobody.status_code, nobody.json()["code"]) == (422, "agent_required")
    both = await agency.command("/v1/calendar-feeds", {"whose": "agency", "agent": "agent-7"})
    assert (both.status_code, both.json()["code"]) == (422, "agent_not_expected")
    named = await agency.command("/v1/calendar-feeds", {}, **{"X-Agent": "agent-7"})
    assert named.json()["agent"] == "agent-7"


async def test_the_last_reading_is_told_by_the_day(service: Service, agency: Agency) -> None:
    _, path = await feed_of(agency, whose="agency")
    [unread] = (await agency.get("/v1/calendar-feeds")).json()["items"]
    await shown(service, path)
    [read] = (await agency.get("/v1/calendar-feeds")).json()["items"]
    assert (unread["last_read_on"], read["last_read_on"]) == (None, NOW.date().isoformat())


async def test_an_address_in_any_other_place_is_refused_like_every_credential(service: Service, agency: Agency) -> None:
    _, path = await feed_of(agency, whose="agency")
    token = path.rpartition("/")[2]
    answer = await agency.get("/v1/alerts", params={"rule": token})
    assert (answer.status_code, answer.json()["code"]) == (400, "key_in_url")


async def test_an_address_stands_in_no_metric(service: Service, agency: Agency) -> None:
    _, path = await feed_of(agency, whose="agency")
    await shown(service, path)
    told = (await (await service.client()).get("/metrics")).text
    assert 'route="/calendar/{file_name' in told
    assert "un_cf" not in told
