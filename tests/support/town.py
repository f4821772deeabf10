"""A service that answers over sockets, the same from another process, and pathways that grow while others read them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx2

from api.app import create_app
from api.limits import Limits
from api.server import serving
from application.access import Caller
from application.event_log import Commit
from application.messages import OUTBOX_CHANNEL
from domain.aggregate import Event
from domain.clock import SystemClock
from domain.command import Act
from domain.contact import Channel, RecordContact
from infrastructure.settings import Settings
from tests.support.readers import narrow_listener
from tests.support.service import CCAS, TERRITORY, Agency, Service, running

GUEST = "mission-locale"
PATIENCE_SECONDS = 60.0
MANY = 1_000_000
LIMITS = Limits(
    requests_per_second=MANY,
    burst=MANY,
    strangers_per_second=MANY,
    strangers_burst=MANY,
    send_seconds=10 * PATIENCE_SECONDS,
)
PHONE = {"channel": "phone"}
TELL = f"""
WITH told AS (INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position)
    VALUES ($1, $2, $3, 'unisson.glass.broken.v1', $2, $4, $5) RETURNING true)
SELECT pg_notify('{OUTBOX_CHANNEL}', '') FROM told"""


def id_of(pathway: str) -> UUID:
    return UUID(pathway.rpartition("/")[2])


class MovableClock:
    """Goes on as time does, from where it is put."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self._ahead

    def put(self, at: datetime) -> None:
        self._ahead = at - SystemClock().now()


class Town:
    """The service as its clients reach it, the same from another process, and the pathways that events are added to."""

    def __init__(self, here: Service, other: Service, clock: MovableClock) -> None:
        self.here = here
        self.other = other
        self.clock = clock
        self.pathways: list[str] = []
        self.told_of: set[str] = set()
        """Pathways of whose events the guest is told."""
        self.appended = 0

    async def prepare(self) -> None:
        self.key = await self.here.agency(CCAS)

    async def pathway(self) -> str:
        self.pathways.append(await self.key.opened())
        return self.pathways[-1]

    async def elsewhere(self, client: Agency) -> Agency:
        """The same credential, shown to the other process."""
        names = ("Authorization", "Cookie", "X-Unisson-Request")
        return await self.other.client({name: client.headers[name] for name in names if name in client.headers})

    async def grow(self) -> None:
        """An event more on each pathway, at the same time; the guest is told of each."""
        answers = await asyncio.gather(*(self.key.command(f"{each}/contacts", PHONE) for each in self.pathways))
        for pathway, answer in zip(self.pathways, answers, strict=True):
            assert answer.status_code == 201, answer.text
            if pathway in self.told_of:
                told = (uuid4(), GUEST, id_of(pathway), int(answer.headers["X-Position"]))
                await self.here.runtime.pool.execute(TELL, TERRITORY, *told)
        self.appended += len(answers)

    async def history(self, pathway: str, events: int) -> None:
        """Many events at once, as an import leaves them."""
        runtime, place = self.here.runtime, id_of(pathway)
        found = await runtime.pathways.read(Caller(territory=TERRITORY, agency=CCAS), place)
        now = self.clock.now()
        act = Act(agency=CCAS, agent=None, at=now, today=now.date())
        for _ in range(events):
            RecordContact(channel=Channel.PHONE).decide(found, act)
        made = [event for event in found.collect_events() if isinstance(event, Event)]
        expected = found.version - len(made)
        commit = Commit(stream_id=place, expected_version=expected, events=made, subject=found.subject)
        await runtime.log.append(TERRITORY, commit)
        runtime.pathways.forget(TERRITORY, place)

    async def shown(self) -> int:
        """The log's head, once all of it is folded."""
        head = await self.here.runtime.log.head(TERRITORY)
        assert await self.here.runtime.follower.caught_up(TERRITORY, head, PATIENCE_SECONDS)
        return head


class OnSocket(Service):
    """Its clients come by the door."""

    def __init__(self, service: Service, url: str, stack: AsyncExitStack) -> None:
        super().__init__(service.app, stack)
        self._url = url

    async def client(self, headers: dict[str, str] | None = None) -> Agency:
        patience = httpx2.Timeout(PATIENCE_SECONDS)
        opened = Agency(base_url=self._url, headers={"Accept-Language": "en"} | (headers or {}), timeout=patience)
        return await self._stack.enter_async_context(opened)


@asynccontextmanager
async def town(database_url: str, folder: Path) -> AsyncIterator[Town]:
    clock = MovableClock()
    settings = Settings(data_dir=folder, database_url=database_url)
    app = create_app(settings, clock=clock, limits=LIMITS, allow_loopback=True)
    async with (
        serving(app, narrow_listener(), limits=LIMITS) as url,
        running(database_url, folder, clock=clock, limits=LIMITS, roles=frozenset({"api"})) as other,
        AsyncExitStack() as stack,
    ):
        place = Town(OnSocket(Service(app, stack), url, stack), other, clock)
        await place.prepare()
        yield place
