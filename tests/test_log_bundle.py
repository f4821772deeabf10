"""A bundle of an untouched log holds, names nobody, and goes on holding when persons are erased."""

import asyncio
from pathlib import Path

from api.verify.command import verify
from infrastructure.database import Pool
from infrastructure.group_writer import GroupWriter
from infrastructure.log_bundle import ATTEMPTS, write_bundle
from infrastructure.note_folder import NoteFolder
from infrastructure.pruning import PostgresPruning
from infrastructure.sealer import Sealer
from infrastructure.signing_key import LogKey
from tests.support.erasing import scene
from tests.support.following import TERRITORY
from tests.support.sealed_events import T, append_erasure, append_person


def sealer_in(folder: Path, pool: Pool) -> Sealer:
    return Sealer(pool, LogKey.load_or_create(folder / "log"), NoteFolder(folder / "last-signed"))


async def bundle_of(pool: Pool, sealer: Sealer, folder: Path) -> Path:
    folder.mkdir()
    assert await write_bundle(pool, sealer, [TERRITORY], folder) == []
    return folder


async def test_an_untouched_log_holds(database_url: str, pool: Pool, tmp_path: Path) -> None:
    async with GroupWriter(database_url) as writer:
        people = [await append_person(writer, 3) for _ in range(300)]
        await append_erasure(writer, people[0], after=3)
        await PostgresPruning(pool).prune(T, people[0])
    verdict = verify(await bundle_of(pool, sealer_in(tmp_path, pool), tmp_path / "bundle"))
    assert verdict.faults == []
    assert [(log.log, log.events, log.pruned, log.erased) for log in verdict.logs] == [(T, 901, 3, 1)]


async def test_a_persons_erasure_breaks_nothing_that_an_auditor_holds(
    database_url: str, pool: Pool, tmp_path: Path
) -> None:
    """What the bundle is written and checked with holds no key of anybody's: neither is given the vault."""
    sealer = sealer_in(tmp_path, pool)
    async with scene(database_url, pool, tmp_path) as here:
        person, _ = await here.live(), await here.live()
        before = await bundle_of(pool, sealer, tmp_path / "before")
        assert verify(before).faults == []
        await here.erase(person)
        after = await bundle_of(pool, sealer, tmp_path / "after")
    verdict = verify(after, [before / TERRITORY / "checkpoint"])
    assert verdict.faults == []
    assert verdict.logs[0].pruned > 5
    everything = b"".join(path.read_bytes() for path in before.rglob("*") if path.is_file())
    for told in (b"Ada", b"Lovelace", b"+33 4", b"A note."):
        assert told not in everything


async def test_persons_may_be_erased_while_bundles_are_written(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """Whatever is pruned in the bundle finds in it why."""
    sealer = sealer_in(tmp_path, pool)
    async with GroupWriter(database_url) as writer:
        people = [await append_person(writer, 3) for _ in range(ATTEMPTS - 2)]  # However slow, one attempt succeeds.

        async def erase() -> None:
            for person in people:
                await append_erasure(writer, person, after=3)
                await PostgresPruning(pool).prune(T, person)
                await asyncio.sleep(0.03)

        erasing = asyncio.create_task(erase())
        number, pruned = 0, set()
        while not erasing.done() or not number:
            number += 1
            verdict = verify(await bundle_of(pool, sealer, tmp_path / f"bundle-{number}"))
            assert verdict.faults == []
            pruned.add(verdict.logs[0].pruned)
        await erasing
    assert pruned
