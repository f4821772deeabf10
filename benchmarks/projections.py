"""How soon what is acknowledged is visible and judged, and how fast everything is rebuilt, on one server with fsync on.

The peer is the stock library's projection runner folding the same number of unencrypted events into one table; here
every event is opened and folded into every projection, pathways are judged under the shipped rules. `ARGS=projections`
runs it; UNISSON_BENCH_EVENTS asks for another size than 10^5 of the larger log.
"""

import asyncio
import gc
import os
import random
import resource
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection as StockProjection
from eventsourcing.projection import ProjectionRunner
from psycopg.sql import SQL, Identifier

import domain.catalogue  # noqa: F401 - registers every event type
from application.event_log import Commit, EventLog
from application.rulebook import shipped_rules
from application.rules_in_force import RulesInForce
from benchmarks.folder import in_a_folder
from benchmarks.measure import Measure, at_least, at_most, report
from domain.aggregate import Event
from domain.clock import SystemClock
from domain.command import Act
from domain.contact import Channel, RecordContact
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.ids import uuid7
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.rules import Calendars
from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.migrate import migrate
from projections.agency_inbox import inbox
from projections.follower import Follower
from projections.pathway_timeline import timeline
from projections.projection import Projection
from projections.rebuild import rebuild
from projections.registry import projections

RUNS = 3
SMALL, LARGE = 10_000, int(os.environ.get("UNISSON_BENCH_EVENTS") or 100_000)
STOCK_EVENTS = 3_000
EVENTS_PER_PATHWAY = 20
RATE, LAG_SECONDS = 1_000, 5
IN_FLIGHT = 64
READS = 500
NEED = "se-former--trouver-sa-formation"
AGENCIES = ("ccas-montpellier", "mission-locale", "france-travail", "siao-34")


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.execute("CREATE DATABASE stock")
        await connection.close()
        stock = [await asyncio.to_thread(stock_rate, server.url, run) for run in range(RUNS)]
        async with create_pool(server.url, statement_timeout_seconds=600) as pool:
            vault = PostgresKeyVault(pool, KeyFile({1: bytes(32)}))
            async with PostgresEventLog(server.url, pool, vault) as log:
                await _measure(pool, log, median(stock))


async def _measure(pool: Pool, log: EventLog, stock: float) -> None:
    everything = projections(log, RulesInForce(shipped_rules()), Calendars())
    async with Follower(pool, log, everything, SystemClock()) as follower:
        latencies_ms = await lag(log, follower)
    report(at_most("visible_and_judged_p50_at_1000_events_per_s", _share(latencies_ms, 50), "ms", 10))
    report(at_most("visible_and_judged_p99_at_1000_events_per_s", _share(latencies_ms, 99), "ms", 100))
    rates = {}
    for events in (SMALL, LARGE):
        territory = f"FR-{events}"
        await fill(log, territory, events)
        started = time.perf_counter()
        await Follower(pool, log, everything, SystemClock()).catch_up()
        followed = events / (time.perf_counter() - started)
        report(Measure(name=f"follow_{events}_events_from_zero", value=round(followed), unit="events/s"))
        rates[events] = median([await rebuild_rate(pool, log, everything, territory, events) for _ in range(RUNS)])
        await reads(pool, log, territory, events)
    report(at_least("rebuild_all_projections/stock_runner", rates[LARGE], "events/s", stock, 20))
    report(at_least(f"rebuild_of_{LARGE}_events/of_{SMALL}", rates[LARGE], "events/s", rates[SMALL], 0.8))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report(Measure(name="peak_memory_of_the_benchmark", value=round(peak_mb), unit="MB"))


async def rebuild_rate(
    pool: Pool, log: EventLog, everything: Sequence[Projection], territory: str, events: int
) -> float:
    """Only this territory's share is counted: the others are rebuilt as well, so they are dropped first."""
    await pool.execute("DELETE FROM consumers WHERE territory <> $1", territory)
    gc.collect()
    started = time.perf_counter()
    await rebuild(pool, OneTerritory(log, territory), everything, SystemClock())
    return events / (time.perf_counter() - started)


class OneTerritory:
    """A log that knows of one territory only."""

    def __init__(self, log: EventLog, territory: str) -> None:
        self._log = log
        self._territory = territory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def territories(self) -> list[str]:
        return [self._territory]


async def lag(log: EventLog, follower: Follower) -> list[float]:
    """Milliseconds from the acknowledgement of each event until every projection shows it, at a steady rate."""
    territory, dice = "FR-75", random.Random(1)  # noqa: S311
    pathways = [_pathway(territory, dice) for _ in range(200)]
    for pathway in pathways:
        await _append(log, territory, pathway)
    latencies_ms: list[float] = []

    async def one(pathway: Pathway) -> None:
        RecordContact(channel=Channel.PHONE).decide(pathway, _act(dice))
        position = await _append(log, territory, pathway)
        acknowledged = time.perf_counter()
        if await follower.caught_up(territory, position, 10):
            latencies_ms.append((time.perf_counter() - acknowledged) * 1000)

    started, tasks = time.perf_counter(), set()
    for number in range(RATE * LAG_SECONDS):
        due = started + number / RATE
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.add(asyncio.create_task(one(pathways[number % len(pathways)])))
    await asyncio.gather(*tasks)
    return latencies_ms


async def fill(log: EventLog, territory: str, events: int) -> None:
    """Pathways of some length, their events interleaved as those of a territory are."""
    dice = random.Random(events)  # noqa: S311
    pathways = [_pathway(territory, dice) for _ in range(events // EVENTS_PER_PATHWAY)]
    turns = asyncio.Semaphore(IN_FLIGHT)

    async def append(pathway: Pathway) -> None:
        async with turns:
            await _append(log, territory, pathway)

    await asyncio.gather(*(append(pathway) for pathway in pathways))
    for turn in range(1, EVENTS_PER_PATHWAY):
        for pathway in pathways:
            _live(pathway, turn, dice)
        await asyncio.gather(*(append(pathway) for pathway in pathways))


def _pathway(territory: str, dice: random.Random) -> Pathway:
    return open_pathway(OpenPathway(), territory, _act(dice), uuid7(), uuid7())


def _live(pathway: Pathway, turn: int, dice: random.Random) -> None:
    """One event more: a need, a referral now and then and its answer, contacts mostly."""
    act = _act(dice, agency=AGENCIES[0])
    match turn % 7:
        case 1:
            RecordDiagnosis(needs=(FoundNeed(theme=NEED),)).decide(pathway, act)
        case 2:
            RequestReferral(to_agency=AGENCIES[1], theme=NEED, id=_referral(pathway, turn)).decide(pathway, act)
        case 3:
            answer = MoveReferral(referral_id=_referral(pathway, turn - 1), status=ReferralStatus.ACCEPTED)
            answer.decide(pathway, _act(dice, agency=AGENCIES[1]))
        case _:
            RecordContact(channel=Channel.PHONE).decide(pathway, act)


def _referral(pathway: Pathway, turn: int) -> UUID:
    return UUID(int=pathway.id.int ^ turn)


def _act(dice: random.Random, agency: str | None = None) -> Act:
    now = datetime.now(UTC)
    return Act(agency=agency or AGENCIES[0], agent=f"agent-{dice.randrange(9)}", at=now, today=now.date())


async def _append(log: EventLog, territory: str, pathway: Pathway) -> int:
    events = [each for each in pathway.collect_events() if isinstance(each, Event)]
    expected = pathway.version - len(events)
    commit = Commit(stream_id=pathway.id, expected_version=expected, events=events, subject=pathway.subject)
    return (await log.append(territory, commit)).last_position


async def reads(pool: Pool, log: EventLog, territory: str, events: int) -> None:
    """One page of a timeline and one of an inbox, with so many events stored."""
    headers = await log.headers(territory, after=0, limit=1_000)
    dice, now = random.Random(2), datetime.now(UTC) + timedelta(days=1)  # noqa: S311
    timings_ms: dict[str, list[float]] = {"timeline": [], "inbox": []}
    async with pool.acquire() as db:
        for _ in range(READS):
            started = time.perf_counter()
            await timeline(db, territory, dice.choice(headers).stream_id)
            half = time.perf_counter()
            await inbox(db, territory, AGENCIES[1], now)
            timings_ms["timeline"].append((half - started) * 1000)
            timings_ms["inbox"].append((time.perf_counter() - half) * 1000)
    for name, timings in timings_ms.items():
        report(at_most(f"read_{name}_page_p95_of_{events}_events", _share(timings, 95), "ms", 5))


def _share(values: Sequence[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


# The peer


class Diary(Aggregate):
    @event("Opened")
    def __init__(self, code: str) -> None:
        self.code = code

    @event("Written")
    def write(self, code: str) -> None:
        self.code = code


class TimelineView(PostgresTrackingRecorder):
    """One table, one row per event: the least that a timeline needs."""

    def __init__(self, datastore: Any, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.table = Identifier(f"{self.tracking_table_name}_timeline")
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS {} (stream uuid, position bigint, topic text, code text,"
                " PRIMARY KEY (stream, position))"
            ).format(self.table)
        )

    def add(self, stream: UUID, topic: str, code: str, tracking: Tracking) -> None:
        with self.datastore.get_connection() as connection, connection.transaction(), connection.cursor() as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                SQL("INSERT INTO {} VALUES (%s, %s, %s, %s)").format(self.table),
                (stream, tracking.notification_id, topic, code),
                prepare=True,
            )


class StockTimeline(StockProjection[TimelineView]):
    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.add(domain_event.originator_id, type(domain_event).__qualname__, domain_event.code, tracking)


class Diaries(Application[UUID]):
    name = "diaries"


def stock_rate(url: str, run: int) -> float:
    """Events a second of the stock projection runner, from the first event."""
    host = url.partition("host=")[2]
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": "stock",
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": "unisson",
        "POSTGRES_PASSWORD": "",
    }
    if run == 0:
        application = Diaries(env=env)
        for _ in range(STOCK_EVENTS // EVENTS_PER_PATHWAY):
            diary = Diary(code="opened")
            for number in range(1, EVENTS_PER_PATHWAY):
                diary.write(code=f"line-{number}")
            application.save(diary)
        application.close()
    renamed = type(f"StockTimeline{run}", (StockTimeline,), {"name": f"timeline{run}"})
    view = type(f"TimelineView{run}", (TimelineView,), {})
    started = time.perf_counter()
    with ProjectionRunner(application_class=Diaries, projection_class=renamed, view_class=view, env=env) as runner:
        runner.wait(STOCK_EVENTS, timeout=120)
        return STOCK_EVENTS / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
