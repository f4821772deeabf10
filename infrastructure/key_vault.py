"""The key vault on PostgreSQL: keys wrapped by the key file's key, in their own schema.

vault = await PostgresKeyVault.open(pool, settings.kek_file)
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from application.key_vault import DataKey, KeyDestroyed, Keyring
from domain.compartments import Compartment
from infrastructure.database import Pool, Record
from infrastructure.key_cache import KeyCache
from infrastructure.key_file import KEY_BYTES, KeyFile, KeyFileUnusable
from infrastructure.key_wrap import key_place, unwrap, wrap

KEYS = """
SELECT DISTINCT ON (subject, compartment) subject, compartment, generation, kek_epoch, wrapped, commitment
FROM vault.keys WHERE territory = $1 AND subject = ANY($2::uuid[])
ORDER BY subject, compartment, generation DESC"""

# Whoever comes second keeps the first's key: the caller reads it back.
MAKE = """
INSERT INTO vault.keys (territory, subject, compartment, generation, kek_epoch, wrapped, commitment)
SELECT $1, $2, k.compartment, 1, $3, k.wrapped, k.commitment
FROM unnest($4::text[], $5::bytea[], $6::bytea[]) AS k (compartment, wrapped, commitment)
ON CONFLICT DO NOTHING"""

# A key never made gets a tombstone too: erasing a person must also stop a command that is about to make it.
DESTROY = """
INSERT INTO vault.keys (territory, subject, compartment, generation, kek_epoch, destroyed_at)
SELECT $1, $2, c.compartment, 1, $4, clock_timestamp() FROM unnest($3::text[]) AS c (compartment)
ON CONFLICT DO NOTHING"""
OVERWRITE = """
UPDATE vault.keys SET wrapped = NULL, commitment = NULL, destroyed_at = clock_timestamp()
WHERE territory = $1 AND subject = $2 AND compartment = ANY($3::text[]) AND destroyed_at IS NULL"""


class PostgresKeyVault:
    """Safe to share between processes: the database decides which key is the first."""

    def __init__(self, pool: Pool, keys: KeyFile, cache: KeyCache | None = None) -> None:
        self._pool = pool
        self._keys = keys
        self._cache = cache if cache is not None else KeyCache()

    @classmethod
    async def open(cls, pool: Pool, key_file: Path) -> "PostgresKeyVault":
        """Makes the key file with a new database only; a lost file, or another database's, raises KeyFileUnusable."""
        registered = {row["epoch"]: row["fingerprint"] for row in await pool.fetch("SELECT * FROM vault.keks")}
        keys = KeyFile.load(key_file) if registered else KeyFile.load_or_create(key_file)
        for epoch, fingerprint in registered.items():
            if keys.fingerprint(epoch) != fingerprint:
                raise KeyFileUnusable(f"{key_file} is not the key file of this database: restore the right one.")
        await pool.execute(
            "INSERT INTO vault.keks (epoch, fingerprint) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            keys.epoch,
            keys.fingerprint(keys.epoch),
        )
        return cls(pool, keys)

    async def keyrings(self, territory: str, subjects: Iterable[UUID], *, fresh: bool = False) -> dict[UUID, Keyring]:
        found: dict[UUID, Keyring] = {}
        unknown = []
        for subject in subjects:
            keyring = None if fresh else self._cache.get((territory, subject))
            if keyring is None:
                unknown.append(subject)
            else:
                found[subject] = keyring
        if unknown:
            rows = await self._pool.fetch(KEYS, territory, unknown)
            found |= self._opened(territory, rows)
        return found

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        needed = set(compartments)
        keyring = self._cache.get((territory, subject))
        if keyring is not None and needed <= keyring.keys():
            return keyring
        rows = await self._pool.fetch(KEYS, territory, [subject])
        missing = needed - {row["compartment"] for row in rows}
        if missing:
            await self._make(territory, subject, sorted(missing))
            rows = await self._pool.fetch(KEYS, territory, [subject])
        keyring = self._opened(territory, rows).get(subject, {})
        if not needed <= keyring.keys():
            raise KeyDestroyed
        return keyring

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        names = [str(compartment) for compartment in compartments]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(DESTROY, territory, subject, names, self._keys.epoch)
            await connection.execute(OVERWRITE, territory, subject, names)
        self._cache.forget((territory, subject))

    async def _make(self, territory: str, subject: UUID, compartments: list[Compartment]) -> None:
        wrapping_key = self._keys.key(self._keys.epoch)
        wrapped = [
            wrap(wrapping_key, secrets.token_bytes(KEY_BYTES), key_place(territory, subject, compartment, 1))
            for compartment in compartments
        ]
        await self._pool.execute(
            MAKE, territory, subject, self._keys.epoch, compartments, [w for w, _ in wrapped], [c for _, c in wrapped]
        )

    def _opened(self, territory: str, rows: list[Record]) -> dict[UUID, Keyring]:
        keyrings: dict[UUID, dict[Compartment, DataKey]] = {}
        for subject, name, generation, epoch, wrapped, commitment in rows:
            keyring = keyrings.setdefault(subject, {})
            if wrapped is not None:
                compartment = Compartment(name)
                place = key_place(territory, subject, compartment, generation)
                secret = unwrap(self._keys.key(epoch), wrapped, commitment, place)
                keyring[compartment] = DataKey(generation, secret)
        for subject, keyring in keyrings.items():
            self._cache.put((territory, subject), keyring)
        return dict(keyrings)
