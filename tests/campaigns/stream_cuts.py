"""A reader of the stream who is cut off again and again, in the midst of what comes, while events are recorded.

    python -m tests.campaigns.stream_cuts [--cuts 50] [--events 2000]

The real server, over real sockets. The reader does what a browser does: forgets what came in part, and comes back with
the last id that it was given. Prints what was to come, what came twice, what never came, and what came out of turn.
"""

import argparse
import asyncio
import itertools
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random

import msgspec

from api.app import create_app
from api.server import listen, serving
from domain.clock import SystemClock
from domain.roles import Role
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.logs import configure_logs
from infrastructure.settings import Settings
from tests.support.passing_folder import passing_folder
from tests.support.server_sent import Sent, following
from tests.support.service import CCAS, TERRITORY, Agency, Service
from tests.support.town import LIMITS, OnSocket

SIAO = "siao-34"
MOTIVE = "Found unconscious; the hospital asks whom to call."
AT_ONCE = 10
"""Events recorded together; after which, now and then, somebody breaks the glass."""
BYTES_LEAST, BYTES_OF_EVENT = 150, 450
QUIET_SECONDS = 0.5
"""After which a reader is cut off too: there may be less to come than was to be read."""
TOLD = "SELECT message_id::text FROM outbox WHERE territory = $1 AND agency = $2"


class Figures(msgspec.Struct, kw_only=True):
    cuts: int
    events: int
    messages: int
    """Told to the reader's agency, each of an event that the reader is shown too."""
    twice: int
    never: int
    disordered: int

    @property
    def sound(self) -> bool:
        return bool(self.events and self.messages) and not (self.twice or self.never or self.disordered)


class Recording:
    """Events, and messages that tell of some of them."""

    def __init__(self, service: Service, agency: Agency, events: int) -> None:
        self._service = service
        self._agency = agency
        self._events = events
        self.last = 0
        """The position of the last of all, once all are recorded."""

    async def run(self) -> None:
        pathways = [await self._agency.opened() for _ in range(AT_ONCE)]
        for turn in range(self._events // AT_ONCE):
            await asyncio.gather(*(self._agency.command(f"{each}/contacts", {"channel": "phone"}) for each in pathways))
            if turn % 4 == 0:
                await self._break_glass(pathways[turn % AT_ONCE])
        self.last = await self._service.runtime.log.head(TERRITORY)

    async def _break_glass(self, pathway: str) -> None:
        """By somebody new each time: nobody may do it often."""
        ada = await self._service.person(Role.WORKER, agency=SIAO)
        answer = await ada.command(f"{pathway}/break-glass", {"motive": MOTIVE})
        assert answer.status_code == 201, answer.text


async def campaign(database_url: str, folder: Path, *, cuts: int, events: int, seed: int = 0) -> Figures:
    app = create_app(Settings(data_dir=folder, database_url=database_url), clock=SystemClock(), limits=LIMITS)
    async with serving(app, listen("127.0.0.1", 0), limits=LIMITS) as url, AsyncExitStack() as stack:
        service = OnSocket(Service(app, stack), url, stack)
        agency = await service.agency(CCAS)
        recording = Recording(service, agency, events)
        task = asyncio.create_task(recording.run())
        taken, last_id = await cut_again_and_again(await service.agency(CCAS), Random(seed), cuts, events // cuts)  # noqa: S311 (cuts, not secrets)
        await task
        async with following(agency, last_id=last_id) as stream:
            taken += await stream.take_until(recording.last)
        return figures(taken, cuts, await expected(service, agency))


async def cut_again_and_again(reader: Agency, random: Random, cuts: int, each: int) -> tuple[list[Sent], str]:
    """After about `each` so many events, wherever that is."""
    taken: list[Sent] = []
    last_id = "0"
    for _ in range(cuts):
        cut_after = random.randint(BYTES_LEAST, 2 * each * BYTES_OF_EVENT)
        async with following(reader, last_id=last_id, cut_after=cut_after) as stream:
            with suppress(TimeoutError):
                while (sent := await asyncio.wait_for(stream.next(), QUIET_SECONDS)) is not None:
                    taken.append(sent)
            last_id = stream.last_id
    return taken, last_id


async def expected(service: Service, agency: Agency) -> list[str]:
    keys, after = [str(row[0]) for row in await service.runtime.pool.fetch(TOLD, TERRITORY, CCAS)], 0
    while True:
        feed = (await agency.get("/v1/events", params={"after": after, "limit": 200})).json()
        keys += [str(each["position"]) for each in feed["items"]]
        if feed["next_after"] == after:
            return keys
        after = feed["next_after"]


def figures(taken: list[Sent], cuts: int, expected: list[str]) -> Figures:
    times = Counter(each.key for each in taken)
    positions = [each.position for each in taken]
    return Figures(
        cuts=cuts,
        events=sum(key.isdecimal() for key in expected),
        messages=sum(not key.isdecimal() for key in expected),
        twice=sum(count > 1 for count in times.values()),
        never=len(set(expected) - times.keys()),
        disordered=sum(later < earlier for earlier, later in itertools.pairwise(positions)),
    )


async def alone(folder: Path, cuts: int, events: int) -> Figures:
    async with EmbeddedPostgres(folder, durable=False) as server:
        return await campaign(server.url, folder, cuts=cuts, events=events)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--events", type=int, default=2_000)
    given = parser.parse_args()
    configure_logs("error")
    with passing_folder("unisson-stream-cuts-") as folder:
        found = asyncio.run(alone(folder, given.cuts, given.events))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
