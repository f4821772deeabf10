"""Keys of persons: what every vault promises, and what the one on PostgreSQL keeps from whoever reads the database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from application.event_log import Commit
from application.key_vault import (
    MACHINERY,
    DataKey,
    KeyDestroyed,
    KeyRestricted,
    Keyring,
    KeyVault,
    Purpose,
    UnwrapRefused,
    Use,
)
from domain.compartments import Compartment
from domain.ids import uuid7
from infrastructure.cached_key_vault import CHANNEL, CachedKeyVault
from infrastructure.database import Pool
from infrastructure.event_codec import Row, open_rows
from infrastructure.key_cache import KeyCache
from infrastructure.key_file import KeyFile, KeyFileUnusable
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.key_wrap import KeyUnwrapFailed, key_place, unwrap, wrap
from infrastructure.memory_key_vault import MemoryKeyVault
from infrastructure.vault_client import RemoteKeys
from tests.support.histories import LineWritten, line
from tests.support.logs import KEYS, postgres_log
from tests.support.vaults import asked, vault_of

T = "FR-34"
CASE, NOTES, HEALTH = Compartment.CASE, Compartment.NOTES, Compartment.HEALTH


@pytest.fixture(params=["memory", "postgres", "another process"])
def database(request: pytest.FixtureRequest) -> "tuple[str, Pool | None]":
    return request.param, None if request.param == "memory" else request.getfixturevalue("pool")


@pytest.fixture
async def vault(database: "tuple[str, Pool | None]") -> AsyncIterator[KeyVault]:
    kind, pool = database
    if pool is None:
        yield MemoryKeyVault()
    elif kind == "postgres":
        yield PostgresKeyVault(pool, KEYS)
    else:
        async with asked(vault_of(pool, KEYS)) as line:
            yield CachedKeyVault(RemoteKeys(line), pool)


async def test_keys_are_made_once_and_found_again(vault: KeyVault) -> None:
    subject = uuid7()
    first = await vault.ensure(T, subject, [CASE, NOTES])
    again = await vault.ensure(T, subject, [NOTES, HEALTH])
    assert set(first) == {CASE, NOTES}
    assert again[NOTES] == first[NOTES]
    assert (await vault.keyrings(T, [subject, uuid7()])) == {subject: {**first, HEALTH: again[HEALTH]}}


async def test_every_key_is_another(vault: KeyVault) -> None:
    one, two = uuid7(), uuid7()
    rings = [await vault.ensure(*place, Compartment) for place in ((T, one), (T, two), ("FR-30", one))]
    secrets = {key.secret for ring in rings for key in ring.values()}
    assert len(secrets) == 3 * len(Compartment)
    assert {len(secret) for secret in secrets} == {32}


async def test_a_destroyed_key_is_gone_and_is_never_made_again(vault: KeyVault) -> None:
    subject = uuid7()
    await vault.ensure(T, subject, [CASE, NOTES])
    await vault.destroy(T, subject, [NOTES])
    await vault.destroy(T, subject, [NOTES])
    assert set((await vault.keyrings(T, [subject]))[subject]) == {CASE}
    with pytest.raises(KeyDestroyed):
        await vault.ensure(T, subject, [NOTES])
    assert set(await vault.ensure(T, subject, [CASE, HEALTH])) >= {CASE, HEALTH}


async def test_a_key_that_was_never_made_can_be_destroyed(vault: KeyVault) -> None:
    subject = uuid7()
    await vault.destroy(T, subject, Compartment)
    with pytest.raises(KeyDestroyed):
        await vault.ensure(T, subject, [CASE])


async def test_destroying_touches_one_person_of_one_territory(vault: KeyVault) -> None:
    one, two = uuid7(), uuid7()
    for place in ((T, one), (T, two), ("FR-30", one)):
        await vault.ensure(*place, [CASE])
    await vault.destroy(T, one, Compartment)
    assert set((await vault.keyrings(T, [two]))[two]) == {CASE}
    assert set((await vault.keyrings("FR-30", [one]))[one]) == {CASE}


async def test_a_restricted_person_is_neither_shown_nor_added_to(vault: KeyVault) -> None:
    subject = uuid7()
    ring = await vault.ensure(T, subject, [CASE, NOTES])
    await vault.restrict(T, subject, True)
    await vault.restrict(T, subject, True)
    with pytest.raises(KeyRestricted):
        await vault.keyrings(T, [subject], use=shown(Purpose.CARE))
    with pytest.raises(KeyRestricted):
        await vault.ensure(T, subject, [CASE, NOTES])
    assert set(await vault.ensure(T, subject, [CASE])) == {CASE}
    assert await vault.keyrings(T, [subject]) == {subject: {CASE: ring[CASE]}}
    for purpose in (Purpose.DPO, Purpose.EXPORT, Purpose.ERASURE):
        assert await vault.keyrings(T, [subject], use=shown(purpose)) == {subject: ring}
    await vault.restrict(T, subject, False)
    assert await vault.keyrings(T, [subject], use=shown(Purpose.CARE)) == {subject: ring}
    assert await vault.keyrings(T, [subject]) == {subject: ring}


async def test_a_restriction_touches_one_person_of_one_territory(vault: KeyVault) -> None:
    one, two = uuid7(), uuid7()
    for place in ((T, one), (T, two), ("FR-30", one)):
        await vault.ensure(*place, [CASE, NOTES])
    await vault.restrict(T, one, True)
    assert set((await vault.keyrings(T, [one, two]))[two]) == {CASE, NOTES}
    assert set((await vault.keyrings("FR-30", [one]))[one]) == {CASE, NOTES}


async def test_a_restricted_person_can_be_erased(vault: KeyVault) -> None:
    subject = uuid7()
    await vault.ensure(T, subject, [CASE, NOTES])
    await vault.restrict(T, subject, True)
    await vault.destroy(T, subject, Compartment)
    assert await vault.keyrings(T, [subject], use=shown(Purpose.DPO)) == {subject: {}}


@pytest.mark.parametrize(
    "use", [Use(purpose=Purpose.CARE, actor="a.martin"), Use(purpose=Purpose.RECORD, actor="")], ids=["event", "actor"]
)
async def test_nothing_is_released_without_a_trace_of_who_asks(vault: KeyVault, use: Use) -> None:
    subject = uuid7()
    await vault.ensure(T, subject, [CASE])
    with pytest.raises(UnwrapRefused):
        await vault.keyrings(T, [subject], use=use)


def shown(purpose: Purpose) -> Use:
    return Use(purpose=purpose, actor="a.martin", access_event=uuid7())


def test_a_key_does_not_show_itself() -> None:
    assert repr(DataKey(1, b"\x01" * 32)) == "DataKey(generation=1)"


async def test_two_processes_agree_on_the_first_key(pool: Pool) -> None:
    subject = uuid7()
    vaults = [PostgresKeyVault(pool, KEYS) for _ in range(8)]
    rings = await asyncio.gather(*(vault.ensure(T, subject, [CASE, NOTES]) for vault in vaults))
    assert all(ring == rings[0] for ring in rings)


async def test_the_database_holds_no_clear_key(pool: Pool) -> None:
    subject = uuid7()
    ring = await PostgresKeyVault(pool, KEYS).ensure(T, subject, Compartment)
    for row in await pool.fetch("SELECT * FROM vault.keys"):
        assert len(row["wrapped"]) == 60
        for key in ring.values():
            assert key.secret not in row["wrapped"] + row["commitment"]


async def test_destroying_overwrites_the_key_and_leaves_a_tombstone(pool: Pool) -> None:
    subject = uuid7()
    vault = PostgresKeyVault(pool, KEYS)
    await vault.ensure(T, subject, [CASE])
    await vault.destroy(T, subject, [CASE])
    (row,) = await pool.fetch("SELECT * FROM vault.keys")
    assert (row["wrapped"], row["commitment"]) == (None, None)
    assert row["destroyed_at"] is not None


async def test_a_key_moved_to_another_person_does_not_open(pool: Pool) -> None:
    one, two = uuid7(), uuid7()
    vault = PostgresKeyVault(pool, KEYS)
    await vault.ensure(T, one, [CASE])
    await pool.execute("UPDATE vault.keys SET subject = $1", two)
    with pytest.raises(KeyUnwrapFailed):
        await vault.keyrings(T, [two], fresh=True)


async def test_a_key_made_a_moment_ago_elsewhere_is_not_taken_for_erased(database_url: str, pool: Pool) -> None:
    stream_id, subject = uuid7(), uuid7()
    reader = PostgresKeyVault(pool, KEYS)
    async with postgres_log(database_url, pool) as log:
        plain = Commit(stream_id=stream_id, expected_version=0, events=[line(stream_id, 1)], subject=subject)
        await log.append(T, plain)
        assert set((await reader.keyrings(T, [subject]))[subject]) == {CASE}
        note = line(stream_id, 2, note="Rang twice.")
        await log.append(T, Commit(stream_id=stream_id, expected_version=1, events=[note], subject=subject))
    row = Row(*await pool.fetchrow(ROW))  # type: ignore[misc]
    (stored,) = await open_rows(T, [row], reader)
    assert isinstance(stored.event, LineWritten)
    assert stored.event.note == "Rang twice."


ROW = """SELECT position, stream_id, stream_version, topic, recorded_at, agency, actor, subject, correlation_id,
causation_id, payload FROM events WHERE position = 2"""


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = timedelta()

    def __call__(self) -> float:
        return self.now.total_seconds()


async def test_another_process_stops_using_a_destroyed_key_within_a_minute(pool: Pool) -> None:
    subject, seconds = uuid7(), Seconds()
    here = PostgresKeyVault(pool, KEYS)
    elsewhere = PostgresKeyVault(pool, KEYS, KeyCache(monotonic=seconds))
    await elsewhere.ensure(T, subject, [CASE])
    await here.destroy(T, subject, [CASE])
    assert (await here.keyrings(T, [subject]))[subject] == {}
    seconds.now = timedelta(seconds=61)
    assert (await elsewhere.keyrings(T, [subject]))[subject] == {}


async def test_processes_that_listen_forget_at_once(database_url: str, pool: Pool) -> None:
    subject = uuid7()
    here = PostgresKeyVault(pool, KEYS)
    async with postgres_log(database_url, pool) as log:
        elsewhere = log.vault
        assert isinstance(elsewhere, CachedKeyVault)
        log.hear(CHANNEL, elsewhere.forget_told)
        await log._listener.listening.wait()
        await elsewhere.ensure(T, subject, [CASE])
        await here.destroy(T, subject, [CASE])
        async with asyncio.timeout(30):  # Untold, it would forget after a minute.
            while (await elsewhere.keyrings(T, [subject]))[subject]:
                await asyncio.sleep(0.005)


class SlowStore(MemoryKeyVault):
    """Answers late with what it knew when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def keyrings(
        self, territory: str, subjects: Iterable[UUID], *, fresh: bool = False, use: Use = MACHINERY
    ) -> dict[UUID, Keyring]:
        known = await super().keyrings(territory, subjects, fresh=fresh, use=use)
        self.asked.set()
        await self.let_go.wait()
        return known


async def test_an_answer_overtaken_by_a_destruction_is_not_remembered(pool: Pool) -> None:
    store, subject = SlowStore(), uuid7()
    await store.ensure(T, subject, [CASE])
    vault = CachedKeyVault(store, pool)
    asking = asyncio.create_task(vault.keyrings(T, [subject]))
    await store.asked.wait()
    vault.forget_told(f"{T} {subject}")
    await store.destroy(T, subject, [CASE])
    store.let_go.set()
    await asking
    assert (await vault.keyrings(T, [subject])) == {subject: {}}


async def test_what_is_shown_is_counted_under_its_access_event(pool: Pool) -> None:
    vault, subject, use = PostgresKeyVault(pool, KEYS), uuid7(), shown(Purpose.CARE)
    await vault.ensure(T, subject, [CASE])
    for _ in range(2):
        await vault.keyrings(T, [subject], use=use)
    await vault.keyrings(T, [subject])
    (row,) = await pool.fetch("SELECT territory, access_event, purpose, keyrings FROM vault.uses")
    assert tuple(row) == (T, use.access_event, "care", 2)


def test_the_cache_is_bounded_and_drops_the_least_used() -> None:
    cache = KeyCache(subjects_max=2)
    subjects = [UUID(int=number) for number in range(3)]
    for subject in subjects[:2]:
        cache.put((T, subject), {})
    cache.get((T, subjects[0]))
    cache.put((T, subjects[2]), {})
    assert [cache.get((T, subject)) is not None for subject in subjects] == [True, False, True]
    assert len(cache) == 2


def test_a_wrapped_key_opens_in_its_place_only() -> None:
    place = key_place(T, UUID(int=1), CASE, 1)
    wrapped, commitment = wrap(b"k" * 32, b"s" * 32, place)
    assert unwrap(b"k" * 32, wrapped, commitment, place) == b"s" * 32
    for key, commits, where in (
        (b"x" * 32, commitment, place),
        (b"k" * 32, b"?" * 32, place),
        (b"k" * 32, commitment, key_place(T, UUID(int=1), NOTES, 1)),
    ):
        with pytest.raises(KeyUnwrapFailed):
            unwrap(key, wrapped, commits, where)


async def test_a_new_installation_gets_a_key_file_of_its_own(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "kek"
    subject = uuid7()
    ring = await (await PostgresKeyVault.open(pool, path)).ensure(T, subject, [CASE])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (await (await PostgresKeyVault.open(pool, path)).keyrings(T, [subject]))[subject] == ring


async def test_a_lost_key_file_is_never_replaced_in_silence(pool: Pool, tmp_path: Path) -> None:
    await PostgresKeyVault.open(pool, tmp_path / "kek")
    (tmp_path / "kek").rename(tmp_path / "elsewhere")
    with pytest.raises(KeyFileUnusable, match="is missing: restore it"):
        await PostgresKeyVault.open(pool, tmp_path / "kek")
    assert not (tmp_path / "kek").exists()


async def test_the_key_file_of_another_database_is_refused(pool: Pool, tmp_path: Path) -> None:
    await PostgresKeyVault.open(pool, tmp_path / "kek")
    KeyFile.create(tmp_path / "other")
    with pytest.raises(KeyFileUnusable, match="is not the key file of this database"):
        await PostgresKeyVault.open(pool, tmp_path / "other")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    KeyFile.create(tmp_path / "kek")
    (tmp_path / "kek").chmod(mode)
    with pytest.raises(KeyFileUnusable, match="chmod 600"):
        KeyFile.load(tmp_path / "kek")


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-3], lambda text: text.replace("1 ", "2 ", 1), lambda _: "1 é 0"]
)
def test_a_damaged_key_file_says_so(tmp_path: Path, damage: Callable[[str], str]) -> None:
    KeyFile.create(tmp_path / "kek")
    title, line_, *_ = (tmp_path / "kek").read_text().splitlines()
    (tmp_path / "kek").write_text(f"{title}\n{damage(line_)}\n")
    with pytest.raises(KeyFileUnusable):
        KeyFile.load(tmp_path / "kek")


def test_a_key_file_without_a_key_says_so(tmp_path: Path) -> None:
    (tmp_path / "kek").touch(0o600)
    with pytest.raises(KeyFileUnusable, match="holds no key"):
        KeyFile.load(tmp_path / "kek")


def test_of_two_key_files_made_at_once_the_first_stays(tmp_path: Path) -> None:
    first, second = KeyFile.create(tmp_path / "kek"), KeyFile.create(tmp_path / "kek")
    assert first.key(1) == second.key(1)
    assert [path.name for path in tmp_path.iterdir()] == ["kek"]


def test_a_key_file_does_not_show_its_keys() -> None:
    assert repr(KEYS) == "KeyFile(epochs=[1])"


def test_the_last_epoch_wraps_and_the_others_still_open(tmp_path: Path) -> None:
    old, new = KeyFile.create(tmp_path / "old"), KeyFile({1: b"1" * 32, 2: b"2" * 32})
    assert (old.epoch, new.epoch) == (1, 2)
    assert new.key(1) == b"1" * 32
    with pytest.raises(KeyFileUnusable, match="no key of epoch 3"):
        new.key(3)


async def test_a_database_that_is_down_is_not_an_erasure(pool: Pool) -> None:
    vault = PostgresKeyVault(pool, KEYS)
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError):
        await vault.keyrings(T, [uuid7()])
