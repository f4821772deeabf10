"""What every event log promises, tried on the one in memory and on the one on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.event_log import (
    Appended,
    Commit,
    EventLog,
    EventTooLarge,
    Idempotency,
    IdempotencyKeyReused,
    StaleVersion,
    UnfitText,
)
from application.key_vault import KeyDestroyed, KeyVault
from domain.clock import SettableClock
from domain.compartments import Compartment, Erased
from domain.erasure import ErasedCreation, ErasedEvent
from domain.ids import uuid7
from infrastructure.database import Pool
from tests.support.histories import AGENCY, BoardPainted, Diary, LineWritten, line, opened, painted
from tests.support.logs import START, memory_log, postgres_log

T = "FR-34"


class Bench:
    """A log with its vault and its clock."""

    def __init__(self, log: EventLog, vault: KeyVault, clock: SettableClock) -> None:
        self.log, self.vault, self.clock = log, vault, clock


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> tuple[str, Pool] | None:
    """The address and the pool of a database for the log on PostgreSQL; None for the one in memory."""
    if request.param == "memory":
        return None
    return request.getfixturevalue("database_url"), request.getfixturevalue("pool")


@pytest.fixture
async def bench(database: tuple[str, Pool] | None) -> AsyncIterator[Bench]:
    clock = SettableClock(START)
    if database is None:
        memory = memory_log(clock)
        yield Bench(memory, memory.vault, clock)
        return
    async with postgres_log(*database, clock) as log:
        yield Bench(log, log.vault, clock)


@pytest.fixture
def log(bench: Bench) -> EventLog:
    return bench.log


def board(stream_id: UUID, expected: int, *colours: str, **fields: Any) -> Commit:
    events = [painted(stream_id, expected + number, colour) for number, colour in enumerate(colours, start=1)]
    return Commit(stream_id=stream_id, expected_version=expected, events=events, **fields)


def key(name: str = "k", fingerprint: bytes = b"f", outcome: bytes = b"o", *, keep: bool = False) -> Idempotency:
    return Idempotency(client="c", key=name, fingerprint=fingerprint, outcome=outcome, keep=keep)


async def colours(log: EventLog, territory: str = T) -> list[str]:
    events = [stored.event for stored in await log.page(territory, after=0)]
    return [event.colour for event in events if isinstance(event, BoardPainted)]


async def test_what_is_appended_is_read_back(log: EventLog) -> None:
    stream_id, cause, correlation = uuid7(), uuid7(), uuid7()
    commit = board(stream_id, 0, "red", "blue", correlation_id=correlation, causation_id=cause)
    appended = await log.append(T, commit)
    assert appended == Appended(first_position=1, last_position=2, version=2, recorded_at=START)
    first, second = await log.read_stream(T, stream_id)
    assert isinstance(second.event, BoardPainted)
    assert (first.position, second.position) == (1, 2)
    assert second.event.colour == "blue"
    assert second.event.originator_version == 2
    assert second.event.agency == AGENCY
    assert second.event.timestamp == START
    assert second.event.position == 2
    assert (second.topic, second.correlation_id, second.causation_id) == ("test-board.painted", correlation, cause)


async def test_positions_are_dense_and_each_territory_has_its_own(log: EventLog) -> None:
    await asyncio.gather(*(log.append(T, board(uuid7(), 0, "red", "blue")) for _ in range(50)))
    other = await log.append("FR-30", board(uuid7(), 0, "green"))
    assert [stored.position for stored in await log.page(T, after=0)] == list(range(1, 101))
    assert (await log.head(T), await log.head("FR-30"), await log.head("FR-99")) == (100, 1, 0)
    assert other.first_position == 1
    assert await log.territories() == ["FR-30", "FR-34"]


async def test_events_of_a_commit_stay_together_and_in_order(log: EventLog) -> None:
    commits = [board(uuid7(), 0, f"{n}a", f"{n}b", f"{n}c") for n in range(20)]
    appended = await asyncio.gather(*(log.append(T, commit) for commit in commits))
    read = await colours(log)
    for number, place in enumerate(appended):
        assert read[place.first_position - 1 : place.last_position] == [f"{number}a", f"{number}b", f"{number}c"]


async def test_a_stale_version_is_refused_and_says_the_current_one(log: EventLog) -> None:
    stream_id = uuid7()
    await log.append(T, board(stream_id, 0, "red", "blue"))
    for stale in (0, 1, 3):
        with pytest.raises(StaleVersion) as refused:
            await log.append(T, board(stream_id, stale, "green"))
        assert refused.value.current_version == 2
    assert await colours(log) == ["red", "blue"]


async def test_one_stale_command_never_hurts_its_neighbours(log: EventLog) -> None:
    taken = uuid7()
    await log.append(T, board(taken, 0, "red"))
    commits = [board(uuid7(), 0, str(n)) for n in range(10)]
    commits.insert(5, board(taken, 0, "stale"))
    results = await asyncio.gather(*(log.append(T, commit) for commit in commits), return_exceptions=True)
    assert [type(result) for result in results].count(StaleVersion) == 1
    assert isinstance(results[5], StaleVersion)
    assert sorted(await colours(log)) == sorted(["red", *map(str, range(10))])
    assert await log.head(T) == 11


async def test_of_several_commands_on_one_version_exactly_one_wins(log: EventLog) -> None:
    stream_id = uuid7()
    results = await asyncio.gather(
        *(log.append(T, board(stream_id, 0, str(n))) for n in range(20)), return_exceptions=True
    )
    assert [type(result) for result in results].count(Appended) == 1
    assert len(await log.read_stream(T, stream_id)) == 1


async def test_commands_that_follow_each_other_on_a_stream_all_pass(log: EventLog) -> None:
    stream_id = uuid7()
    appended = await asyncio.gather(*(log.append(T, board(stream_id, n, str(n))) for n in range(20)))
    assert [place.version for place in appended] == list(range(1, 21))
    assert await colours(log) == [str(n) for n in range(20)]


async def test_the_same_command_again_is_answered_the_same_and_appends_nothing(log: EventLog) -> None:
    stream_id = uuid7()
    first = await log.append(T, board(stream_id, 0, "red", idempotency=key()))
    again = await log.append(T, board(stream_id, 0, "red", idempotency=key(outcome=b"ignored")))
    assert first.replayed is None
    assert again == Appended(first_position=1, last_position=1, version=1, recorded_at=START, replayed=b"o")
    assert await colours(log) == ["red"]
    assert await log.outcome(T, "c", "k") == (b"f", b"o")
    assert await log.outcome(T, "other client", "k") is None


async def test_the_same_key_for_another_command_is_refused(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, "red", idempotency=key()))
    with pytest.raises(IdempotencyKeyReused):
        await log.append(T, board(uuid7(), 0, "blue", idempotency=key(fingerprint=b"g")))
    assert await colours(log) == ["red"]


async def test_the_same_command_sent_many_times_at_once_is_appended_once(log: EventLog) -> None:
    stream_id = uuid7()
    results = await asyncio.gather(
        *(log.append(T, board(stream_id, 0, "red", idempotency=key(keep=True))) for _ in range(10))
    )
    assert {result.first_position for result in results} == {1}
    assert [result.replayed for result in results].count(None) == 1
    assert await colours(log) == ["red"]


async def test_a_refused_command_does_not_use_up_its_key(log: EventLog) -> None:
    stream_id = uuid7()
    await log.append(T, board(stream_id, 0, "red"))
    with pytest.raises(StaleVersion):
        await log.append(T, board(stream_id, 0, "blue", idempotency=key()))
    assert await log.outcome(T, "c", "k") is None
    assert (await log.append(T, board(stream_id, 1, "blue", idempotency=key()))).version == 2


async def test_an_outcome_can_be_stored_without_an_event(log: EventLog) -> None:
    stream_id = uuid7()
    await log.append(T, board(stream_id, 0, "red"))
    nothing = await log.append(T, board(stream_id, 1, idempotency=key()))
    assert nothing == Appended(first_position=0, last_position=0, version=1, recorded_at=START)
    assert (await log.append(T, board(stream_id, 1, idempotency=key()))).replayed == b"o"
    assert await log.head(T) == 1


async def test_recorded_time_follows_the_order_even_if_the_clock_steps_back(bench: Bench) -> None:
    stream_id = uuid7()
    await bench.log.append(T, board(stream_id, 0, "red"))
    bench.clock.advance(timedelta(hours=-1))
    assert (await bench.log.append(T, board(stream_id, 1, "blue"))).recorded_at == START
    bench.clock.advance(timedelta(hours=3))
    assert (await bench.log.append(T, board(stream_id, 2, "green"))).recorded_at == START + timedelta(hours=2)


async def test_a_stream_can_be_read_from_a_version_and_up_to_a_position(log: EventLog) -> None:
    one, two = uuid7(), uuid7()
    for number in range(3):
        await log.append(T, board(one, number, f"one {number}"))
        await log.append(T, board(two, number, f"two {number}"))
    assert [s.event.originator_version for s in await log.read_stream(T, one, after_version=1)] == [2, 3]
    assert [s.position for s in await log.read_stream(T, two, until_position=5)] == [2, 4]
    both = await log.read_streams(T, [two, uuid7(), one], until_position=3)
    assert {stream_id: [s.position for s in stored] for stream_id, stored in both.items()} == {one: [1, 3], two: [2]}
    assert await log.read_stream(T, uuid7()) == []
    assert await log.read_stream("FR-30", one) == []


async def test_pages_follow_each_other_without_hole_or_overlap(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, *map(str, range(25))))
    pages = [await log.page(T, after=after, limit=10) for after in (0, 10, 20, 25)]
    assert [[stored.position for stored in page] for page in pages] == [
        list(range(1, 11)),
        list(range(11, 21)),
        list(range(21, 26)),
        [],
    ]


async def test_a_replay_goes_through_all_pages(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, *map(str, range(25))))
    sizes = [len(page) async for page in log.pages(T, after=3, limit=10)]
    assert sizes == [10, 10, 2]
    assert [page async for page in log.pages("FR-99", after=0)] == []


async def test_a_replay_can_be_left_early(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, *map(str, range(25))))
    pages = log.pages(T, after=0, limit=10)
    first = await anext(pages)
    await pages.aclose()
    assert [stored.position for stored in first] == list(range(1, 11))
    assert await log.head(T) == 25


async def test_headers_are_read_by_topic_without_any_key(bench: Bench) -> None:
    stream_id, subject = uuid7(), uuid7()
    person = Commit(stream_id=stream_id, expected_version=0, events=[line(stream_id, 1)], subject=subject)
    await bench.log.append(T, board(uuid7(), 0, "red"))
    await bench.log.append(T, person)
    await bench.vault.destroy(T, subject, Compartment)
    assert [header.topic for header in await bench.log.headers(T, after=0)] == [
        "test-board.painted",
        "test-diary.line-written",
    ]
    (header,) = await bench.log.headers(T, after=0, topics=["test-diary.line-written"])
    assert (header.territory, header.position, header.stream_id, header.stream_version) == (T, 2, stream_id, 1)
    assert (header.agency, header.actor, header.recorded_at) == (AGENCY, None, START)
    assert await bench.log.headers(T, after=1, limit=0) == []


async def test_waiting_ends_when_something_is_appended(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, "red"))
    waiting = asyncio.create_task(log.wait(T, after=1, timeout_s=10))
    await log.append("FR-30", board(uuid7(), 0, "elsewhere"))
    await asyncio.sleep(0.02)
    before = waiting.done()
    await log.append(T, board(uuid7(), 0, "blue"))
    assert (before, await waiting) == (False, 2)


async def test_waiting_ends_when_the_time_is_over(log: EventLog) -> None:
    assert await log.wait("FR-99", after=0, timeout_s=0.01) == 0


async def test_a_new_territory_is_heard_of_at_once(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, "red"))
    await asyncio.wait_for(log.wait_for_territory(known=(), timeout_s=60), 20)
    waiting = asyncio.create_task(log.wait_for_territory(known={T}, timeout_s=60))
    await log.append(T, board(uuid7(), 0, "blue"))
    await asyncio.sleep(0.02)
    before = waiting.done()
    await log.append("FR-30", board(uuid7(), 0, "new"))
    await asyncio.wait_for(waiting, 20)
    assert not before


async def test_fields_of_a_person_come_back_opened(log: EventLog) -> None:
    stream_id, subject = uuid7(), uuid7()
    events = [
        opened(stream_id, subject, name="Zoé"),
        line(stream_id, 2, "visit", tags=("a", "b"), illness="asthma", note="Rang twice."),
    ]
    await log.append(T, Commit(stream_id=stream_id, expected_version=0, events=events, subject=subject))
    first, second = await log.read_stream(T, stream_id)
    assert first.subject == subject
    assert isinstance(second.event, LineWritten)
    assert (second.event.code, second.event.tags) == ("visit", ("a", "b"))
    assert (second.event.illness, second.event.note, second.event.name) == ("asthma", "Rang twice.", None)


async def test_a_destroyed_compartment_reads_as_erased(bench: Bench) -> None:
    stream_id, subject = uuid7(), uuid7()
    events = [line(stream_id, 1, "visit", note="Rang twice."), line(stream_id, 2, "call")]
    await bench.log.append(T, Commit(stream_id=stream_id, expected_version=0, events=events, subject=subject))
    await bench.vault.destroy(T, subject, [Compartment.NOTES])
    first, second = (stored.event for stored in await bench.log.read_stream(T, stream_id))
    assert isinstance(first, LineWritten)
    assert isinstance(second, LineWritten)
    assert (first.code, first.note) == ("visit", Erased(Compartment.NOTES))
    assert second.note is None
    note = line(stream_id, 3, note="Once more.")
    with pytest.raises(KeyDestroyed):
        await bench.log.append(T, Commit(stream_id=stream_id, expected_version=2, events=[note], subject=subject))


async def test_an_erased_stream_still_replays(bench: Bench) -> None:
    stream_id, subject = uuid7(), uuid7()
    events = [opened(stream_id, subject), line(stream_id, 2, note="Rang twice.")]
    await bench.log.append(T, Commit(stream_id=stream_id, expected_version=0, events=events, subject=subject))
    await bench.vault.destroy(T, subject, Compartment)
    first, second = (stored.event for stored in await bench.log.page(T, after=0))
    assert isinstance(first, ErasedCreation)
    assert isinstance(second, ErasedEvent)
    assert second.topic == "test-diary.line-written"
    diary: Any = second.mutate(first.mutate(None))
    assert isinstance(diary, Diary)
    assert (diary.erased, diary.subject, diary.lines, diary.version) == (True, subject, [], 2)


@pytest.mark.parametrize(
    ("event", "refusal"),
    [
        (lambda stream_id: painted(stream_id, 1, "re\0d"), UnfitText),
        (lambda stream_id: painted(stream_id, 1, "re\ud800d"), UnfitText),
        (lambda stream_id: painted(stream_id, 1, actor="nu\0l"), UnfitText),
        (lambda stream_id: painted(stream_id, 1, "x" * 300_000), EventTooLarge),
    ],
)
async def test_what_cannot_be_stored_is_refused(
    log: EventLog, event: Callable[[UUID], BoardPainted], refusal: type[Exception]
) -> None:
    stream_id = uuid7()
    with pytest.raises(refusal):
        await log.append(T, Commit(stream_id=stream_id, expected_version=0, events=[event(stream_id)]))
    assert await log.head(T) == 0


async def test_a_backslash_is_not_a_nul(log: EventLog) -> None:
    await log.append(T, board(uuid7(), 0, r"literally \u0000"))
    assert await colours(log) == [r"literally \u0000"]


async def test_a_key_or_a_territory_with_nul_is_refused(log: EventLog) -> None:
    for territory, idempotency in (("FR\0", None), (T, key("k\0"))):
        with pytest.raises(UnfitText):
            await log.append(territory, board(uuid7(), 0, "red", idempotency=idempotency))


async def test_events_of_a_person_are_never_stored_in_clear(log: EventLog) -> None:
    stream_id = uuid7()
    with pytest.raises(AssertionError):
        await log.append(T, Commit(stream_id=stream_id, expected_version=0, events=[line(stream_id, 1)]))
