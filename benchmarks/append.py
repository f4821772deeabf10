"""Durable appends beside their peers on one server with fsync on: stock recorder, pgbench, advisory-locked insert.

All store 300-byte payloads, one event a command, of streams of their own, under two unique keys (stream and version,
position). Commands are made before the clock starts, as pgbench and the stock recorder's events are.
"""

import asyncio
import gc
import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from application.event_log import Commit
from benchmarks.folder import in_a_folder
from benchmarks.measure import Measure, at_least, at_most, report
from domain.ids import uuid7
from infrastructure.append_call import SealedCommit
from infrastructure.database import Connection, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.event_codec import SealedEvent
from infrastructure.event_header import commit_tail, header_start, uuid_field
from infrastructure.event_log import PostgresEventLog
from infrastructure.group_writer import GroupWriter
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.migrate import migrate
from infrastructure.postgres_binaries import find_binaries, server_account
from tests.support.histories import line

RUNS = 5  # Short and taking turns, so that what else the machine does hits all alike.
SECONDS = 1.0
IN_FLIGHT = 32
PERSONS = 100
MADE_AHEAD = 100_000  # More than any run gets through.
PAYLOAD = os.urandom(300)
TERRITORY, TOPIC, AGENCY = "FR-34", "bench.appended", "ccas-montpellier"

# The same columns and keys as the stock library's table, filled by PostgreSQL itself.
PGBENCH_TABLE = """
CREATE TABLE pgbench_events (stream_id uuid, version bigint, topic text, payload bytea, position bigserial,
    PRIMARY KEY (stream_id, version));
CREATE UNIQUE INDEX ON pgbench_events (position);
CREATE TABLE locked_events (LIKE pgbench_events INCLUDING ALL)"""
PGBENCH_INSERT = """
INSERT INTO pgbench_events (stream_id, version, topic, payload)
VALUES (gen_random_uuid(), 1, 'bench.appended', convert_to(repeat('x', 300), 'UTF8'));
"""
INSERT = "INSERT INTO locked_events (stream_id, version, topic, payload) VALUES ($1, 1, $2, $3)"
LOCKED_INSERT = """
WITH ordered AS (SELECT pg_advisory_xact_lock(1))
INSERT INTO locked_events (stream_id, version, topic, payload) SELECT $1, 1, $2, $3 FROM ordered"""


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.execute(PGBENCH_TABLE)
        await _measure(server.url, connection, folder)
        await connection.close()


async def _measure(url: str, connection: Connection, folder: Path) -> None:
    rates: dict[str, list[float]] = {}
    slowest: list[float] = []
    with datastore_of(url) as datastore:
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        await asyncio.to_thread(datastore.pool.wait)
        for _ in range(RUNS):
            rates.setdefault("pgbench", []).append(await _pgbench(url, folder))
            rates.setdefault("stock", []).append(await asyncio.to_thread(_stock, recorder))
            async with GroupWriter(url) as writer:
                rate, p99_ms = await _writer(writer, IN_FLIGHT)
                rates.setdefault("appended", []).append(rate)
                slowest.append(p99_ms)
                rates.setdefault("transaction", []).append((await _locked_transaction(connection))[0])
                rates.setdefault("statement", []).append((await _locked_statement(connection))[0])
                rates.setdefault("alone", []).append((await _writer(writer, 1))[0])
            rates.setdefault("sealed", []).append(await _sealed(url))
    found = {name: median(values) for name, values in rates.items()}
    report(at_least("append_32_in_flight/stock_recorder", found["appended"], "events/s", found["stock"], 20))
    report(at_least("append_32_in_flight/pgbench_insert", found["appended"], "events/s", found["pgbench"], 1.3))
    report(at_most("append_32_in_flight_p99", median(slowest), "ms", 3))
    alone, transaction, statement = found["alone"], found["transaction"], found["statement"]
    report(at_least("append_1_in_flight/advisory_locked_transaction", alone, "events/s", transaction, 0.8))
    report(
        Measure(
            name="append_1_in_flight/advisory_locked_statement",
            value=round(alone, 3),
            unit="events/s",
            baseline=round(statement, 3),
            ratio=round(alone / statement, 3),
        )
    )
    report(Measure(name="append_32_in_flight_with_sealing", value=round(found["sealed"]), unit="events/s"))


async def _timed(append: Callable[[], Awaitable[object]], in_flight: int) -> tuple[float, float]:
    """(events/s, 99th percentile in milliseconds) with so many appends always under way."""
    latencies: list[float] = []
    start = time.perf_counter()

    async def client() -> None:
        while (before := time.perf_counter()) - start < SECONDS:
            await append()
            latencies.append(time.perf_counter() - before)

    await asyncio.gather(*(client() for _ in range(in_flight)))
    elapsed = time.perf_counter() - start
    return len(latencies) / elapsed, sorted(latencies)[len(latencies) * 99 // 100] * 1000


async def _writer(writer: GroupWriter, in_flight: int) -> tuple[float, float]:
    commits = iter([_commit() for _ in range(MADE_AHEAD)])
    await writer.append(TERRITORY, _commit())
    gc.freeze()
    return await _timed(lambda: writer.append(TERRITORY, next(commits)), in_flight)


def _commit() -> SealedCommit:
    stream_id = uuid7()
    tail = commit_tail(None, None, None)
    header = header_start(TERRITORY, uuid_field(stream_id), 1, TOPIC, AGENCY, None, tail)
    event = SealedEvent(1, TOPIC, AGENCY, None, header, PAYLOAD, hashlib.sha256(PAYLOAD).digest())
    return SealedCommit(
        stream_id=stream_id,
        expected_version=0,
        subject=None,
        correlation_id=None,
        causation_id=None,
        idempotency=None,
        events=[event],
    )


async def _sealed(url: str) -> float:
    """The whole way from an event of a person: JSON, two keys, ciphertexts, hashes, commit."""
    subjects = [uuid7() for _ in range(PERSONS)]
    numbers = count()

    def commit() -> Commit:
        stream_id: UUID = uuid7()
        event = line(stream_id, 1, "visit", tags=("a", "b"), note="x" * 100)
        subject = subjects[next(numbers) % PERSONS]
        return Commit(stream_id=stream_id, expected_version=0, events=[event], subject=subject)

    async with create_pool(url) as pool:
        vault = PostgresKeyVault(pool, KeyFile({1: bytes(32)}))
        async with PostgresEventLog(url, pool, vault) as log:
            await asyncio.gather(*(log.append(TERRITORY, commit()) for _ in range(PERSONS)))
            return (await _timed(lambda: log.append(TERRITORY, commit()), IN_FLIGHT))[0]


async def _locked_transaction(connection: Connection) -> tuple[float, float]:
    async def append() -> None:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1)")
            await connection.execute(INSERT, uuid7(), TOPIC, PAYLOAD)

    return await _timed(append, 1)


async def _locked_statement(connection: Connection) -> tuple[float, float]:
    """The least that PostgreSQL can do: one round trip, and no version is checked."""
    return await _timed(lambda: connection.execute(LOCKED_INSERT, uuid7(), TOPIC, PAYLOAD), 1)


async def _pgbench(url: str, folder: Path) -> float:
    script = folder / "insert.sql"
    script.write_text(PGBENCH_INSERT)
    program = find_binaries(None, folder, server_account(), None).folder / "pgbench"
    process = await asyncio.create_subprocess_exec(
        program,
        *("--no-vacuum", "--protocol=prepared", f"--client={IN_FLIGHT}", "--jobs=2"),
        *(f"--time={SECONDS:.0f}", f"--file={script}", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    found = re.search(rb"tps = ([0-9.]+)", output)
    assert found, output
    return float(found[1])


def _stock(recorder: PostgresApplicationRecorder) -> float:
    """As many threads as the others have clients, each with a connection of its own."""
    start = time.perf_counter()

    def client(_: int) -> int:
        for done in count():
            if time.perf_counter() - start > SECONDS:
                return done
            recorder.insert_events([StoredEvent(uuid7(), 1, TOPIC, PAYLOAD)])
        raise AssertionError

    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        done = sum(threads.map(client, range(IN_FLIGHT)))
    return done / (time.perf_counter() - start)


def datastore_of(url: str) -> PostgresDatastore:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return PostgresDatastore(
        dbname=parts.path.removeprefix("/"),
        host=query["host"],
        port=5432,
        user=parts.username or "",
        password="",
        pool_size=IN_FLIGHT,
    )


if __name__ == "__main__":
    main()
