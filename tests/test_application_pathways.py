"""The use cases on pathways, on the log in memory: conflicts, repeats, and what is kept between two commands."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4

import pytest

from application.access import Caller
from application.event_log import (
    Appended,
    AppendInDoubt,
    Commit,
    IdempotencyKeyReused,
    LogBusy,
    StaleVersion,
)
from application.key_vault import KeyDestroyed
from application.pathways import ATTEMPTS, InFlight, Order, Pathways, PersonErased
from domain.clock import SettableClock
from domain.command import Command
from domain.contact import Channel, RecordContact
from domain.errors import DomainError
from domain.opening import OpenPathway
from domain.pathway import NotAParticipant
from domain.referral import RequestReferral
from infrastructure.memory_event_log import MemoryEventLog
from infrastructure.memory_key_vault import MemoryKeyVault
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY

CALLER = Caller(territory=TERRITORY, agency=CCAS)
CALL = RecordContact(channel=Channel.PHONE)


def order(
    command: Command = CALL, *, key: str = "", caller: Caller = CALLER, if_match: int | None = None, said: str = ""
) -> Order:
    return Order(
        caller=caller,
        command=command,
        idempotency_key=key or str(uuid4()),
        fingerprint=sha256(repr((command, said)).encode()).digest(),
        if_match=if_match,
    )


class CountingLog(MemoryEventLog):
    """Counts what is asked of it, and can refuse the next appends."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(MemoryKeyVault(), clock)
        self.appends = 0
        self.reads = 0
        self.refusals: list[Exception] = []
        self.held: asyncio.Event | None = None
        self.seconds_by_stream: dict[UUID, float] = {}

    async def append(self, territory: str, commit: Commit) -> Appended:
        self.appends += 1
        if self.held is not None:
            await self.held.wait()
        if self.refusals:
            raise self.refusals.pop(0)
        return await super().append(territory, commit)

    async def read_stream(self, territory: str, stream_id: UUID, **options: int | None) -> list:  # type: ignore[type-arg]
        self.reads += 1
        if stream_id in self.seconds_by_stream:
            await asyncio.sleep(self.seconds_by_stream[stream_id])
        return await super().read_stream(territory, stream_id, **options)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def log(clock: SettableClock) -> CountingLog:
    return CountingLog(clock)


@pytest.fixture
def pathways(log: CountingLog, clock: SettableClock) -> Pathways:
    return Pathways(log, clock)


@pytest.fixture
async def pathway_id(pathways: Pathways) -> UUID:
    return (await pathways.open(order(OpenPathway()))).pathway_id


async def test_commands_in_a_row_read_the_log_no_more(pathways: Pathways, log: CountingLog, pathway_id: UUID) -> None:
    log.reads = 0
    versions = [(await pathways.act(pathway_id, order())).version for _ in range(3)]
    assert versions == [2, 3, 4]
    assert log.reads == 0


async def test_what_another_process_wrote_is_taken_in_and_the_command_decided_again(
    pathways: Pathways, log: CountingLog, clock: SettableClock, pathway_id: UUID
) -> None:
    other = Pathways(log, clock)
    await other.act(pathway_id, order())
    receipt = await pathways.act(pathway_id, order())
    assert receipt.version == 3
    assert len((await pathways.read(CALLER, pathway_id)).ledger.entries) == 3


async def test_a_refusal_on_a_stale_state_is_thought_over(
    pathways: Pathways, log: CountingLog, clock: SettableClock, pathway_id: UUID
) -> None:
    """The pathway was shared elsewhere: the newcomer is refused here only if that is still true."""
    newcomer = Caller(territory=TERRITORY, agency=MISSION_LOCALE)
    with pytest.raises(NotAParticipant):
        await pathways.act(pathway_id, order(caller=newcomer))
    await Pathways(log, clock).act(pathway_id, order(RequestReferral(to_agency=MISSION_LOCALE, theme=HOUSING)))
    assert (await pathways.act(pathway_id, order(caller=newcomer))).version == 3


async def test_a_version_named_by_the_client_is_never_decided_again(
    pathways: Pathways, log: CountingLog, clock: SettableClock, pathway_id: UUID
) -> None:
    await Pathways(log, clock).act(pathway_id, order())
    with pytest.raises(StaleVersion) as refusal:
        await pathways.act(pathway_id, order(if_match=1))
    assert refusal.value.current_version == 2
    assert (await pathways.act(pathway_id, order(if_match=2))).version == 3


async def test_conflicts_without_end_are_given_up(pathways: Pathways, log: CountingLog, pathway_id: UUID) -> None:
    log.appends = 0
    log.refusals = [StaleVersion(9) for _ in range(ATTEMPTS)]
    with pytest.raises(StaleVersion):
        await pathways.act(pathway_id, order())
    assert log.appends == ATTEMPTS


@pytest.mark.parametrize("refusal", [LogBusy(), AppendInDoubt(), IdempotencyKeyReused()])
async def test_a_log_that_cannot_take_it_is_not_asked_again(
    pathways: Pathways, log: CountingLog, pathway_id: UUID, refusal: DomainError
) -> None:
    log.appends = 0
    log.refusals = [refusal]
    with pytest.raises(type(refusal)):
        await pathways.act(pathway_id, order())
    assert log.appends == 1
    assert (await pathways.act(pathway_id, order())).version == 2


async def test_nothing_of_a_failed_append_stays(pathways: Pathways, log: CountingLog, pathway_id: UUID) -> None:
    log.refusals = [OSError()]
    with pytest.raises(OSError):
        await pathways.act(pathway_id, order())
    assert len((await pathways.read(CALLER, pathway_id)).ledger.entries) == 1


async def test_nothing_more_is_recorded_of_an_erased_person(
    pathways: Pathways, log: CountingLog, pathway_id: UUID
) -> None:
    log.refusals = [KeyDestroyed()]
    with pytest.raises(PersonErased):
        await pathways.act(pathway_id, order())


async def test_the_same_request_again_is_answered_the_same(pathways: Pathways, pathway_id: UUID) -> None:
    again = order(key="k")
    first, second = await pathways.act(pathway_id, again), await pathways.act(pathway_id, again)
    assert (second.id, second.version, second.position) == (first.id, first.version, first.position)
    assert (first.replayed, second.replayed) == (False, True)


async def test_an_opening_repeated_elsewhere_is_answered_with_the_first_pathway(
    pathways: Pathways, log: CountingLog, clock: SettableClock
) -> None:
    opening = order(OpenPathway(), key="k")
    first = await pathways.open(opening)
    second = await Pathways(log, clock).open(opening)
    assert second.pathway_id == first.pathway_id
    assert second.replayed


async def test_a_key_used_for_another_request_is_refused(pathways: Pathways, pathway_id: UUID) -> None:
    await pathways.act(pathway_id, order(key="k"))
    with pytest.raises(IdempotencyKeyReused):
        await pathways.act(pathway_id, order(key="k", said="otherwise"))


async def test_a_refused_request_may_be_sent_again_under_its_key(pathways: Pathways, pathway_id: UUID) -> None:
    unknown = order(RequestReferral(to_agency=MISSION_LOCALE, theme="numerique--inconnu"), key="k")
    with pytest.raises(DomainError, match="theme"):
        await pathways.act(pathway_id, unknown)
    assert (await pathways.act(pathway_id, order(key="k"))).version == 2


async def test_a_request_being_carried_out_is_not_carried_out_twice(
    pathways: Pathways, log: CountingLog, pathway_id: UUID
) -> None:
    log.held = asyncio.Event()
    twice = order(key="k")
    first = asyncio.create_task(pathways.act(pathway_id, twice))
    await asyncio.sleep(0)
    with pytest.raises(InFlight):
        await pathways.act(pathway_id, twice)
    log.held.set()
    assert (await first).version == 2
    assert (await pathways.act(pathway_id, twice)).replayed


async def test_commands_on_one_pathway_follow_each_other(pathways: Pathways, pathway_id: UUID) -> None:
    receipts = await asyncio.gather(*(pathways.act(pathway_id, order()) for _ in range(20)))
    assert sorted(receipt.version for receipt in receipts) == list(range(2, 22))


async def test_entries_take_the_place_and_the_time_that_the_log_gave_them(
    pathways: Pathways, log: CountingLog, clock: SettableClock, pathway_id: UUID
) -> None:
    await pathways.act(pathway_id, order())
    here, elsewhere = await pathways.read(CALLER, pathway_id), await Pathways(log, clock).read(CALLER, pathway_id)
    assert here.facts() == elsewhere.facts()


async def test_absent_and_little_used_pathways_are_not_kept(log: CountingLog, clock: SettableClock) -> None:
    pathways = Pathways(log, clock, kept=2)
    opened = [(await pathways.open(order(OpenPathway()))).pathway_id for _ in range(5)]
    for absent in (uuid4(), uuid4()):
        with pytest.raises(NotAParticipant):
            await pathways.read(CALLER, absent)
    assert [place for _, place in pathways._slots] == opened[-2:]
    assert (await pathways.act(opened[0], order())).version == 2


async def test_a_day_is_that_of_the_territory(log: CountingLog, clock: SettableClock) -> None:
    clock.set(datetime(2026, 6, 30, 22, 30, tzinfo=UTC))  # Already July in Paris.
    pathways = Pathways(log, clock)
    pathway_id = (await pathways.open(order(OpenPathway()))).pathway_id
    [opening] = (await pathways.read(CALLER, pathway_id)).facts()
    assert str(opening.start) == "2026-07-01"


async def test_what_was_known_at_a_position_is_read_back(pathways: Pathways, pathway_id: UUID) -> None:
    await pathways.act(pathway_id, order())
    assert len((await pathways.read_as_known(CALLER, pathway_id, 1)).ledger.entries) == 1
    assert len((await pathways.read_as_known(CALLER, pathway_id, 2)).ledger.entries) == 2


# What a refusal tells by the time it takes


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_stranger_learns_nothing_from_the_time_a_refusal_takes(
    log: CountingLog, clock: SettableClock, in_memory: bool
) -> None:
    """The log takes 5 ms longer to give a pathway that there is."""
    pathways = Pathways(log, clock, refusal_step_seconds=0.05)
    known = (await pathways.open(order(OpenPathway()))).pathway_id
    stranger = Caller(territory=TERRITORY, agency="cpam")
    log.seconds_by_stream[known] = 0.005

    async def seconds(ask: Callable[[Pathways, UUID], Awaitable[object]], pathway_id: UUID) -> float:
        asked = pathways if in_memory else Pathways(log, clock, refusal_step_seconds=0.05)
        began = time.monotonic()
        with pytest.raises(NotAParticipant):
            await ask(asked, pathway_id)
        return time.monotonic() - began

    async def read(asked: Pathways, pathway_id: UUID) -> object:
        return await asked.read(stranger, pathway_id)

    async def act(asked: Pathways, pathway_id: UUID) -> object:
        return await asked.act(pathway_id, order(caller=stranger))

    for ask in (read, act):
        foreign = min([await seconds(ask, known) for _ in range(5)])
        absent = min([await seconds(ask, uuid4()) for _ in range(5)])
        assert foreign >= 0.05
        assert abs(foreign - absent) < 0.002


async def test_a_participant_is_not_kept_waiting(log: CountingLog, clock: SettableClock) -> None:
    pathways = Pathways(log, clock, refusal_step_seconds=60)
    async with asyncio.timeout(5):
        pathway_id = (await pathways.open(order(OpenPathway()))).pathway_id
        await pathways.read(CALLER, pathway_id)
        with pytest.raises(StaleVersion):
            await pathways.act(pathway_id, order(if_match=9))
