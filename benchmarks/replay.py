"""The whole log read back as typed events, sealed and not; beside it, the stock library reading the same in clear."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, UUIDAsHex
from eventsourcing.postgres import PostgresApplicationRecorder

from application.event_log import Commit
from benchmarks.append import datastore_of
from benchmarks.folder import in_a_folder
from benchmarks.measure import at_least, report
from domain.aggregate import Event
from domain.ids import uuid7
from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.migrate import migrate
from tests.support.histories import AGENCY, NOON, line, painted

RUNS = 5
STREAMS, EVENTS_PER_STREAM = 200, 100
PAGE = 1000
SEALED, CLEAR = "FR-34", "FR-30"
NOTE = "x" * 150


class StockLine(Aggregate.Event):
    """The same fields as ours, in the library's own idiom."""

    agency: str
    code: str
    note: str


class StockPaint(Aggregate.Event):
    agency: str
    colour: str


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        async with create_pool(server.url) as pool:
            vault = PostgresKeyVault(pool, KeyFile({1: bytes(32)}))
            async with PostgresEventLog(server.url, pool, vault) as log:
                await _measure(server.url, log)


async def _measure(url: str, log: PostgresEventLog) -> None:
    await _store(log, SEALED, lambda stream_id, version: line(stream_id, version, "visit", note=NOTE), sealed=True)
    await _store(log, CLEAR, lambda stream_id, version: painted(stream_id, version, NOTE), sealed=False)
    mapper = _mapper()
    with datastore_of(url) as datastore:
        lines = PostgresApplicationRecorder(datastore, events_table_name="stock_lines")
        paints = PostgresApplicationRecorder(datastore, events_table_name="stock_paints")
        for recorder, make in ((lines, _stock_line), (paints, _stock_paint)):
            recorder.create_table()
            for _ in range(STREAMS):
                stream_id = uuid7()
                events = [make(stream_id, version) for version in range(1, EVENTS_PER_STREAM + 1)]
                recorder.insert_events([mapper.to_stored_event(event) for event in events])
        rates: dict[str, list[float]] = {"sealed": [], "clear": [], "stock lines": [], "stock paints": []}
        gc.collect()
        gc.freeze()  # What was built up to here is not what is measured.
        for _ in range(RUNS):
            rates["sealed"].append(await _rate(lambda: _replay(log, SEALED)))
            rates["clear"].append(await _rate(lambda: _replay(log, CLEAR)))
            rates["stock lines"].append(await _rate(lambda: asyncio.to_thread(_stock_replay, lines, mapper)))
            rates["stock paints"].append(await _rate(lambda: asyncio.to_thread(_stock_replay, paints, mapper)))
    found = {name: median(values) for name, values in rates.items()}
    report(at_least("replay_sealed/stock_unencrypted", found["sealed"], "events/s", found["stock lines"], 1))
    report(at_least("replay_clear/stock_unencrypted", found["clear"], "events/s", found["stock paints"], 4))


async def _store(log: PostgresEventLog, territory: str, make: Callable[[UUID, int], Event], *, sealed: bool) -> None:
    for _ in range(STREAMS):
        stream_id = uuid7()
        events = [make(stream_id, version) for version in range(1, EVENTS_PER_STREAM + 1)]
        subject = uuid7() if sealed else None
        await log.append(territory, Commit(stream_id=stream_id, expected_version=0, events=events, subject=subject))


async def _rate(replay: Callable[[], Awaitable[int]]) -> float:
    start = time.perf_counter()
    read = await replay()
    assert read == STREAMS * EVENTS_PER_STREAM
    return read / (time.perf_counter() - start)


async def _replay(log: PostgresEventLog, territory: str) -> int:
    position = 0
    async for page in log.pages(territory, after=0, limit=PAGE):
        position = page[-1].position
    return position


def _stock_replay(recorder: PostgresApplicationRecorder, mapper: Mapper[UUID]) -> int:
    position = 0
    while page := recorder.select_notifications(start=position + 1, limit=PAGE):
        for notification in page:
            mapper.to_domain_event(notification)
        position = page[-1].id
    return position


def _mapper() -> Mapper[UUID]:
    transcoder = JSONTranscoder()
    transcoder.register(UUIDAsHex())
    transcoder.register(DatetimeAsISO())
    return Mapper(transcoder)


def _stock_line(stream_id: UUID, version: int) -> Any:
    event_type: Any = StockLine  # The library makes it a dataclass, unseen by mypy.
    return event_type(stream_id, version, NOON, agency=AGENCY, code="visit", note=NOTE)


def _stock_paint(stream_id: UUID, version: int) -> Any:
    event_type: Any = StockPaint
    return event_type(stream_id, version, NOON, agency=AGENCY, colour=NOTE)


if __name__ == "__main__":
    main()
