"""Shut out means shut out: readers of every kind go on asking while events are recorded, and their right is taken back.

    python -m tests.campaigns.revocation [--events 1000]

The service twice on one database, as in two processes: one answers over real sockets, the other takes rights back, so
that the first knows of it from the database alone. Prints, for each way of being shut out, how many events its readers
were given before; how many recorded more than a second after the commit they were given nevertheless, which must be
none; how long after the commit the last event came. Some readers are not shut out at all: they must be given what the
others are not, or the measure is at fault.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from api.browser import SESSION_COOKIE
from application.access import Caller
from application.event_log import Header
from domain.break_glass import open_glass
from domain.clock import SystemClock
from domain.roles import Role
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.logs import configure_logs
from tests.support.endpoints import verify
from tests.support.passing_folder import passing_folder
from tests.support.readers import HeldStream, Reader, Webhooks, listing, patient, server_sent, streaming
from tests.support.service import CCAS, TERRITORY, Agency
from tests.support.signing import Software
from tests.support.town import GUEST, PATIENCE_SECONDS, MovableClock, Town, id_of, town

SIAO, DEPARTMENT = "siao-34", "departement-34"
BELIEVED = timedelta(seconds=1)
AFTERWARDS = timedelta(seconds=1.5)
"""How long events are recorded after the last commit: well beyond what may still be believed."""
EARLY = timedelta(minutes=5)
"""Before the end of what ends by itself: shorter than a token or an idle session lasts."""
HISTORY = 1_000
"""Events before it all."""
BUFFERED_MOST = 500
"""Of them, what may lie in the buffers between server and reader."""
ENOUGH = 8
"""Events that each reader has been given before anything is taken back."""
CONTROL = "nothing taken back"
MOTIVE = "Found unconscious; the hospital asks whom to call."
UNSETTLED = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'delivering')"


class Figures(msgspec.Struct, kw_only=True):
    """What came of one way of being shut out; all of it about the pathways that its readers were shut out of."""

    way: str
    readers: list[str]
    before: int
    """Events given before the commit."""
    recorded: int
    """Events recorded more than a second after it."""
    nevertheless: int
    """How many of those were given."""
    last_ms: int
    """From the commit to the last event given; 0 when none came after it."""
    buffered: int
    """Events of a stream left half read that were on their way already, and came when it was read on."""
    stream_went_on: bool
    """That stream told the reader of its end, or of more than buffers can hold."""

    @property
    def sound(self) -> bool:
        return self.before >= ENOUGH and self.recorded > 0 and not self.nevertheless and not self.stream_went_on


class Way:
    """Readers who share a right, and what takes it back."""

    def __init__(
        self,
        name: str,
        readers: Sequence[Reader],
        take_back: Callable[[], Awaitable[object]],
        *,
        pathways: Sequence[str] = (),
        held: HeldStream | None = None,
        ends_at: datetime | None = None,
    ) -> None:
        self.name = name
        self.readers = readers
        self.pathways = frozenset(map(id_of, pathways))
        """Those that the readers are shut out of; all, when none is named."""
        self.held = held
        self.shut_at = ends_at
        self._take_back = take_back
        self._ends_by_itself = ends_at is not None

    async def shut(self, clock: MovableClock) -> None:
        await self._take_back()
        if not self._ends_by_itself:
            self.shut_at = clock.now()


def of_feed(town: Town, client: Agency, after: int) -> list[Reader]:
    """All the ways of following one's events."""
    asks = {
        "feed": streaming(client, "/v1/events"),
        "export": streaming(client, "/v1/exports/events.ndjson"),
        "long poll": listing(client, "/v1/events", wait=1),
        "stream": server_sent(client, "/v1/stream"),
    }
    return [Reader(how, town.clock, ask, after) for how, ask in asks.items()]


def of_pathway(town: Town, client: Agency, pathway: str, after: int) -> list[Reader]:
    asks = {
        "timeline": listing(client, f"{pathway}/timeline"),
        "timeline, waiting": patient(client, f"{pathway}/timeline"),
    }
    return [Reader(how, town.clock, ask, after) for how, ask in asks.items()]


async def credentials(town: Town, watched: str, after: int) -> AsyncIterator[Way]:
    """Software and people of the agency in charge: each reads in every way, and leaves one stream half read."""
    here, other, now = town.here, town.other.runtime, town.clock.now

    async def way(name: str, client: Agency, take_back: Callable[[], Awaitable[object]]) -> Way:
        held = HeldStream(client, "/v1/exports/events.ndjson")
        readers = of_feed(town, client, after) + of_pathway(town, client, watched, after)
        return Way(name, readers, take_back, held=held)

    yield await way(CONTROL, await here.agency(), nothing)
    client = await here.agency()
    key_id = client.headers["Authorization"].split("_")[2]
    yield await way("API key revoked", client, lambda: other.keys.revoke(TERRITORY, key_id, now()))

    disabled = await Software.register(town.other)
    bearer = {"Authorization": f"Bearer {await disabled.token()}"}
    named = disabled.client.client_id
    yield await way(
        "service client disabled", await here.client(bearer), lambda: other.clients.disable(TERRITORY, named, now())
    )

    software = await Software.register(town.other)
    token = await software.token()
    client = await here.client({"Authorization": f"Bearer {token}"})
    yield await way("access token revoked", client, lambda: software.revoke(token))

    client = await here.person(Role.WORKER)
    session = client.headers["Cookie"].partition("=")[2]
    yield await way("session ended", client, lambda: other.sessions.end(session))

    member = await here.member(Role.WORKER)
    shown = await here.runtime.sessions.open(TERRITORY, CCAS, member)
    client = await here.client({"Cookie": f"{SESSION_COOKIE}={shown}", "X-Unisson-Request": "1"})
    yield await way("role ended", client, lambda: town.other.end(member, Role.WORKER))


async def broken_glass(town: Town) -> tuple[str, datetime]:
    """A pathway on which the glass was broken, and the end of that: a moment from now, once the clock is put there."""
    pathway = await town.pathway()
    ada = await town.here.person(Role.WORKER, agency=SIAO, sub="ada")
    assert (await ada.command(f"{pathway}/break-glass", {"motive": MOTIVE})).status_code == 201
    place = id_of(pathway)
    found = await town.here.runtime.pathways.read(Caller(territory=TERRITORY, agency=CCAS), place)
    [broken] = open_glass(found, town.clock.now())
    town.clock.put(broken.until - EARLY)
    return pathway, broken.until


async def guest(town: Town, watched: str, told: Webhooks, after: int) -> Way:
    """An agency that takes part by the person's consent in two pathways, and is withdrawn it for one."""
    kept, consents = await town.pathway(), []
    for pathway in (watched, kept):
        body = {"purpose": "sharing", "to_agency": GUEST}
        town.told_of.add(pathway)
        consents.append((await town.key.command(f"{pathway}/consents", body)).json()["id"])
    client, here = await town.here.agency(GUEST), town.here.runtime
    registered = await here.webhooks.register(TERRITORY, GUEST, told.url, (), SystemClock().now())
    told.secrets.append(registered.secret)
    await verify(here.pool, here.webhooks, registered)
    there = await town.elsewhere(town.key)
    readers = [*of_feed(town, client, after), *of_pathway(town, client, watched, after), told.reader]
    return Way(
        "participation ended",
        readers,
        lambda: granted(there, f"{watched}/consents/{consents[0]}/withdrawals"),
        pathways=[watched],
        held=HeldStream(client, "/v1/exports/events.ndjson"),
    )


async def granted(client: Agency, path: str, body: object = None) -> str:
    """The id of what was recorded."""
    answer = await client.command(path, body)
    assert answer.is_success, answer.text
    return str(answer.json().get("id"))


async def shares(town: Town, ends_at: datetime, after: int) -> AsyncIterator[Way]:
    """Another agency reads two pathways that are shared with it: one share is revoked, one ends by itself."""
    worker, client = await town.here.person(Role.WORKER), await town.here.agency(SIAO)
    there = await town.elsewhere(worker)
    for name, until in (("share revoked", ends_at + timedelta(days=30)), ("share past its end", ends_at)):
        pathway = await town.pathway()
        body = {"to_agency": SIAO, "purpose": "referral", "basis": "casf-l121-6-2", "until": until.isoformat()}
        place = f"{pathway}/shares/{await granted(worker, f'{pathway}/shares', body)}/revocations"
        ends = ends_at if until == ends_at else None
        take_back = nothing if ends else lambda place=place: granted(there, place)
        yield Way(name, of_pathway(town, client, pathway, after), take_back, pathways=[pathway], ends_at=ends)


async def mandate(town: Town, after: int) -> Way:
    """An auditor replays the one pathway that a mandate names."""
    pathway, now = await town.pathway(), town.clock.now()
    lead, officer = [await town.here.person(role, agency=DEPARTMENT) for role in (Role.LEAD, Role.DPO)]
    auditor = await town.here.person(Role.CASE_AUDITOR, agency=DEPARTMENT)
    body = {
        "kind": "case",
        "auditor_agency": DEPARTMENT,
        "auditor": (await auditor.get("/v1/me")).json()["agent"],
        "begins_at": now.isoformat(),
        "ends_at": (now + timedelta(days=30)).isoformat(),
        "reference": "DPO-2026-014",
        "pathways": [str(id_of(pathway))],
    }
    place = f"/v1/mandates/{await granted(lead, '/v1/mandates', body)}"
    await granted(officer, f"{place}/signatures")
    there, address = await town.elsewhere(lead), pathway.replace("/v1/", "/v1/audit/")
    reader = Reader("replayed timeline", town.clock, listing(auditor, f"{address}/timeline"), after)
    return Way("mandate revoked", [reader], lambda: granted(there, f"{place}/revocations"), pathways=[pathway])


async def nothing() -> None:
    """What ends by itself is not taken back."""


async def ways_of(town: Town, told: Webhooks) -> list[Way]:
    watched = await town.pathway()
    await town.history(watched, HISTORY)
    glass, ends_at = await broken_glass(town)
    after = await town.shown()
    ada = await town.here.person(agency=SIAO, sub="ada")
    ways = [await guest(town, watched, told, after)]
    ways += [each async for each in credentials(town, watched, after)]
    ways += [each async for each in shares(town, ends_at, after)]
    readers = of_pathway(town, ada, glass, after)
    ways.append(Way("glass broken four hours ago", readers, nothing, pathways=[glass], ends_at=ends_at))
    ways.append(await mandate(town, after))
    await town.shown()
    return ways


async def campaign(database_url: str, folder: Path, events: int) -> list[Figures]:
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(town(database_url, folder))
        told = await stack.enter_async_context(Webhooks(place.clock))
        ways = await ways_of(place, told)
        readers = [reader for way in ways for reader in way.readers]
        for way in ways:
            if way.held is not None:
                await way.held.open()
        reading = [asyncio.create_task(reader.run()) for reader in readers]
        try:
            async with asyncio.timeout(10 * PATIENCE_SECONDS):
                await play(place, ways, readers, events)
        finally:
            for task in reading:
                task.cancel()
            ended = await asyncio.gather(*reading, return_exceptions=True)
        for failure in ended:
            if isinstance(failure, Exception):
                raise failure
        headers = await place.here.runtime.log.headers(TERRITORY, after=0, limit=100_000)
        return [figures(way, headers) for way in ways]


async def play(town: Town, ways: Sequence[Way], readers: Sequence[Reader], events: int) -> None:
    while town.appended < events // 3 or any(len(reader.given) < ENOUGH for reader in readers):
        await town.grow()
    town.clock.put(min(way.shut_at for way in ways if way.shut_at is not None))
    shutting = asyncio.gather(*(way.shut(town.clock) for way in ways))
    while not shutting.done():
        await town.grow()
    await shutting
    until = max(way.shut_at for way in ways if way.shut_at is not None) + BELIEVED + AFTERWARDS
    while town.appended < events or town.clock.now() < until:
        await town.grow()
    await settled(town, [reader for way in ways if way.name != CONTROL for reader in way.readers])
    for way in ways:
        if way.held is not None:
            await way.held.take_the_rest()


async def settled(town: Town, readers: Sequence[Reader]) -> None:
    """Until everything is folded, every reader has asked twice more, and every message has gone or was withheld."""
    await town.shown()
    asked = [reader.answers for reader in readers]
    while any(reader.answers < count + 2 for reader, count in zip(readers, asked, strict=True)):
        await asyncio.sleep(0.05)
    while await town.here.runtime.pool.fetchval(UNSETTLED):
        await asyncio.sleep(0.05)


def figures(way: Way, headers: Sequence[Header]) -> Figures:
    assert way.shut_at is not None
    about = {each.position for each in headers if not way.pathways or each.stream_id in way.pathways}
    late = {each.position for each in headers if each.recorded_at > way.shut_at + BELIEVED} & about
    given = [(position, at) for reader in way.readers for position, at in reader.given.items() if position in about]
    on_their_way = [] if way.held is None else [position for position in way.held.positions if position in about]
    last = max([at for _, at in given if at > way.shut_at], default=way.shut_at)
    went_on = way.held is not None and way.held.whole and not way.pathways
    return Figures(
        way=way.name,
        readers=[reader.how for reader in way.readers],
        before=sum(at <= way.shut_at for _, at in given),
        recorded=len(late),
        nevertheless=sum(position in late for position, _ in given) + len(late.intersection(on_their_way)),
        last_ms=round((last - way.shut_at).total_seconds() * 1000),
        buffered=len(on_their_way),
        stream_went_on=went_on or len(on_their_way) > BUFFERED_MOST,
    )


def faults(found: Sequence[Figures]) -> list[str]:
    """Ways that do not hold, and a measure that would not see it."""
    [control] = [each for each in found if each.way == CONTROL]
    sighted = control.nevertheless > control.recorded and control.stream_went_on
    blind = [] if sighted else [f"not seen by those not shut out: {control}"]
    return blind + [str(each) for each in found if each is not control and not each.sound]


async def alone(folder: Path, events: int) -> list[Figures]:
    async with EmbeddedPostgres(folder, durable=False) as server:
        return await campaign(server.url, folder, events)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000)
    configure_logs("error")
    with passing_folder("unisson-revocation-") as folder:
        found = asyncio.run(alone(folder, parser.parse_args().events))
    for each in found:
        sys.stdout.write(msgspec.json.encode(each).decode() + "\n")
    return 1 if faults(found) else 0


if __name__ == "__main__":
    sys.exit(main())
