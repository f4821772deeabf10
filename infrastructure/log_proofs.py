"""Proofs from the tree as it is sealed. What is not yet is sealed on demand, by whichever process has the key."""

import asyncio
from typing import Any

from application.log_proofs import NoSuchTree, NothingSealed, NotSealedYet, Receipt, UnknownReceipt
from application.merkle import HASH_BYTES
from application.tree_tiles import WIDTH, TileId
from infrastructure import tiles
from infrastructure.database import Database, Pool
from infrastructure.sealer import CHANNEL

EVENT = """
SELECT header, payload_sha256, leaf FROM events WHERE territory = $1 AND position = $2 AND agency = $3"""
ENTRIES = """
SELECT header || payload_sha256 AS entry FROM events
WHERE territory = $1 AND position > $2 AND position <= $3 ORDER BY position"""
ASK = "SELECT pg_notify($1, $2)"
LOOKS = 10
LOOK_S = 0.2
RETRY_AFTER_S = 60


class PostgresLogProofs:
    """See `LogProofs`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def checkpoint(self, territory: str) -> str:
        async with self._pool.acquire() as db:
            latest = await tiles.latest_checkpoint(db, territory)
            if latest is None:
                raise NothingSealed
            size, note = latest
            return note + await tiles.cosignatures(db, territory, size)

    async def receipt(self, territory: str, agency: str, position: int) -> Receipt:
        event = await self._pool.fetchrow(EVENT, territory, position, agency)
        if event is None:
            raise UnknownReceipt
        for look in range(LOOKS):
            receipt = await self._sealed_receipt(territory, position, event)
            if receipt is not None:
                return receipt
            if look == 0:
                await self._pool.execute(ASK, CHANNEL, territory)
            await asyncio.sleep(LOOK_S)
        raise NotSealedYet(retry_after_s=RETRY_AFTER_S)

    async def _sealed_receipt(self, territory: str, position: int, event: Any) -> Receipt | None:
        async with self._pool.acquire() as db:
            latest = await tiles.latest_checkpoint(db, territory)
            if latest is None or latest[0] < position:
                return None
            size, note = latest
            return Receipt(
                position=position,
                leaf_index=position - 1,
                leaf_hash=event["leaf"],
                header=event["header"],
                payload_sha256=event["payload_sha256"],
                inclusion_proof=await tiles.inclusion_proof(db, territory, position - 1, size),
                checkpoint=note + await tiles.cosignatures(db, territory, size),
            )

    async def inclusion(self, territory: str, index: int, size: int) -> list[bytes]:
        async with self._pool.acquire() as db:
            await _must_hold(db, territory, size)
            if index >= size:
                raise NoSuchTree
            return await tiles.inclusion_proof(db, territory, index, size)

    async def consistency(self, territory: str, old_size: int, size: int) -> list[bytes]:
        async with self._pool.acquire() as db:
            await _must_hold(db, territory, size)
            if old_size > size:
                raise NoSuchTree
            return await tiles.consistency_proof(db, territory, old_size, size)

    async def tile(self, territory: str, level: int, number: int, width: int) -> bytes | None:
        async with self._pool.acquire() as db:
            found = await tiles.read_tiles(db, territory, [TileId(level, number)])
        hashes = found.get(TileId(level, number), b"")
        return hashes[: width * HASH_BYTES] if len(hashes) >= width * HASH_BYTES else None

    async def entries(self, territory: str, number: int, width: int) -> bytes | None:
        first, last = number * WIDTH, number * WIDTH + width
        async with self._pool.acquire() as db:
            if await _sealed_size(db, territory) < last:
                return None
            rows = await db.fetch(ENTRIES, territory, first, last)
        return b"".join(len(row["entry"]).to_bytes(2, "big") + row["entry"] for row in rows)


async def _sealed_size(db: Database, territory: str) -> int:
    latest = await tiles.latest_checkpoint(db, territory)
    return 0 if latest is None else latest[0]


async def _must_hold(db: Database, territory: str, size: int) -> None:
    if not 0 < size <= await _sealed_size(db, territory):
        raise NoSuchTree
