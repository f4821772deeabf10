"""Whatever else goes on, checkpoints are of one log that only grows."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from application.checkpoints import Checkpoint, SignedNote
from application.merkle import is_consistent
from infrastructure import sealer as sealing
from infrastructure import tiles
from infrastructure.database import Pool
from infrastructure.sealer import Sealer, SealingRefused
from infrastructure.signing_key import LogKey, SigningKeyUnusable
from tests.support import rfc6962
from tests.support.sealed_events import T, append, append_person, sealed_commit
from tests.support.sealed_log import SealedLog, sealed_log, without_triggers

KILLS = int(os.environ.get("UNISSON_SEALER_KILLS", "5"))


@pytest.fixture
async def log(database_url: str, pool: Pool, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(database_url, pool, tmp_path) as opened:
        yield opened


async def published(pool: Pool) -> list[Checkpoint]:
    rows = await pool.fetch("SELECT note FROM checkpoints ORDER BY size")
    return [Checkpoint.parse(SignedNote.parse(row["note"]).text) for row in rows]


async def must_be_one_log(pool: Pool) -> None:
    """Each checkpoint extends the one before, and is the root of the leaves as they are stored."""
    leaves = [row["leaf"] for row in await pool.fetch("SELECT leaf FROM events ORDER BY position")]
    found = await published(pool)
    assert len(found) == len({each.size for each in found})
    for checkpoint in found:
        assert checkpoint.root == rfc6962.mth(leaves[: checkpoint.size])
    for before, after in pairwise(found):
        async with pool.acquire() as db:
            proof = await tiles.consistency_proof(db, T, before.size, after.size)
        assert is_consistent(before.size, before.root, after.size, after.root, proof)


async def test_a_log_that_did_not_grow_has_no_new_checkpoint(log: SealedLog, pool: Pool) -> None:
    first = await log.sealer.seal(T)
    assert await log.sealer.seal(T) == first
    assert len(await published(pool)) == 1


async def test_nothing_is_sealed_of_a_territory_without_events(log: SealedLog) -> None:
    assert await log.sealer.seal("FR-30") is None


async def test_each_territory_has_a_tree_of_its_own(log: SealedLog, tmp_path: Path) -> None:
    await append_person(log.writer, 3, territory="FR-30")
    here, there = await log.sealer.seal(T), await log.sealer.seal("FR-30")
    assert here is not None
    assert there is not None
    assert (here.size, there.size) == (20, 3)
    assert here.origin != there.origin
    folder = await log.bundle((T, "FR-30"))
    assert {path.name for path in folder.iterdir()} == {"FR-30", "FR-34", "SHA256SUMS"}


async def test_sealing_while_others_append(log: SealedLog, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sealers with one key and small pages, eight writers."""
    monkeypatch.setattr(sealing, "PAGE", 7)
    other = Sealer(pool, log.sealer.key, log.sealer.memory)
    is_over = False

    async def write() -> None:
        for turn in range(12):
            await append_person(log.writer, (1, 3, 9)[turn % 3])

    async def seal(sealer: Sealer) -> None:
        while not is_over:
            await sealer.seal(T)

    sealers = [asyncio.create_task(seal(each)) for each in (log.sealer, other)]
    await asyncio.gather(*(write() for _ in range(8)))
    is_over = True
    await asyncio.gather(*sealers)
    await log.sealer.seal(T)
    await must_be_one_log(pool)
    assert (await log.verdict()).faults == []


async def test_a_sealer_killed_at_any_moment_leaves_one_log(
    log: SealedLog, pool: Pool, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(6962)  # noqa: S311 (moments to kill at)
    for _ in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.seal_forever", database_url, tmp_path, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"sealing\n"
        before = len(await published(pool))
        while len(await published(pool)) == before:
            await append_person(log.writer, 2)
        deadline = asyncio.get_running_loop().time() + chance.uniform(0, 0.05)
        while asyncio.get_running_loop().time() < deadline:
            await append_person(log.writer, 2)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await must_be_one_log(pool)
    await log.sealer.seal(T)
    assert len(await published(pool)) > KILLS
    await must_be_one_log(pool)
    assert (await log.verdict()).faults == []


async def test_a_sealer_that_dies_after_remembering_seals_the_same_again(
    log: SealedLog, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it remembers and the database does not is no contradiction: the log is longer or equal."""
    await append_person(log.writer)
    remember = log.sealer.memory.remember

    def dying(territory: str, note: str) -> None:
        remember(territory, note)
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(log.sealer.memory, "remember", dying)
        with pytest.raises(ConnectionResetError):
            await log.sealer.seal(T)
    assert len(await published(pool)) == 1
    await append_person(log.writer)
    await log.sealer.seal(T)
    await must_be_one_log(pool)


async def test_another_key_seals_nothing(log: SealedLog, pool: Pool, tmp_path: Path) -> None:
    other = Sealer(pool, LogKey.load_or_create(tmp_path / "other"), log.sealer.memory)
    with pytest.raises(SealingRefused, match="sealed with another key"):
        await other.seal(T)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE events SET leaf = sha256('x') WHERE position = 22", "event 22: its leaf"),
        ("UPDATE events SET topic = 'x' WHERE position = 22", "event 22: its columns"),
        ("DELETE FROM events WHERE position = 22", "event 22 is missing"),
        ("UPDATE events SET stream_version = 9 WHERE position = 22", "event 22: version 9 of its stream"),
        ("UPDATE merkle_tiles SET hashes = substr(hashes, 1, 32)", "tiles of the tree are missing"),
        ("DELETE FROM merkle_tiles", "tiles of the tree are missing"),
        ("UPDATE merkle_tiles SET hashes = set_byte(hashes, 9, 0)", "are not those that were sealed"),
        ("UPDATE checkpoints SET note = 'x'", "the last checkpoint is damaged"),
    ],
)
async def test_a_log_that_is_not_whole_is_not_sealed(log: SealedLog, pool: Pool, change: str, told: str) -> None:
    await append_person(log.writer)
    async with without_triggers(pool) as db:
        await db.execute(change)
    with pytest.raises(SealingRefused, match=told):
        await log.sealer.seal(T)
    assert await pool.fetchval("SELECT size FROM merkle_trees") == 20


async def test_a_stream_that_goes_on_over_several_pages_is_followed(
    log: SealedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "PAGE", 2)
    await append(log.writer, sealed_commit(log.people[0], after=4, payloads=[b"x"] * 5, subject=log.people[0]))
    checkpoint = await log.sealer.seal(T)
    assert checkpoint is not None
    assert checkpoint.size == 25
    assert (await log.verdict()).faults == []


async def test_checkpoints_are_never_withdrawn(log: SealedLog, pool: Pool) -> None:
    for statement in ("UPDATE checkpoints SET size = 1", "DELETE FROM checkpoints", "TRUNCATE checkpoints CASCADE"):
        with pytest.raises(Exception, match="checkpoints never change"):
            await pool.execute(statement)


def test_a_signing_key_that_others_may_read_or_that_is_damaged_is_refused(tmp_path: Path) -> None:
    key = LogKey.load_or_create(tmp_path / "log")
    assert LogKey.load_or_create(tmp_path / "log").name == key.name
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(key)
    (tmp_path / "log").chmod(0o644)
    with pytest.raises(SigningKeyUnusable, match="other accounts"):
        LogKey.load(tmp_path / "log")
    (tmp_path / "log").chmod(0o600)
    (tmp_path / "log").write_text(key.encoded().replace("+", "-", 3))
    with pytest.raises(SigningKeyUnusable, match="damaged"):
        LogKey.load(tmp_path / "log")


async def test_the_sealer_seals_by_itself_and_at_once_when_asked(log: SealedLog, pool: Pool) -> None:
    task = asyncio.create_task(log.sealer.run())
    try:
        await append_person(log.writer)
        log.sealer.ask()
        async with asyncio.timeout(30):
            while (await published(pool))[-1].size < 23:
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
