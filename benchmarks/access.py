"""Looking at who a person is, sealed and logged, beside plain reads of the same on one server with fsync on.

`plain` is a SELECT of the same rows from a table in clear, as if nothing were sealed nor logged; `sealed` is the event
log's own read of the stream, opened with the person's keys. The looks append their event in the statement that reads.
"""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple
from uuid import UUID

import msgspec

from application.access import Caller, Means
from application.access_log import AccessLog, Budget, Visit
from application.contents import topics_with
from application.event_log import Commit
from benchmarks.folder import in_a_folder
from benchmarks.measure import Measure, report
from domain.access_log import Opened
from domain.clock import SystemClock
from domain.compartments import Compartment
from domain.contact import Channel, ContactRecorded
from domain.ids import uuid7
from domain.opening import PathwayOpened
from domain.roles import Role
from domain.shares import AccessPurpose
from infrastructure.access_log import PostgresLooks
from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.migrate import migrate

RUNS = 5
SECONDS = 1.0
PERSONS = 500
CONTACTS = 20
IN_FLIGHT = 32
TERRITORY, AGENCY = "FR-34", "ccas-montpellier"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALLER = Caller(
    territory=TERRITORY,
    agency=AGENCY,
    agent="agent-7",
    key_id="session-1",
    means=Means.PERSON,
    roles=frozenset({Role.WORKER}),
)
IDENTITY = frozenset({Compartment.IDENTITY})
GROUND = (Opened(compartment=Compartment.IDENTITY, relation="owner", legal_basis="rgpd-6-1-e"),)
PLAIN_TABLE = "CREATE TABLE plain (subject uuid PRIMARY KEY, identity bytea NOT NULL)"
PLAIN = "SELECT identity FROM plain WHERE subject = $1"


class Rig(NamedTuple):
    pool: Pool
    log: PostgresEventLog
    access_log: AccessLog
    people: list[UUID]

    async def look(self) -> None:
        person = random.choice(self.people)  # noqa: S311
        visit = Visit(
            caller=CALLER,
            subject=person,
            stream_id=person,
            compartments=IDENTITY,
            purpose=AccessPurpose.ACCOMPANIMENT,
        )
        assert (await self.access_log.look(visit, topics_with(IDENTITY), GROUND)).events

    async def sealed(self) -> None:
        assert await self.log.read_stream(TERRITORY, random.choice(self.people))  # noqa: S311

    async def plain(self) -> None:
        msgspec.json.decode(await self.pool.fetchval(PLAIN, random.choice(self.people)))  # noqa: S311


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server, _rig(server.url) as rig:
        gc.freeze()
        for in_flight in (1, IN_FLIGHT):
            rates: dict[str, list[float]] = {"look": [], "sealed": [], "plain": []}
            for _ in range(RUNS):  # Taking turns, so that what else the machine does hits all alike.
                rates["plain"].append(await _rate(rig.plain, in_flight))
                rates["sealed"].append(await _rate(rig.sealed, in_flight))
                rates["look"].append(await _rate(rig.look, in_flight))
            found = {name: median(values) for name, values in rates.items()}
            for baseline in ("plain", "sealed"):
                report(
                    Measure(
                        name=f"logged_look_{in_flight}_in_flight/{baseline}_read",
                        value=round(found["look"], 1),
                        unit="reads/s",
                        baseline=round(found[baseline], 1),
                        ratio=round(found["look"] / found[baseline], 3),
                    )
                )


async def _rate(read: Callable[[], Awaitable[None]], in_flight: int) -> float:
    """Reads a second with so many always under way."""
    start = time.perf_counter()
    done = 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() - start < SECONDS:
            await read()
            done += 1

    await asyncio.gather(*(client() for _ in range(in_flight)))
    return done / (time.perf_counter() - start)


@asynccontextmanager
async def _rig(url: str) -> AsyncIterator[Rig]:
    connection = await connect(url)
    await migrate(connection)
    await connection.execute(PLAIN_TABLE)
    await connection.close()
    boundless = Budget(by_user=PERSONS, by_agency=PERSONS)
    async with create_pool(url, min_size=10) as pool:
        vault = PostgresKeyVault(pool, KeyFile({1: bytes(32)}))
        async with (
            PostgresEventLog(url, pool, vault) as log,
            PostgresLooks(url, pool, vault, budget=boundless) as looks,
        ):
            people = await asyncio.gather(*(_person(log, pool) for _ in range(PERSONS)))
            await pool.execute("ANALYZE")
            yield Rig(pool, log, AccessLog(log, looks, vault, SystemClock()), people)


async def _person(log: PostgresEventLog, pool: Pool) -> UUID:
    """With a name and a history of contacts, sealed in the log and, for the plain read, in clear."""
    person = uuid7()
    opened = PathwayOpened(
        originator_id=person,
        originator_version=1,
        originator_topic="domain.pathway:Pathway",
        timestamp=AT,
        agency=AGENCY,
        territory=TERRITORY,
        subject=person,
        on=date(2026, 3, 1),
        given_name="Ada",
        family_name="Lovelace",
        birth_date=date(1991, 5, 17),
        phone="+33600000000",
        address="1 rue de la Loge, 34000 Montpellier",
    )
    contacts = [
        ContactRecorded(
            originator_id=person,
            originator_version=version,
            timestamp=AT,
            agency=AGENCY,
            contact_id=uuid7(),
            channel=Channel.PHONE,
            at=AT,
            note="x" * 100,
        )
        for version in range(2, CONTACTS + 2)
    ]
    commit = Commit(stream_id=person, expected_version=0, events=[opened, *contacts], subject=person)
    await log.append(TERRITORY, commit)
    await pool.execute("INSERT INTO plain VALUES ($1, $2)", person, msgspec.json.encode(opened))
    return person


if __name__ == "__main__":
    main()
