"""The stock `eventsourcing` library reads the log through a view, with its own PostgreSQL recorder on psycopg."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import psycopg
import pytest
from eventsourcing.postgres import PostgresAggregateRecorder, PostgresApplicationRecorder, PostgresDatastore

from application.event_log import Commit, Stored
from application.key_vault import Keyring
from domain.compartments import Compartment
from domain.erasure import ErasedEvent
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.stock_mapper import StockMapper
from tests.support.histories import BoardPainted, Diary, LineWritten, line, opened, painted
from tests.support.logs import postgres_log

T = "FR-34"


class Written:
    """A stream of a person and a stream of no person, the keys, and what our own reading gives."""

    stream_id = uuid7()
    board_id = uuid7()
    subject = uuid7()
    keyrings: dict[UUID, Keyring]
    page: list[Stored]


@pytest.fixture
async def written(database_url: str, pool: Pool) -> Written:
    written = Written()
    events = [
        opened(written.stream_id, written.subject, name="Zoé"),
        line(written.stream_id, 2, "visit", note="Rang twice."),
        line(written.stream_id, 3, "call"),
    ]
    async with postgres_log(database_url, pool) as log:
        board = [painted(written.board_id, 1, "red")]
        await log.append(T, Commit(stream_id=written.board_id, expected_version=0, events=board))
        await log.append("FR-30", Commit(stream_id=written.board_id, expected_version=0, events=board))
        await log.append(
            T, Commit(stream_id=written.stream_id, expected_version=0, events=events, subject=written.subject)
        )
        written.page = await log.page(T, after=0)
        written.keyrings = await log.vault.keyrings(T, [written.subject])
    return written


@pytest.fixture
def datastore(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresDatastore]:
    """As another team would set it up: the environment names the territory, the library needs nothing of ours."""
    monkeypatch.setenv("PGOPTIONS", f"-c unisson.territory={T}")
    parts = urlsplit(database_url)
    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
    with PostgresDatastore(
        dbname=parts.path.removeprefix("/"),
        host=query.get("host", parts.hostname or ""),
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    ) as opened_datastore:
        yield opened_datastore


async def test_a_stock_recorder_replays_a_pathway(written: Written, datastore: PostgresDatastore) -> None:
    recorder = PostgresAggregateRecorder(datastore, events_table_name="stock_events")
    selected = await asyncio.to_thread(recorder.select_events, written.stream_id)
    mapper = StockMapper(T, written.keyrings)
    diary: Any = None
    for stored in selected:
        diary = mapper.to_domain_event(stored).mutate(diary)
    assert isinstance(diary, Diary)
    assert (diary.version, diary.lines, diary.subject) == (3, ["visit", "call"], written.subject)


async def test_a_stock_recorder_selects_part_of_a_stream(written: Written, datastore: PostgresDatastore) -> None:
    recorder = PostgresAggregateRecorder(datastore, events_table_name="stock_events")
    selected = await asyncio.to_thread(
        lambda: recorder.select_events(written.stream_id, gt=1, lte=3, desc=True, limit=1)
    )
    (last,) = (StockMapper(T, written.keyrings).to_domain_event(stored) for stored in selected)
    assert isinstance(last, LineWritten)
    assert last.originator_version == 3


async def test_stock_notifications_are_the_log_in_order(written: Written, datastore: PostgresDatastore) -> None:
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stock_events")
    notifications = await asyncio.to_thread(lambda: recorder.select_notifications(start=1, limit=10))
    mapper = StockMapper(T, written.keyrings)
    assert [mapper.to_domain_event(one) for one in notifications] == [stored.event for stored in written.page]
    assert [one.id for one in notifications] == [1, 2, 3, 4]
    assert await asyncio.to_thread(recorder.max_notification_id) == 4
    some = await asyncio.to_thread(
        lambda: recorder.select_notifications(start=1, limit=10, topics=["test-board.painted"])
    )
    (board,) = (mapper.to_domain_event(one) for one in some)
    assert isinstance(board, BoardPainted)


async def test_without_keys_a_stock_reader_sees_erased_events(written: Written, datastore: PostgresDatastore) -> None:
    recorder = PostgresAggregateRecorder(datastore, events_table_name="stock_events")
    selected = await asyncio.to_thread(recorder.select_events, written.stream_id)
    mapper = StockMapper(
        T, {written.subject: {Compartment.NOTES: written.keyrings[written.subject][Compartment.NOTES]}}
    )
    assert [type(mapper.to_domain_event(stored)).__name__ for stored in selected] == [
        "ErasedCreation",
        "ErasedEvent",
        "ErasedEvent",
    ]
    assert isinstance(mapper.to_domain_event(selected[1]), ErasedEvent)


async def test_no_territory_named_shows_nothing(written: Written, database_url: str) -> None:
    def count(options: str | None) -> Any:
        with psycopg.connect(database_url, options=options) as connection:
            return connection.execute("SELECT count(*) FROM stock_events").fetchone()

    assert await asyncio.to_thread(count, None) == (0,)
    assert await asyncio.to_thread(count, "-c unisson.territory=FR-30") == (1,)


async def test_a_stock_mapper_never_writes(written: Written) -> None:
    with pytest.raises(NotImplementedError):
        StockMapper(T, {}).to_stored_event(written.page[0].event)
