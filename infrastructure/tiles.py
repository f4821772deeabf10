"""The tree's tiles and checkpoints as stored: what proofs are made from and bundles are filled with."""

from collections.abc import Iterable

from application.merkle import Range, consistency_ranges, inclusion_ranges
from application.tree_tiles import TileId, needed, partial_tiles, range_hash
from infrastructure.database import Database

TILES = """
SELECT level, number, hashes FROM merkle_tiles JOIN unnest($2::smallint[], $3::bigint[]) AS w (level, number)
    USING (level, number) WHERE territory = $1"""
STORE = """
INSERT INTO merkle_tiles (territory, level, number, hashes)
SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])
ON CONFLICT (territory, level, number) DO UPDATE SET hashes = excluded.hashes"""
LATEST = "SELECT size, note FROM checkpoints WHERE territory = $1 ORDER BY size DESC LIMIT 1"
DAILY = """
SELECT DISTINCT ON (date_trunc('day', signed_at, 'UTC')) size, note FROM checkpoints WHERE territory = $1
ORDER BY date_trunc('day', signed_at, 'UTC'), size DESC"""
COSIGNED = "SELECT line FROM cosignatures WHERE territory = $1 AND size = $2 ORDER BY witness"


async def read_tiles(db: Database, territory: str, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
    """Those that exist."""
    levels, numbers = zip(*wanted, strict=True) if (wanted := list(wanted)) else ((), ())
    rows = await db.fetch(TILES, territory, levels, numbers)
    return {TileId(row["level"], row["number"]): row["hashes"] for row in rows}


async def store_tiles(db: Database, territory: str, tiles: dict[TileId, bytes]) -> None:
    levels, numbers = zip(*tiles, strict=True)
    await db.execute(STORE, territory, levels, numbers, list(tiles.values()))


async def read_tails(db: Database, territory: str, size: int) -> dict[int, bytes]:
    """The partial tiles of a tree of this size, by level."""
    tiles = await read_tiles(db, territory, partial_tiles(size))
    return {tile.level: hashes for tile, hashes in tiles.items()}


async def hashes(db: Database, territory: str, ranges: list[Range]) -> list[bytes]:
    """Raises KeyError when the tree does not go that far."""
    tiles = await read_tiles(db, territory, needed(ranges))
    return [range_hash(wanted, tiles) for wanted in ranges]


async def root(db: Database, territory: str, size: int) -> bytes:
    return (await hashes(db, territory, [Range(0, size)]))[0]


async def inclusion_proof(db: Database, territory: str, index: int, size: int) -> list[bytes]:
    return await hashes(db, territory, inclusion_ranges(index, size))


async def consistency_proof(db: Database, territory: str, old: int, size: int) -> list[bytes]:
    return await hashes(db, territory, consistency_ranges(old, size))


async def latest_checkpoint(db: Database, territory: str) -> tuple[int, str] | None:
    """Size and note of the last checkpoint, as the log signed it."""
    row = await db.fetchrow(LATEST, territory)
    return None if row is None else (row["size"], row["note"])


async def daily_checkpoints(db: Database, territory: str) -> list[tuple[int, str]]:
    """Sizes and notes of the last checkpoint of each day, the last one of all included; oldest first."""
    return sorted((row["size"], row["note"]) for row in await db.fetch(DAILY, territory))


async def cosignatures(db: Database, territory: str, size: int) -> str:
    return "".join(row["line"] for row in await db.fetch(COSIGNED, territory, size))
