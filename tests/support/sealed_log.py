"""A log with a sealer, an auditor who kept a checkpoint, and somebody who may do anything to the database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from api.verify.command import Verdict, main, verify
from infrastructure.database import Database, Pool
from infrastructure.group_writer import GroupWriter
from infrastructure.log_bundle import write_bundle
from infrastructure.note_folder import NoteFolder
from infrastructure.sealer import Sealer
from infrastructure.signing_key import LogKey
from infrastructure.witness import Publisher
from tests.support.sealed_events import T, append_person


class SealedLog:
    """Keys and memory under `folder`, as an installation has them."""

    def __init__(self, pool: Pool, writer: GroupWriter, folder: Path) -> None:
        self.pool = pool
        self.writer = writer
        self.folder = folder
        self.people: list[UUID] = []
        self.sealer = self._sealer()
        self._bundles = 0

    def _sealer(self) -> Sealer:
        return Sealer(self.pool, LogKey.load_or_create(self.folder / "log"), NoteFolder(self.folder / "last-signed"))

    @property
    def key(self) -> str:
        """What auditors are given."""
        return str(self.sealer.key.of_log(T).verifier)

    def published(self, publisher: Publisher) -> None:
        """From now on checkpoints are shown to witnesses."""
        self.sealer._published = publisher

    def change_key(self) -> None:
        """As somebody who takes over the host would."""
        (self.folder / "log").unlink()
        (self.folder / "last-signed" / T).unlink()
        self.sealer = self._sealer()

    async def grow(self, people: int, events: int = 4) -> None:
        self.people += [await append_person(self.writer, events) for _ in range(people)]
        await self.sealer.seal(T)

    def last_checkpoint(self, name: str = "mine") -> Path:
        """A copy, as an auditor keeps one."""
        file = self.folder / name
        file.write_text(self.sealer.memory.last(T) or "", "utf-8")
        return file

    async def bundle(self, territories: Sequence[str] = (T,)) -> Path:
        self._bundles += 1
        folder = self.folder / f"bundle-{self._bundles}"
        folder.mkdir()
        await write_bundle(self.pool, self.sealer, territories, folder)
        return folder

    async def verdict(self, *since: Path) -> Verdict:
        return verify(await self.bundle(), since)


@asynccontextmanager
async def sealed_log(database_url: str, pool: Pool, folder: Path) -> AsyncIterator[SealedLog]:
    async with GroupWriter(database_url) as writer:
        log = SealedLog(pool, writer, folder)
        await log.grow(people=5)
        yield log


@asynccontextmanager
async def without_triggers(pool: Pool) -> AsyncIterator[Database]:
    """What the owner of the tables can do."""
    async with pool.acquire() as db, db.transaction():
        for table in ("events", "checkpoints"):
            await db.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield db
        for table in ("events", "checkpoints"):
            await db.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Exit status and lines of `unisson-verify`."""
    capsys.readouterr()  # What was logged before.
    status = main([*arguments, "--lang", "en"])
    return status, capsys.readouterr().out.splitlines()
