"""Epochs of the key-encryption key: turned over while keys are made and read, and dead once destroyed."""

import asyncio
import base64
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.kek_epochs import KEPT, EpochInUse, EpochTooYoung, KekEpochs, UnknownEpoch
from domain.clock import SettableClock
from domain.compartments import Compartment
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.kek_epochs import PostgresKekEpochs
from infrastructure.key_file import KeyFile, KeyFileUnusable
from infrastructure.key_vault import KeyStore
from infrastructure.vault_client import RemoteKekEpochs
from tests.support.vaults import asked, vault_of

T = "FR-34"
CASE, NOTES = Compartment.CASE, Compartment.NOTES
MONDAY = datetime(2026, 3, 2, 3, tzinfo=UTC)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(MONDAY)


@pytest.fixture
async def store(pool: Pool, tmp_path: Path) -> KeyStore:
    return await KeyStore.open(pool, tmp_path / "kek")


@pytest.fixture(params=["here", "another process"])
async def epochs(
    request: pytest.FixtureRequest, pool: Pool, store: KeyStore, clock: SettableClock
) -> AsyncIterator[KekEpochs]:
    if request.param == "here":
        yield PostgresKekEpochs(pool, store.key_file, clock)
        return
    async with asked(vault_of(pool, store.key_file, clock)) as line:
        yield RemoteKekEpochs(line)


async def test_a_week_turns_the_key_over_and_nobody_notices(
    epochs: KekEpochs, store: KeyStore, clock: SettableClock, tmp_path: Path
) -> None:
    subjects = [uuid7() for _ in range(5)]
    rings = {subject: await store.ensure(T, subject, [CASE, NOTES]) for subject in subjects}
    old_key = store.key_file.key(1)

    clock.set(MONDAY + timedelta(days=7))
    assert (await epochs.rotate()).number == 2
    assert await epochs.rewrap(4) == 6
    assert await epochs.rewrap(100) == 0
    assert [(epoch.number, epoch.keys) for epoch in await epochs.epochs()] == [(1, 0), (2, 10)]

    clock.set(MONDAY + timedelta(days=7) + KEPT)
    await epochs.destroy(1)
    await epochs.destroy(1)
    first, second = await epochs.epochs()
    assert (first.retired_at, first.destroyed_at) == (MONDAY + timedelta(days=7), clock.now())
    assert second.retired_at is None
    assert await store.keyrings(T, subjects) == rings
    assert KeyFile.load(tmp_path / "kek").epochs == [2]
    assert old_key not in (tmp_path / "kek").read_bytes()


async def test_an_epoch_that_wraps_a_key_is_not_destroyed(epochs: KekEpochs, store: KeyStore) -> None:
    await store.ensure(T, uuid7(), [CASE])
    with pytest.raises(EpochInUse):
        await epochs.destroy(1, at_once=True)  # It is the one in use.
    await epochs.rotate()
    with pytest.raises(EpochInUse):
        await epochs.destroy(1, at_once=True)


async def test_an_epoch_is_kept_thirty_days_after_its_retirement_unless_it_must_go(
    epochs: KekEpochs, clock: SettableClock
) -> None:
    await epochs.rotate()
    clock.set(MONDAY + KEPT - timedelta(seconds=1))
    with pytest.raises(EpochTooYoung):
        await epochs.destroy(1)
    await epochs.destroy(1, at_once=True)
    assert (await epochs.epochs())[0].destroyed_at == clock.now()


async def test_an_epoch_that_never_was_is_not_destroyed(epochs: KekEpochs) -> None:
    with pytest.raises(UnknownEpoch):
        await epochs.destroy(7, at_once=True)


async def test_a_key_destroyed_before_is_not_wrapped_again(epochs: KekEpochs, store: KeyStore) -> None:
    subject = uuid7()
    await store.ensure(T, subject, [CASE, NOTES])
    await store.destroy(T, subject, [NOTES])
    await epochs.rotate()
    assert await epochs.rewrap(10) == 0
    assert set((await store.keyrings(T, [subject]))[subject]) == {CASE}


async def test_a_copy_of_a_wrapped_key_dies_with_its_epoch(epochs: KekEpochs, store: KeyStore, pool: Pool) -> None:
    subject = uuid7()
    await store.ensure(T, subject, [CASE])
    (backup,) = await pool.fetch("SELECT wrapped, commitment FROM vault.keys")
    await epochs.rotate()
    await epochs.rewrap(10)
    await epochs.destroy(1, at_once=True)
    await pool.execute("UPDATE vault.keys SET kek_epoch = 1, wrapped = $1, commitment = $2", *backup)
    with pytest.raises(KeyFileUnusable, match="no key of epoch 1"):
        await store.keyrings(T, [subject])


async def test_another_process_goes_on_through_a_rotation_and_a_destruction(
    pool: Pool, tmp_path: Path, epochs: KekEpochs
) -> None:
    elsewhere = await KeyStore.open(pool, tmp_path / "kek")
    before = uuid7()
    ring = await elsewhere.ensure(T, before, [CASE])
    await epochs.rotate()
    await epochs.rewrap(10)
    await epochs.destroy(1, at_once=True)
    await elsewhere.ensure(T, uuid7(), [CASE])
    assert (await elsewhere.keyrings(T, [before]))[before] == ring
    assert elsewhere.key_file.epochs == [2]
    assert [epoch.keys for epoch in await epochs.epochs()] == [0, 2]


async def test_a_process_that_missed_a_destruction_wraps_nothing_under_the_dead_epoch(
    pool: Pool, store: KeyStore, epochs: KekEpochs
) -> None:
    stale = KeyStore(pool, KeyFile(dict(store.key_file.keys)))  # Its file is not read again.
    await epochs.rotate()
    await epochs.destroy(1, at_once=True)
    with pytest.raises(KeyFileUnusable, match="no key of epoch 2"):
        await stale.ensure(T, uuid7(), [CASE])
    assert await pool.fetchval("SELECT count(*) FROM vault.keys") == 0


async def test_a_destruction_cut_short_is_finished_the_next_time(
    epochs: KekEpochs, pool: Pool, store: KeyStore, tmp_path: Path
) -> None:
    await epochs.rotate()
    await pool.execute("UPDATE vault.keks SET destroyed_at = clock_timestamp() WHERE epoch = 1")
    await epochs.destroy(1)
    assert KeyFile.load(tmp_path / "kek").epochs == [2]
    await KeyStore.open(pool, tmp_path / "kek")


async def test_a_rotation_cut_short_is_finished_the_next_time(
    epochs: KekEpochs, store: KeyStore, tmp_path: Path
) -> None:
    made = KeyFile.load(tmp_path / "kek")
    assert made.add(1) == 2
    await store.ensure(T, uuid7(), [CASE])
    assert [epoch.keys for epoch in await epochs.epochs()] == [1]
    assert (await epochs.rotate()).number == 2
    assert KeyFile.load(tmp_path / "kek").key(2) == made.key(2)
    await store.ensure(T, uuid7(), [CASE])
    assert [epoch.keys for epoch in await epochs.epochs()] == [1, 1]


async def test_two_rotations_at_once_make_two_epochs(pool: Pool, store: KeyStore, tmp_path: Path) -> None:
    clock = SettableClock(MONDAY)
    some = [PostgresKekEpochs(pool, KeyFile.load(tmp_path / "kek"), clock) for _ in range(2)]
    made = await asyncio.gather(*(epochs.rotate() for epochs in some))
    assert sorted({epoch.number for epoch in made}) in ([2, 3], [3])
    assert [epoch.retired_at is None for epoch in await some[0].epochs()] == [False, False, True]
    assert KeyFile.load(tmp_path / "kek").epochs == [1, 2, 3]


async def test_keys_made_during_a_rewrap_are_not_lost(pool: Pool, store: KeyStore, tmp_path: Path) -> None:
    epochs = PostgresKekEpochs(pool, store.key_file, SettableClock(MONDAY))
    subjects = [uuid7() for _ in range(60)]
    rings = {}

    async def make() -> None:
        for subject in subjects:
            rings[subject] = await store.ensure(T, subject, [CASE])

    async def turn_over() -> None:
        for number in range(1, 6):
            await epochs.rotate()
            while True:
                while await epochs.rewrap(7):
                    pass
                try:
                    await epochs.destroy(number, at_once=True)
                except EpochInUse:
                    continue
                break

    await asyncio.gather(make(), turn_over())
    assert await store.keyrings(T, subjects) == rings


async def test_a_backup_made_before_a_destruction_is_restored_unless_it_needs_what_was_destroyed(
    epochs: KekEpochs, pool: Pool, store: KeyStore, tmp_path: Path
) -> None:
    subject = uuid7()
    ring = await store.ensure(T, subject, [CASE])
    (wrapped,) = await pool.fetch("SELECT wrapped, kek_epoch FROM vault.keys")
    await epochs.rotate()
    await epochs.rewrap(10)
    await epochs.destroy(1, at_once=True)
    await pool.execute("UPDATE vault.keks SET destroyed_at = NULL")
    assert (await (await KeyStore.open(pool, tmp_path / "kek")).keyrings(T, [subject]))[subject] == ring
    assert (await epochs.epochs())[0].destroyed_at is not None
    await pool.execute("UPDATE vault.keks SET destroyed_at = NULL")
    await pool.execute("UPDATE vault.keys SET wrapped = $1, kek_epoch = $2", *wrapped)
    with pytest.raises(KeyFileUnusable, match="no key of epoch 1"):
        await KeyStore.open(pool, tmp_path / "kek")


class Torn(str):
    """What a crash left of an addition."""

    __slots__ = ()


CHANGES = st.lists(st.one_of(st.just("add"), st.integers(1, 5), st.text("23 Aa=", min_size=1).map(Torn)), max_size=8)


@given(CHANGES)
@settings(max_examples=30)
def test_a_key_file_holds_what_was_added_and_not_destroyed(changes: list[str | int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kek"
        keys = KeyFile.create(path)
        model, gone = {1: keys.key(1)}, list[bytes]()
        for change in changes:
            if isinstance(change, Torn):
                with path.open("a") as file:
                    file.write(change)
            elif isinstance(change, str):
                number = keys.add(max(model))
                model[number] = keys.key(number)
            elif change != max(model):  # Never the one in use.
                gone += [base64.b64encode(model[change])] if change in model else []
                model.pop(change, None)
                keys.destroy(change)
        assert dict(KeyFile.load(path).keys) == model
        assert not any(key in path.read_bytes() for key in gone)


def test_a_line_cut_short_by_a_crash_is_passed_over_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    first = KeyFile.create(path).key(1)
    with path.open("a") as file:
        file.write("2 AAAA")
    keys = KeyFile.load(path)
    assert keys.epochs == [1]
    assert keys.add(1) == 2
    assert KeyFile.load(path).epochs == [1, 2]
    assert KeyFile.load(path).key(1) == first


def test_a_key_is_overwritten_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    keys = KeyFile.create(path)
    keys.add(1)
    before, inode, line = path.read_text(), path.stat().st_ino, path.read_text().splitlines()[1]
    keys.destroy(1)
    keys.destroy(1)
    after = path.read_text()
    assert path.stat().st_ino == inode
    assert len(after) == len(before)
    assert line not in after
    assert line.split()[1][:8] not in after
    assert keys.epochs == [2]
