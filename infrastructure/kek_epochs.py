"""Epochs of the key-encryption key: their keys in the key file, what is known of them in the vault's database."""

import asyncio
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.kek_epochs import KEPT, Epoch, EpochInUse, EpochTooYoung, UnknownEpoch
from domain.clock import Clock
from domain.compartments import Compartment
from infrastructure.database import Database, Pool, Record
from infrastructure.key_file import KeyFile
from infrastructure.key_wrap import key_place, unwrap_with, wrap_again

EPOCHS = """
SELECT epoch AS number, made_at, retired_at, destroyed_at,
    (SELECT count(*) FROM vault.keys k WHERE k.kek_epoch = e.epoch AND k.wrapped IS NOT NULL) AS keys
FROM vault.keks e ORDER BY epoch"""
LOCK = "SELECT pg_advisory_xact_lock(7526752397670245748)"  # "hskepoct": one process at a time turns epochs over.
LAST = "SELECT coalesce(max(epoch), 0) FROM vault.keks"
RETIRE = "UPDATE vault.keks SET retired_at = $1 WHERE retired_at IS NULL"
ADD = "INSERT INTO vault.keks (epoch, fingerprint, made_at) VALUES ($1, $2, $3)"
OLD = """
SELECT subject, generation, kek_epoch, territory, compartment, wrapped, commitment FROM vault.keys
WHERE kek_epoch < $1 AND wrapped IS NOT NULL LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"""
REWRAP = """
UPDATE vault.keys k SET kek_epoch = $1, wrapped = n.wrapped
FROM unnest($2::text[], $3::uuid[], $4::text[], $5::int[], $6::bytea[])
    AS n (territory, subject, compartment, generation, wrapped)
WHERE (k.territory, k.subject, k.compartment, k.generation) = (n.territory, n.subject, n.compartment, n.generation)
    AND k.wrapped IS NOT NULL"""
REMAINING = "SELECT count(*) FROM vault.keys WHERE kek_epoch < $1 AND wrapped IS NOT NULL"
# Waits for whoever is making a key under it, and then counts that key.
HELD = "SELECT retired_at, destroyed_at FROM vault.keks WHERE epoch = $1 FOR UPDATE"
IS_USED = "SELECT EXISTS (SELECT FROM vault.keys WHERE kek_epoch = $1 AND wrapped IS NOT NULL)"
DESTROYED = "UPDATE vault.keks SET destroyed_at = $2 WHERE epoch = $1"


class PostgresKekEpochs:
    """See `KekEpochs`. `keys` is the key file that the vault of this process uses too."""

    def __init__(self, pool: Pool, keys: KeyFile, clock: Clock) -> None:
        self._pool = pool
        self._keys = keys
        self._clock = clock

    async def epochs(self) -> list[Epoch]:
        return [Epoch(**row) for row in await self._pool.fetch(EPOCHS)]

    async def current(self) -> Epoch:
        return (await self.epochs())[-1]

    async def rotate(self) -> Epoch:
        async with self._pool.acquire() as db, db.transaction():
            await db.execute(LOCK)
            now = self._clock.now()
            number = self._keys.add(await db.fetchval(LAST))
            await db.execute(RETIRE, now)
            await db.execute(ADD, number, self._keys.fingerprint(number), now)
        return await self.current()

    async def rewrap(self, limit: int) -> int:
        async with self._pool.acquire() as db, db.transaction():
            current: int = await db.fetchval(LAST)
            rows = await db.fetch(OLD, current, limit)
            if rows:
                await self._rewrap(db, rows, current)
            remaining: int = await db.fetchval(REMAINING, current)
        return remaining

    async def destroy(self, number: int, *, at_once: bool = False) -> None:
        async with self._pool.acquire() as db, db.transaction():
            epoch = await db.fetchrow(HELD, number)
            if epoch is None:
                raise UnknownEpoch
            if epoch["destroyed_at"] is None:
                await self._must_be_destroyable(db, number, epoch, at_once=at_once)
                await db.execute(DESTROYED, number, self._clock.now())
        self._keys.destroy(number)

    async def _must_be_destroyable(self, db: Database, number: int, epoch: Record, *, at_once: bool) -> None:
        retired_at = epoch["retired_at"]
        if retired_at is None or await db.fetchval(IS_USED, number):
            raise EpochInUse
        if not at_once and self._clock.now() - retired_at < KEPT:
            raise EpochTooYoung

    async def _rewrap(self, db: Database, rows: list[Record], current: int) -> None:
        self._keys.refresh()
        epochs = {current, *(row["kek_epoch"] for row in rows)}
        ciphers = {epoch: AESGCM(self._keys.key(epoch)) for epoch in epochs}
        wrapped = await asyncio.to_thread(_all_wrapped_again, rows, ciphers, current)  # Ten thousand take a while.
        columns = ([row[name] for row in rows] for name in ("territory", "subject", "compartment", "generation"))
        await db.execute(REWRAP, current, *columns, wrapped)


def _all_wrapped_again(rows: Sequence[Record], ciphers: Mapping[int, AESGCM], current: int) -> list[bytes]:
    return [_wrapped_again(row, ciphers, current) for row in rows]


def _wrapped_again(row: Record, ciphers: Mapping[int, AESGCM], current: int) -> bytes:
    place = key_place(row["territory"], row["subject"], Compartment(row["compartment"]), row["generation"])
    secret = unwrap_with(ciphers[row["kek_epoch"]], row["wrapped"], row["commitment"], place)
    return wrap_again(ciphers[current], secret, place)
