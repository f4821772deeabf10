"""A bundle of an untouched log holds, and needs no key to be checked."""

from pathlib import Path

from api.verify.command import verify
from infrastructure.database import Pool
from infrastructure.group_writer import GroupWriter
from infrastructure.log_bundle import write_bundle
from infrastructure.note_folder import NoteFolder
from infrastructure.pruning import PostgresPruning
from infrastructure.sealer import Sealer
from infrastructure.signing_key import LogKey
from tests.support.sealed_events import T, append_erasure, append_person


async def test_an_untouched_log_holds(database_url: str, pool: Pool, tmp_path: Path) -> None:
    async with GroupWriter(database_url) as writer:
        people = [await append_person(writer, 3) for _ in range(300)]
        await append_erasure(writer, people[0], after=3)
        await PostgresPruning(pool).prune(T, people[0])
    sealer = Sealer(pool, LogKey.load_or_create(tmp_path / "k"), NoteFolder(tmp_path / "m"))
    assert await write_bundle(pool, sealer, [T], tmp_path / "b") == []
    verdict = verify(tmp_path / "b")
    assert verdict.faults == []
    assert [(log.log, log.events, log.pruned, log.erased) for log in verdict.logs] == [(T, 901, 3, 1)]
