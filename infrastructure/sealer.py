"""The sealer: follows each territory's log, checks it, extends its Merkle tree and signs a checkpoint of it.

It seals nothing that it did not find whole, and never signs a tree that does not extend the last one it signed: that
one it remembers outside the database. Where two sealers run, a row lock lets one work at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import asyncpg
import structlog

from application.checkpoints import Checkpoint, NotANote, NotSigned, read_checkpoint
from application.merkle import HASH_BYTES
from application.tree_tiles import extended, tiles_at_the_edge
from domain.clock import SystemClock
from infrastructure import tiles
from infrastructure.database import Database, Pool
from infrastructure.event_header import column_header, leaf_hash
from infrastructure.note_folder import NoteFolder
from infrastructure.settings import Settings, SettingsError
from infrastructure.signing_key import LogKey
from infrastructure.witness import Publisher, read_witnesses

log = structlog.get_logger()

CHANNEL = "unisson_seal"
"""Notified with a territory's name, it has its checkpoint made now rather than within the minute."""
INTERVAL_S = 60.0
PAUSE_S = 0.2
PAGE = 2000
TRANSIENT = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)

TERRITORIES = "SELECT territory FROM log_head WHERE position > 0 ORDER BY territory"
BEGIN = "INSERT INTO merkle_trees (territory, verifier_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
TREE = "SELECT size, verifier_key FROM merkle_trees WHERE territory = $1 FOR UPDATE"
EVENTS = """
SELECT position, stream_id, stream_version, topic, recorded_at, agency, actor, subject, correlation_id, causation_id,
    header, payload_sha256, leaf
FROM events WHERE territory = $1 AND position > $2 ORDER BY position LIMIT $3"""
VERSIONS = """
SELECT s.stream, last.stream_version FROM unnest($2::uuid[]) AS s (stream) CROSS JOIN LATERAL (
    SELECT stream_version FROM events
    WHERE territory = $1 AND stream_id = s.stream AND position <= $3 ORDER BY stream_version DESC LIMIT 1
) AS last"""
GROW = "UPDATE merkle_trees SET size = $2 WHERE territory = $1"
PUBLISH = "INSERT INTO checkpoints (signed_at, size, territory, note) VALUES (clock_timestamp(), $2, $1, $3)"


class SealingRefused(Exception):
    """The log is not what it was, or not what a log must be: nothing is signed. The message says what and where."""

    def __init__(self, territory: str, reason: str, position: int | None = None) -> None:
        super().__init__(f"{territory}: {reason}")
        self.territory = territory
        self.position = position


class Sealer:
    """`published` hears of each log's checkpoint once it is committed, and again at each round."""

    def __init__(
        self,
        pool: Pool,
        key: LogKey,
        memory: NoteFolder,
        published: Callable[[str, Checkpoint], Awaitable[None]] | None = None,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.key = key
        self._pool = pool
        self.memory = memory
        self._published = published
        self._interval_s = interval_s
        self._asked = asyncio.Event()

    @classmethod
    def of(cls, settings: Settings, pool: Pool) -> Self:
        """With this installation's key, made on its first use, and its witnesses.

        Raises SigningKeyUnusable, or SettingsError when the witnesses are not written as they must be.
        """
        keys = settings.data_dir / "keys"
        try:
            # Whatever clock dates the events, witnesses sign with the true time.
            witnesses = read_witnesses(settings.log_witnesses or "", SystemClock())
        except NotANote:
            raise SettingsError("UNISSON_LOG_WITNESSES", "expected folders, or addresses with # and a key") from None
        key = LogKey.load_or_create(keys / "log")
        return cls(pool, key, NoteFolder(keys / "last-signed"), Publisher(pool, witnesses))

    def ask(self, _territory: str = "") -> None:
        """Seal now rather than when the time has come."""
        self._asked.set()

    async def run(self) -> None:
        while True:
            self._asked.clear()
            await self._round()
            await asyncio.sleep(PAUSE_S)  # However often it is asked.
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._asked.wait()
            except TimeoutError:
                continue

    async def _round(self) -> None:
        try:
            for row in await self._pool.fetch(TERRITORIES):
                await self._seal_or_say(row["territory"])
        except TRANSIENT as error:
            log.warning("sealer.retried", error_type=type(error).__name__)

    async def _seal_or_say(self, territory: str) -> None:
        try:
            await self.seal(territory)
        except SealingRefused as refusal:
            log.critical("sealer.refused", territory=territory, position=refusal.position, reason=str(refusal))

    async def seal(self, territory: str) -> Checkpoint | None:
        """The checkpoint of the whole log as it stands; None when nothing was ever appended. Raises SealingRefused."""
        is_at_head = False
        while not is_at_head:
            async with self._pool.acquire() as db, db.transaction():
                size, is_at_head = await self._grow(db, territory)
                checkpoint = await self._sign(db, territory, size) if is_at_head and size else None
        # Only now: a checkpoint that somebody has seen must never be undone, not even by the fall of this database.
        if checkpoint is not None and self._published is not None:
            await self._published(territory, checkpoint)
        return checkpoint

    async def _grow(self, db: Database, territory: str) -> tuple[int, bool]:
        """Seal a page more. The size of the tree, and whether that is all of the log."""
        key = self.key.of_log(territory)
        await db.execute(BEGIN, territory, str(key.verifier))
        tree = await db.fetchrow(TREE, territory)
        assert tree is not None
        if tree["verifier_key"] != str(key.verifier):
            raise SealingRefused(territory, f"it is sealed with another key, {tree['verifier_key']}: restore that one")
        size: int = tree["size"]
        rows = await db.fetch(EVENTS, territory, size, PAGE)
        if rows:
            versions = await db.fetch(VERSIONS, territory, list({row["stream_id"] for row in rows}), size)
            leaves = await asyncio.to_thread(_checked_leaves, territory, size, rows, dict(map(tuple, versions)))
            await tiles.store_tiles(db, territory, extended(size, await _tails(db, territory, size), leaves))
            size += len(leaves)
            await db.execute(GROW, territory, size)
        return size, len(rows) < PAGE

    async def _sign(self, db: Database, territory: str, size: int) -> Checkpoint:
        """The tree's checkpoint: the last one again when it has not grown."""
        key = self.key.of_log(territory)
        try:
            checkpoint = Checkpoint(key.verifier.name, size, await tiles.root(db, territory, size))
            last_size, last_note = await tiles.latest_checkpoint(db, territory) or (0, None)
            for note in (self.memory.last(territory), last_note):
                await self._must_extend(db, checkpoint, note, territory)
        except KeyError:
            raise SealingRefused(territory, "tiles of the tree are missing") from None
        if last_size < size:
            note = str(key.sign(checkpoint))
            await asyncio.to_thread(self.memory.remember, territory, note)  # On the disk before anyone can see it.
            await db.execute(PUBLISH, territory, size, note)
        return checkpoint

    async def _must_extend(self, db: Database, checkpoint: Checkpoint, note: str | None, territory: str) -> None:
        if note is None:
            return
        try:
            known = read_checkpoint(note, [self.key.of_log(territory).verifier])
        except (NotANote, NotSigned):
            raise SealingRefused(territory, "the last checkpoint is damaged, or signed with another key") from None
        if known.size > checkpoint.size:
            reason = f"{known.size} events were sealed and {checkpoint.size} are left: an older copy was restored"
            raise SealingRefused(territory, reason, checkpoint.size)
        if await tiles.root(db, territory, known.size) != known.root:
            raise SealingRefused(territory, f"the first {known.size} events are not those that were sealed")


async def _tails(db: Database, territory: str, size: int) -> dict[int, bytes]:
    tails = await tiles.read_tails(db, territory, size)
    for tile, width in tiles_at_the_edge(size):
        if len(tails.get(tile.level, b"")) != width * HASH_BYTES:
            raise SealingRefused(territory, "tiles of the tree are missing, or were changed")
    return tails


def _checked_leaves(territory: str, size: int, rows: list[Any], versions: dict[Any, int]) -> list[bytes]:
    """Positions dense, versions contiguous, header equal to the columns, leaf equal to its own definition."""
    leaves = []
    for expected, row in enumerate(rows, start=size + 1):
        stream, version = row["stream_id"], versions.get(row["stream_id"], 0) + 1
        fault = None
        if row["position"] != expected:
            raise SealingRefused(territory, f"event {expected} is missing", expected)
        if row["stream_version"] != version:
            fault = f"version {row['stream_version']} of its stream, where {version} was due"
        elif row["header"] != column_header(territory, row):
            fault = "its columns are not those of its header"
        elif row["leaf"] != leaf_hash(row["header"], row["payload_sha256"]):
            fault = "its leaf is not that of its header and payload"
        if fault:
            raise SealingRefused(territory, f"event {expected}: {fault}", expected)
        versions[stream] = version
        leaves.append(row["leaf"])
    return leaves
