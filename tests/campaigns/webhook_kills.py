"""kill -9 of the process that delivers, again and again: nothing is lost, and order is kept.

    python -m tests.campaigns.webhook_kills [DELIVERIES] [KILLS] [--serving]

Prints what was found as JSON; 10,000 deliveries and 20 kills by default. Partners refuse some of the requests, and take
others while they say that they did not. It is the worker alone, in haste; with `--serving`, the whole server, which
waits half a minute for what it was doing when it was killed.
"""

import asyncio
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from api.composition import compose
from api.demo.receiver import Answer, Delivery, Receiver
from application.webhooks import Webhooks
from domain.clock import SystemClock
from domain.ids import uuid7
from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.logs import configure_logs
from infrastructure.migrate import migrate
from infrastructure.settings import Settings
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_secret import SecretBox
from tests.support.delivering import KEYS
from tests.support.endpoints import verify

TERRITORY, AGENCY = "FR-34", "ccas-montpellier"
ENDPOINTS = 4
SUBJECTS = 40
REFUSED = 0.02
TAKEN_AND_REFUSED = 0.02
PATIENCE_SECONDS = 1800.0
LEASE_SECONDS = 2.0
INSERT = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, position)
SELECT $1, m, $2, 'unisson.glass.broken.v1', s, n FROM unnest($3::uuid[], $4::uuid[], $5::bigint[]) AS t (m, s, n)"""
"""Of a type that anybody may still be told, whatever became of its subject."""
LEFT = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'delivering')"
ENDED = "SELECT state, count(*) AS number FROM deliveries GROUP BY state ORDER BY state"


class Figures(msgspec.Struct, kw_only=True):
    """What a campaign found."""

    deliveries: int
    kills: int
    states: dict[str, int]
    requests: int
    repeated: int
    """Requests for what the partner had taken already: known by their id, and without effect."""
    lost: int
    """Neither taken by the partner nor among the dead letters."""
    out_of_order: int
    """About one subject, first taken after a later one."""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.out_of_order)


class Taking(Receiver):
    """Remembers in which order it first took the messages about each subject."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(answer=self._take)
        self.taken: dict[str, list[int]] = defaultdict(list)
        self.requests = 0
        self.refusals = 0
        self._chance = chance

    async def _take(self, delivery: Delivery) -> Answer:
        self.deliveries.clear()
        self.requests += 1
        fate = self._chance.random()
        if fate < REFUSED:
            self.refusals += 1
            return Answer(503)
        event = self.verified(delivery)
        if event is not None and event.get_id() not in self.events:
            told = msgspec.json.decode(delivery.body)["data"]
            self.taken[told["break_glass_id"]].append(told["position"])
        answer = await self.accept(delivery)
        return answer if fate > REFUSED + TAKEN_AND_REFUSED else Answer(500)

    @property
    def out_of_order(self) -> int:
        return sum(later < earlier for positions in self.taken.values() for earlier, later in pairwise(positions))


class Mortal(NamedTuple):
    """What delivers, and is killed."""

    webhooks: Webhooks
    command: tuple[str, ...]
    variables: Mapping[str, str] = {}


@asynccontextmanager
async def worker(pool: Pool, url: str) -> AsyncIterator[Mortal]:
    command = (sys.executable, "-m", "tests.support.delivering", url, str(LEASE_SECONDS))
    yield Mortal(PostgresWebhooks(pool, SecretBox(KEYS), allow_loopback=True), command)


@asynccontextmanager
async def server(folder: Path, url: str) -> AsyncIterator[Mortal]:
    variables = {
        "UNISSON_DATA_DIR": str(folder),
        "UNISSON_DATABASE_URL": url,
        "UNISSON_ALLOW_LOOPBACK_WEBHOOKS": "true",
        "UNISSON_PORT": "0",
    }
    settings = Settings(data_dir=folder, database_url=url)
    async with compose(settings, roles=frozenset(), allow_loopback=True) as runtime:
        yield Mortal(runtime.webhooks, (sys.executable, "-m", "api", "serve"), variables)


async def campaign(
    url: str, deliveries: int, kills: int, mortal: AbstractAsyncContextManager[Mortal] | None = None, seed: int = 1
) -> Figures:
    chance = random.Random(seed)  # noqa: S311 (a course that can be run again)
    async with create_pool(url) as pool:
        partners = [Taking(chance) for _ in range(ENDPOINTS)]
        for partner in partners:
            await partner.__aenter__()
        try:
            async with mortal or worker(pool, url) as each:
                await _register(pool, each.webhooks, partners)
                await _put(pool, deliveries // ENDPOINTS, chance)
                await _deliver_and_kill(pool, each, kills, deliveries)
            return await _figures(pool, partners, kills)
        finally:
            for partner in partners:
                await partner.__aexit__()


async def _register(pool: Pool, webhooks: Webhooks, partners: list[Taking]) -> None:
    for partner in partners:
        made = await webhooks.register(TERRITORY, AGENCY, partner.url, (), SystemClock().now())
        await verify(pool, webhooks, made)
        partner.secrets.append(made.secret)


async def _put(pool: Pool, messages: int, chance: random.Random) -> None:
    subjects = [uuid7() for _ in range(SUBJECTS)]
    ids = [uuid7() for _ in range(messages)]
    of = [chance.choice(subjects) for _ in range(messages)]
    await pool.execute(INSERT, TERRITORY, AGENCY, ids, of, list(range(1, messages + 1)))


async def _deliver_and_kill(pool: Pool, mortal: Mortal, kills: int, deliveries: int) -> None:
    """Kills at even shares of the work done, wherever the process then is."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for kill in range(1, kills + 1):
            async with _living(mortal) as process:
                await _until_left(pool, deliveries * (kills + 1 - kill) // (kills + 1), process)
        async with _living(mortal) as process:
            await _until_left(pool, 0, process)


@asynccontextmanager
async def _living(mortal: Mortal) -> AsyncIterator[asyncio.subprocess.Process]:
    """Killed at the end."""
    nowhere = asyncio.subprocess.DEVNULL
    variables = os.environ | mortal.variables
    process = await asyncio.create_subprocess_exec(*mortal.command, env=variables, stdout=nowhere, stderr=nowhere)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _until_left(pool: Pool, most: int, process: asyncio.subprocess.Process) -> None:
    while await pool.fetchval(LEFT) > most:
        assert process.returncode is None, "it ended by itself"
        await asyncio.sleep(0.02)


async def _figures(pool: Pool, partners: list[Taking], kills: int) -> Figures:
    states = {row["state"]: row["number"] for row in await pool.fetch(ENDED)}
    rows = await pool.fetch("SELECT message_id FROM outbox ORDER BY position")
    dead = {row["message_id"] for row in await pool.fetch("SELECT message_id FROM deliveries WHERE state = 'dead'")}
    lost = sum(
        str(row["message_id"]) not in partner.events and row["message_id"] not in dead
        for row in rows
        for partner in partners
    )
    requests = sum(partner.requests for partner in partners)
    known = sum(len(partner.events) + partner.refusals for partner in partners)
    return Figures(
        deliveries=sum(states.values()),
        kills=kills,
        states=states,
        requests=requests,
        repeated=requests - known,
        lost=lost,
        out_of_order=sum(partner.out_of_order for partner in partners),
    )


async def main(deliveries: int, kills: int, *, serving: bool) -> int:
    configure_logs("error")
    with tempfile.TemporaryDirectory(prefix="unisson-kills-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        async with EmbeddedPostgres(folder) as cluster:
            connection = await connect(cluster.url)
            await migrate(connection)
            await connection.close()
            mortal = server(folder / "data", cluster.url) if serving else None
            found = await campaign(cluster.url, deliveries, kills, mortal)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    deliveries, kills = numbers + [10_000, 20][len(numbers) :]
    sys.exit(asyncio.run(main(deliveries, kills, serving="--serving" in sys.argv)))
