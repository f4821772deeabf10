"""A pathway from a snapshot and what came after is the pathway of its whole history; a snapshot is never needed."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import rule

from application.access import Caller
from application.event_log import Commit
from application.pathways import Pathways
from domain.aggregate import Event
from domain.clock import SystemClock
from domain.compartments import Compartment
from domain.contact import Channel, RecordContact
from domain.ids import uuid7
from domain.ledger import Entry
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.pathway_state import LINKS, CodedState, EntryState, IdentityState, pathway_from, state_of
from infrastructure import snapshots as module
from infrastructure.database import Pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.snapshots import PostgresSnapshots
from tests.support.logs import KEYS, postgres_log
from tests.support.pathways import BIRTH, CCAS, act_of, ago
from tests.test_pathway_machine import PathwayMachine

T = "FR-34"


def restored(pathway: Pathway) -> Pathway:
    """Through the bytes that are stored."""
    coded, identity = (msgspec.json.encode(state) for state in state_of(pathway))
    return pathway_from(msgspec.json.decode(coded, type=CodedState), msgspec.json.decode(identity, type=IdentityState))


class SnapshotMachine(PathwayMachine):
    """The same pathway, taken out of a snapshot now and then: its replay invariant must still hold."""

    @rule()
    def come_back_from_a_snapshot(self) -> None:
        before = self.pathway
        self.pathway = restored(before)
        assert self.pathway.facts() == before.facts()
        assert self.pathway.birth_date == before.birth_date
        assert (self.pathway.id, self.pathway.version) == (before.id, before.version)
        assert (self.pathway.created_on, self.pathway.modified_on) == (before.created_on, before.modified_on)


TestSnapshotMachine = SnapshotMachine.TestCase
TestSnapshotMachine.settings = settings(
    max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_state_holds_every_field_of_an_entry() -> None:
    assert set(EntryState.__struct_fields__) == set(Entry.__struct_fields__) - set(LINKS)


def test_the_state_holds_every_attribute_of_a_pathway() -> None:
    """A new attribute must be added to `domain/pathway_state.py`, in the compartment that it belongs to."""
    own = {name for name in vars(Pathway()) if not name.startswith("_")}  # The library's own are underlined.
    assert own == {"territory", "subject", "birth_date", "ledger", "shares", "break_glass", "erased", "rights"}


class Long:
    """A stored pathway with a history, and the snapshots."""

    def __init__(self, log: PostgresEventLog, pool: Pool) -> None:
        self.log = log
        self.snapshots = PostgresSnapshots(pool, log.vault, folded_max=20)
        self.pathway = open_pathway(
            OpenPathway(on=ago(60), given_name="Ada", birth_date=BIRTH), T, act_of(), uuid7(), uuid7()
        )

    async def live(self, contacts: int) -> None:
        for _ in range(contacts):
            RecordContact(channel=Channel.PHONE, reached=True, on=ago(1)).decide(self.pathway, act_of())
        events = [event for event in self.pathway.collect_events() if isinstance(event, Event)]
        await self.log.append(
            T,
            Commit(
                stream_id=self.pathway.id,
                expected_version=self.pathway.version - len(events),
                events=events,
                subject=self.pathway.subject,
            ),
        )

    async def read(self, after: Pathway | None = None) -> tuple[Pathway, int]:
        """(the pathway, how many events were folded)"""
        history = await self.log.read_stream(T, self.pathway.id, after_version=after.version if after else 0)
        for stored in history:
            after = stored.event.mutate(after)
        assert after is not None
        return after, len(history)

    async def offer(self) -> None:
        self.snapshots.offer(T, *await self.read())
        await self.snapshots.close()

    async def latest(self) -> Pathway | None:
        return await self.snapshots.latest(T, self.pathway.id)


@pytest.fixture
async def long(database_url: str, pool: Pool) -> AsyncIterator[Long]:
    async with postgres_log(database_url, pool) as log:
        yield Long(log, pool)


async def test_a_long_history_is_folded_from_its_snapshot(long: Long) -> None:
    await long.live(30)
    await long.offer()
    await long.live(5)
    snapshot = await long.latest()
    assert snapshot is not None
    from_snapshot, folded = await long.read(snapshot)
    from_nothing, _ = await long.read()
    assert folded == 5
    assert from_snapshot.facts() == from_nothing.facts()
    assert from_snapshot.birth_date == from_nothing.birth_date == BIRTH


async def test_a_short_history_gets_no_snapshot(long: Long) -> None:
    await long.live(5)
    await long.offer()
    assert await long.latest() is None


async def test_an_older_snapshot_never_replaces_a_newer_one(long: Long) -> None:
    await long.live(30)
    old, folded = await long.read()
    await long.live(30)
    await long.offer()
    long.snapshots.offer(T, old, folded)
    await long.snapshots.close()
    latest = await long.latest()
    assert latest is not None
    assert latest.version == 61


async def test_other_code_does_not_find_it(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    await long.live(30)
    await long.offer()
    monkeypatch.setattr(module, "schema_hash", lambda: "another")
    assert await long.latest() is None


async def test_nothing_of_it_is_in_clear(long: Long, pool: Pool) -> None:
    await long.live(30)
    await long.offer()
    payload = await pool.fetchval("SELECT payload FROM snapshots")
    assert str(BIRTH).encode() not in payload
    assert b"contact" not in payload


async def test_it_forgets_what_was_erased(long: Long) -> None:
    await long.live(30)
    await long.offer()
    assert long.pathway.subject is not None
    await long.log.vault.destroy(T, long.pathway.subject, [Compartment.IDENTITY])
    latest = await long.latest()
    assert latest is not None
    assert latest.birth_date is None
    await long.log.vault.destroy(T, long.pathway.subject, [Compartment.CASE])
    assert await long.latest() is None


async def test_a_person_whose_identity_is_erased_still_gets_snapshots(long: Long) -> None:
    await long.live(30)
    assert long.pathway.subject is not None
    await long.log.vault.destroy(T, long.pathway.subject, [Compartment.IDENTITY])
    await long.offer()
    latest = await long.latest()
    assert latest is not None
    assert latest.version == 31


async def test_an_altered_snapshot_is_passed_over(long: Long, pool: Pool) -> None:
    await long.live(30)
    await long.offer()
    await pool.execute("UPDATE snapshots SET version = 30")
    assert await long.latest() is None


async def test_forgetting_drops_it(long: Long) -> None:
    await long.live(30)
    await long.offer()
    await long.snapshots.forget(T, long.pathway.id)
    assert await long.latest() is None


async def test_an_absent_pathway_has_none(pool: Pool) -> None:
    assert await PostgresSnapshots(pool, PostgresKeyVault(pool, KEYS)).latest(T, UUID(int=1)) is None


async def test_the_use_cases_load_from_it(long: Long) -> None:
    await long.live(30)
    pathways = [Pathways(long.log, SystemClock(), snapshots=long.snapshots) for _ in range(2)]
    caller = Caller(territory=T, agency=CCAS, agent=None)
    first = await pathways[0].read(caller, long.pathway.id)
    await long.snapshots.close()
    assert await long.latest() is not None
    second = await pathways[1].read(caller, long.pathway.id)
    assert (second.facts(), second.version) == (first.facts(), 31)
