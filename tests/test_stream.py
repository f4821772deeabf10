"""The stream over real sockets: each thing once and in order, whatever is cut; to who may see it, while they may."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from uuid import UUID

import pytest

from api.app import create_app
from api.limits import Limits
from api.server import listen, serving
from api.stream_frames import LAST, Place, place_in
from application.sessions import IDLE
from domain.alert import Recipient, Sees
from domain.alert import Role as AlertRole
from domain.alert_response import AlertChannel
from domain.alert_steps import AlertDelivered
from domain.clock import SettableClock
from domain.roles import Role
from infrastructure.settings import Settings
from tests.campaigns.stream_cuts import campaign
from tests.support.alerted import raised, unanswered
from tests.support.documents import DOCS
from tests.support.eventually import becomes
from tests.support.readers import HeldStream, narrow_listener
from tests.support.server_sent import Sent, following
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, Agency, Service
from tests.support.town import MovableClock, OnSocket, Town

LIMITS = Limits(streams=6, streams_of_one_agency=4, send_seconds=1)
BYSTANDER = "siao-34"
CONTENT = Recipient(CCAS, AlertRole.ACTING, Sees.CONTENT)
NOTICE = Recipient(BYSTANDER, AlertRole.ABLE_TO_ACT, Sees.NOTICE)
PATHWAYS, EVENTS_OF_EACH = 40, 20
"""More than the buffers between server and reader hold."""
PAGE = DOCS / "how-to" / "follow-the-stream.md"


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=clock, limits=LIMITS)
    async with serving(app, narrow_listener(), limits=LIMITS) as url, AsyncExitStack() as stack:
        yield OnSocket(Service(app, stack), url, stack)


@pytest.fixture
async def ccas(service: Service) -> Agency:
    return await service.agency(CCAS)


@pytest.fixture
async def mission(service: Service) -> Agency:
    return await service.agency(MISSION_LOCALE)


async def contacts(agency: Agency, pathway: str, count: int) -> int:
    """Their last position."""
    for _ in range(count):
        answer = await agency.command(f"{pathway}/contacts", {"channel": "phone"})
        assert answer.status_code == 201, answer.text
    return int(answer.headers["X-Position"])


# What comes, and in which order


async def test_what_happens_on_ones_pathways_comes_as_it_happens(ccas: Agency) -> None:
    async with following(ccas) as stream:
        pathway = await ccas.opened()
        await contacts(ccas, pathway, 2)
        sent = await stream.take(3)
        assert [each.type for each in sent] == ["pathway.opened", "contact.recorded", "contact.recorded"]
        assert [each.id for each in sent] == ["1", "2", "3"]
        assert stream.retry_ms is not None
        assert stream.retry_ms >= 1_000
    feed = (await ccas.get("/v1/events")).json()["items"]
    assert [each.data for each in sent] == feed


async def test_it_begins_now_or_where_one_asks(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await ccas.get("/v1/events", params={"wait": 5})
    async with following(ccas) as from_now, following(ccas, after=0) as from_the_beginning:
        await contacts(ccas, pathway, 1)
        assert [each.id for each in await from_now.take(1)] == ["2"]
        assert [each.id for each in await from_the_beginning.take(2)] == ["1", "2"]


async def test_the_feed_is_the_same_stream_for_who_accepts_one(ccas: Agency) -> None:
    await ccas.opened()
    async with following(ccas, address="/v1/events", after=0) as stream:
        assert [each.type for each in await stream.take(1)] == ["pathway.opened"]


async def test_only_the_types_asked_for_come(ccas: Agency) -> None:
    pathway = await ccas.opened()
    await contacts(ccas, pathway, 2)
    async with following(ccas, after=0, types="contact.recorded") as stream:
        assert [each.id for each in await stream.take(2)] == ["2", "3"]


async def test_who_takes_no_part_is_shown_nothing(service: Service, ccas: Agency) -> None:
    other = await service.agency(BYSTANDER)
    async with following(other, after=0) as stream:
        pathway = await ccas.opened()
        await contacts(ccas, pathway, 3)
        theirs = await other.opened()
        assert [each.data["pathway_id"] for each in await stream.take(1)] == [theirs.rpartition("/")[2]]


async def test_an_alert_is_told_in_the_words_of_webhooks(ccas: Agency, mission: Agency, clock: SettableClock) -> None:
    async with following(mission, types="unisson.alert.raised.v1") as stream:
        pathway, _ = await unanswered(ccas, clock)
        [sent] = await stream.take(1)
    [alert] = (await mission.get("/v1/alerts")).json()["items"]
    assert sent.type == sent.data["type"] == "unisson.alert.raised.v1"
    assert sent.data["subject"] == sent.data["data"]["alert_id"] == alert["id"]
    assert sent.data["data"]["pathway_id"] == pathway.rpartition("/")[2]
    assert sent.data["data"]["position"] == int(sent.id)
    assert sent.data["specversion"] == "1.0"


async def test_a_bare_notice_comes_as_ids_alone(service: Service, ccas: Agency) -> None:
    other = await service.agency(BYSTANDER)
    pathway = await ccas.opened()
    async with following(ccas, after=1) as stream, following(other, after=0) as noticed:
        alert_id = await raised(service, pathway, CONTENT, NOTICE)
        [told], [notice] = await stream.take(1), await noticed.take(1)
    assert notice.data["data"] == {"position": int(notice.id), "alert_id": alert_id}
    assert told.data["data"] == notice.data["data"] | {"pathway_id": pathway.rpartition("/")[2]}


async def test_an_alert_that_was_streamed_has_reached_the_agency(service: Service, ccas: Agency) -> None:
    """Once, however many of it read."""
    pathway = await ccas.opened()
    async with following(ccas, after=1) as stream, following(ccas, after=1) as another:
        alert_id = await raised(service, pathway, CONTENT)
        assert await stream.take(1) == await another.take(1)
    for _ in range(2):
        await service.runtime.receipts.flush()
    history = [stored.event for stored in await service.runtime.log.read_stream(TERRITORY, UUID(alert_id))]
    [delivered] = [event for event in history if isinstance(event, AlertDelivered)]
    assert (delivered.to, delivered.channel) == (CCAS, AlertChannel.STREAM)


async def test_who_no_longer_takes_part_is_shown_nothing_of_before_either(
    ccas: Agency, mission: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stretch.FRESH_SECONDS", 0)
    pathway = await ccas.opened()
    given = await ccas.command(f"{pathway}/consents", {"purpose": "sharing", "to_agency": MISSION_LOCALE})
    async with following(mission, after=0) as stream:
        assert len(await stream.take(2)) == 2
    withdrawn = await ccas.command(f"{pathway}/consents/{given.json()['id']}/withdrawals")
    theirs = await mission.opened()
    await mission.get("/v1/inbox", params={"at_least": int(withdrawn.headers["X-Position"]) + 1})
    async with following(mission, after=0) as stream:
        assert [each.data["pathway_id"] for each in await stream.take(1)] == [theirs.rpartition("/")[2]]


# What is cut


async def test_who_was_cut_goes_on_from_the_last_id(ccas: Agency) -> None:
    """The address stays as it was: the id counts for more."""
    pathway = await ccas.opened()
    last = await contacts(ccas, pathway, 9)
    taken: list[Sent] = []
    last_id = "0"
    while len(taken) < last:
        async with following(ccas, last_id=last_id, after=1) as stream:
            taken += await stream.take(1)
            last_id = stream.last_id
    assert [int(each.key) for each in taken] == list(range(1, last + 1))


async def test_a_place_between_two_at_one_position_is_gone_on_from(service: Service, ccas: Agency) -> None:
    """That the glass was broken is an event of the pathway, and is told to who is in charge of it."""
    pathway = await ccas.opened()
    ada = await service.person(Role.WORKER, agency=BYSTANDER)
    answer = await ada.command(f"{pathway}/break-glass", {"motive": "Found unconscious; the hospital asks."})
    assert answer.status_code == 201, answer.text
    position = answer.headers["X-Position"]
    async with following(ccas, after=0) as stream:
        event, told = (await stream.take(3))[1:]
    assert (event.id, event.type) == (f"{position}.0", "glass.broken")
    assert (told.id, told.type) == (position, "unisson.glass.broken.v1")
    async with following(ccas, last_id=event.id) as stream:
        assert await stream.take(1) == [told]


async def test_what_lies_far_behind_comes_page_by_page(ccas: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.stream_hub.READ_AT_ONCE", 4)
    monkeypatch.setattr("api.stream.WRITTEN_AT_ONCE", 3)
    monkeypatch.setattr("api.stream_hub.KEPT", 8)
    pathway = await ccas.opened()
    last = await contacts(ccas, pathway, 20)
    async with following(ccas, after=0) as stream:
        assert [int(each.key) for each in await stream.take(last)] == list(range(1, last + 1))
        await contacts(ccas, pathway, 9)
        assert [int(each.key) for each in await stream.take(9)] == list(range(last + 1, last + 10))


async def test_an_id_that_was_never_sent_is_refused(ccas: Agency) -> None:
    for last_id in ("x", "-1", "1.", "1.2.3", "1" * 19, "1, 2"):
        answer = await ccas.get("/v1/stream", headers={"Last-Event-ID": last_id})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_last_event_id")


async def test_an_address_that_makes_no_sense_is_refused(ccas: Agency) -> None:
    for query in ("types=a,,b", "types=", "types=A+b", "after=-1", "after=1&after=2", "wait=3"):
        answer = await ccas.get(f"/v1/stream?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query")


async def test_a_type_that_nothing_has_is_refused(ccas: Agency) -> None:
    for types in ("contact.recorded,unisson.alert.raised", "alert-raised"):
        answer = await ccas.get("/v1/stream", params={"types": types})
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_message_type")


def test_places_are_ordered_and_read_back() -> None:
    places = [Place(6), Place(7, 0), Place(7, 1), Place(7), Place(8, 0)]
    assert sorted(places) == places
    assert [place_in(str(place)) for place in places] == places
    assert [place.read_up_to for place in places] == [6, 6, 6, 7, 7]
    assert Place(7) == Place(7, LAST)


# Who may, for how long, and how many


async def test_a_comment_comes_when_nothing_else_does(ccas: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.stream.BEAT_SECONDS", 0.05)
    async with following(ccas) as stream:
        await asyncio.sleep(0.3)
        await ccas.opened()
        await stream.take(1)
        assert stream.comments >= 2


async def test_who_sees_nothing_is_told_how_far_they_have_read(
    service: Service, ccas: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off, they need not look at all of it again."""
    monkeypatch.setattr("api.stream.BEAT_SECONDS", 0.05)
    other = await service.agency(BYSTANDER)
    async with following(other) as stream:
        last = await contacts(ccas, await ccas.opened(), 3)
        assert await stream.take_until(last) == []
        assert stream.last_id == str(last)


async def test_a_revoked_key_ends_the_stream_even_when_nothing_comes(
    service: Service, ccas: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.stream.BEAT_SECONDS", 0.1)
    reader = await service.agency(CCAS)
    key_id = reader.headers["Authorization"].split("_")[2]
    async with following(reader) as stream:
        await service.runtime.keys.revoke(TERRITORY, key_id, NOW)
        assert await stream.is_over()
    assert (await reader.get("/v1/stream")).status_code == 401


async def test_a_stream_does_not_keep_a_session_from_falling_asleep(
    service: Service, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may be sitting there any more."""
    monkeypatch.setattr("api.stream.BEAT_SECONDS", 0.05)
    person = await service.person(Role.WORKER)
    async with following(person) as stream:
        for _ in range(4):
            clock.advance(IDLE / 3)
            await asyncio.sleep(0.1)
        assert await stream.is_over()


async def test_streams_are_bounded_for_an_agency_and_for_the_process(service: Service, ccas: Agency) -> None:
    hub = service.runtime.streams
    async with AsyncExitStack() as stack:
        for _ in range(LIMITS.streams_of_one_agency):
            await stack.enter_async_context(following(ccas))
        refused = await ccas.get("/v1/stream")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) > 0
        other = await service.agency(MISSION_LOCALE)
        for _ in range(LIMITS.streams - LIMITS.streams_of_one_agency):
            await stack.enter_async_context(following(other))
        refused = await other.get("/v1/stream")
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
        assert service.runtime.crowd.present <= 1
    await becomes(lambda: hub.open_now == 0)
    async with following(ccas) as stream:
        await ccas.opened()
        await stream.take(1)


async def test_who_takes_nothing_is_cut_off_and_holds_up_nobody(service: Service, ccas: Agency) -> None:
    town = Town(service, service, MovableClock())
    for _ in range(PATHWAYS):
        await town.history(await ccas.opened(), EVENTS_OF_EACH)
    last = await service.runtime.log.head(TERRITORY)
    held = HeldStream(ccas, "/v1/stream?after=0")
    await held.open()
    async with following(ccas, after=0) as stream:
        assert len(await stream.take(last)) == last
    await becomes(lambda: service.runtime.streams.open_now == 0)
    with suppress(ConnectionError):
        await held.take_the_rest()
    assert len(held.positions) < last


async def test_nobody_reads_a_log_that_nobody_follows(service: Service, ccas: Agency) -> None:
    hub = service.runtime.streams
    async with following(ccas), following(ccas):
        assert hub.territories == (TERRITORY,)
        assert "unisson_streams_open 2.0" in (await ccas.get("/metrics")).text
    await becomes(lambda: hub.territories == ())


async def test_a_server_told_to_stop_ends_every_stream_at_once(database_url: str, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path, database_url=database_url), clock=SettableClock(NOW), limits=LIMITS)
    async with AsyncExitStack() as stack, serving(app, listen("127.0.0.1", 0), limits=LIMITS) as url:
        service = OnSocket(Service(app, stack), url, stack)
        ccas = await service.agency(CCAS)
        streams = [await stack.enter_async_context(following(ccas)) for _ in range(3)]
        began = time.monotonic()
        service.runtime.stopping.set()
        assert all([await stream.is_over() for stream in streams])
        assert time.monotonic() - began < 1


# The page


async def test_the_program_of_the_page_prints_each_thing_once(service: Service, tmp_path: Path) -> None:
    """Killed in between, and gone on from where it was."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "follow.py").write_text(program, "utf-8")
    (tmp_path / "last-id.txt").write_text("0")
    ccas = await service.agency(CCAS)
    own = {"UNISSON_URL": str(ccas.base_url), "UNISSON_KEY": ccas.headers["Authorization"].split()[1]}
    pathway, printed = await ccas.opened(), list[str]()
    for _ in range(2):
        await contacts(ccas, pathway, 2)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "follow.py"), cwd=tmp_path, env=os.environ | own, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while len(printed) < await service.runtime.log.head(TERRITORY):
            printed.append((await asyncio.wait_for(process.stdout.readline(), 20)).decode())
        await becomes(lambda: (tmp_path / "last-id.txt").read_text() == str(len(printed)))
        process.kill()
        await process.wait()
    assert [line.split()[0] for line in printed] == ["pathway.opened"] + 4 * ["contact.recorded"]


# Longer: `python -m tests.campaigns.stream_cuts`


async def test_a_reader_cut_in_the_midst_of_things_receives_each_once(database_url: str, tmp_path: Path) -> None:
    found = await campaign(database_url, tmp_path, cuts=12, events=160)
    assert found.sound, found
