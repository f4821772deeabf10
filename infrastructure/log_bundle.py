"""What an auditor takes away: every event as stored, the tree's tiles, the checkpoints, and a list of all the files.

    SHA256SUMS                    every other file, as sha256sum writes them
    FR-34/key                     what checks the log's signatures
    FR-34/checkpoint              the last signed note, with the lines of witnesses; FR-34/checkpoints/: earlier ones
    FR-34/last-signed             what the sealer remembers, outside the database, of what it signed last
    FR-34/events/000000000001     events from this position on: see `encoded`
    FR-34/tile/0/x000/012         the sealed tree, as C2SP tlog-tiles cuts it

Payloads stay sealed: no key is used, so nothing can be read of anybody. `api/verify` checks all of it.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from application.tree_tiles import WIDTH, TileId, tile_path
from infrastructure import tiles
from infrastructure.database import Database, Pool
from infrastructure.durable_file import safe_name
from infrastructure.event_header import column_header
from infrastructure.sealer import Sealer, SealingRefused

MAGIC = b"unisson events 1\n"
SEGMENT = 16_384
PAGE = 2048
NO_PAYLOAD = b"\xff" * 4
ATTEMPTS = 20

EVENTS = """
SELECT position, stream_id, stream_version, topic, recorded_at, agency, actor, subject, correlation_id, causation_id,
    header, payload_sha256, leaf, payload
FROM events WHERE territory = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4"""
ALL_TILES = """
SELECT level, number, hashes FROM merkle_tiles WHERE territory = $1 AND level = $2 AND number > $3
ORDER BY number LIMIT $4"""
LEVELS = "SELECT coalesce(max(level), -1) FROM merkle_tiles WHERE territory = $1"
ERASED_SINCE = """
SELECT EXISTS (SELECT FROM events WHERE territory = $1 AND topic = 'person.erased' AND position > $2)"""
EVERYTHING = 2**63 - 1


class BundleFolder:
    """A folder that is filled, and then listed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sums: dict[str, str] = {}

    def write(self, path: str, content: bytes | bytearray) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(content)
        self._sums[path] = hashlib.sha256(content).hexdigest()

    def finish(self) -> None:
        """Without its list a bundle holds nothing: an interrupted one is noticed."""
        lines = [f"{digest}  {path}\n" for path, digest in sorted(self._sums.items())]
        (self._folder / "SHA256SUMS").write_text("".join(lines), "utf-8")


async def write_bundle(pool: Pool, sealer: Sealer, territories: Sequence[str], folder: Path) -> list[SealingRefused]:
    """Fill an empty folder. Returns why some logs could not be sealed as they stand: they are in it all the same.

    Raises SealingRefused when persons are erased one after the other without a pause between.
    """
    bundle = BundleFolder(folder)
    refusals = []
    for territory in territories:
        refusal = await _write_log(pool, sealer, territory, bundle)
        if refusal is not None:
            refusals.append(refusal)
    bundle.finish()
    return refusals


async def _write_log(pool: Pool, sealer: Sealer, territory: str, bundle: BundleFolder) -> SealingRefused | None:
    place = safe_name(territory)
    for _ in range(ATTEMPTS):
        refusal = None
        until = EVERYTHING
        try:
            checkpoint = await sealer.seal(territory)
            until = 0 if checkpoint is None else checkpoint.size
        except SealingRefused as refused:
            refusal = refused
        async with pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            # What is pruned in this snapshot must find its justification in the bundle.
            if refusal is None and await db.fetchval(ERASED_SINCE, territory, until):
                continue
            _write_notes(
                bundle,
                place,
                key=str(sealer.key.of_log(territory).verifier),
                checkpoints=await tiles.daily_checkpoints(db, territory),
                cosignatures=await _latest_cosignatures(db, territory),
                last_signed=sealer.memory.last(territory),
            )
            await _write_tiles(db, territory, bundle, place)
            await _write_events(db, territory, until, bundle, place)
        return refusal
    raise SealingRefused(territory, "persons are being erased faster than it can be sealed: try again")


async def _latest_cosignatures(db: Database, territory: str) -> str:
    latest = await tiles.latest_checkpoint(db, territory)
    return "" if latest is None else await tiles.cosignatures(db, territory, latest[0])


def _write_notes(
    bundle: BundleFolder,
    place: str,
    *,
    key: str,
    checkpoints: list[tuple[int, str]],
    cosignatures: str,
    last_signed: str | None,
) -> None:
    bundle.write(f"{place}/key", f"{key}\n".encode())
    if last_signed is not None:
        bundle.write(f"{place}/last-signed", last_signed.encode())
    for size, note in checkpoints[:-1]:
        bundle.write(f"{place}/checkpoints/{size}", note.encode())
    for _, note in checkpoints[-1:]:
        bundle.write(f"{place}/checkpoint", (note + cosignatures).encode())


async def _write_tiles(db: Database, territory: str, bundle: BundleFolder, place: str) -> None:
    for level in range(await db.fetchval(LEVELS, territory) + 1):
        last = -1
        while rows := await db.fetch(ALL_TILES, territory, level, last, PAGE):
            for row in rows:
                path = tile_path(TileId(level, row["number"]), min(len(row["hashes"]) // 32, WIDTH))
                bundle.write(f"{place}/tile/{path}", row["hashes"])
            last = rows[-1]["number"]


async def _write_events(db: Database, territory: str, until: int, bundle: BundleFolder, place: str) -> None:
    first, count, segment = 0, 0, bytearray(MAGIC)
    async for row in _events(db, territory, until):
        first = first or row["position"]
        segment += encoded(territory, row)
        count += 1
        if count == SEGMENT:
            bundle.write(f"{place}/events/{first:012d}", segment)
            first, count, segment = 0, 0, bytearray(MAGIC)
    if count:
        bundle.write(f"{place}/events/{first:012d}", segment)


async def _events(db: Database, territory: str, until: int) -> AsyncIterator[Any]:
    last = 0
    while rows := await db.fetch(EVENTS, territory, last, until, PAGE):
        for row in rows:
            yield row
        last = rows[-1]["position"]


def encoded(territory: str, row: Any) -> bytes:
    """One event: position, header, its columns where they differ from the header, payload hash, leaf, payload."""
    header: bytes = row["header"]
    columns = column_header(territory, row)
    columns = b"" if columns == header else columns
    payload: bytes | None = row["payload"]
    return b"".join(
        (
            row["position"].to_bytes(8, "big"),
            *_prefixed(header, columns, row["payload_sha256"], row["leaf"]),
            NO_PAYLOAD if payload is None else b"".join(_prefixed(payload)),
        )
    )


def _prefixed(*fields: bytes) -> Iterator[bytes]:
    """Each after its length on four bytes."""
    for field in fields:
        yield len(field).to_bytes(4, "big")
        yield field
