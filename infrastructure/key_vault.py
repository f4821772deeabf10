"""The key vault on PostgreSQL: keys wrapped by the key file's key, in their own schema.

vault = await PostgresKeyVault.open(pool, settings.kek_file)
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from application.key_vault import (
    MACHINERY,
    DataKey,
    KeyDestroyed,
    KeyRestricted,
    Keyring,
    Purpose,
    Use,
    must_be_allowed,
    withheld,
)
from domain.compartments import Compartment
from infrastructure.cached_key_vault import CachedKeyVault
from infrastructure.database import Pool, Record
from infrastructure.key_cache import KeyCache
from infrastructure.key_file import KEY_BYTES, KeyFile, KeyFileUnusable
from infrastructure.key_wrap import key_place, unwrap, wrap

KEYS = """
SELECT DISTINCT ON (subject, compartment) subject, compartment, generation, kek_epoch, wrapped, commitment,
    EXISTS (SELECT FROM vault.restrictions r WHERE r.territory = $1 AND r.subject = k.subject) AS restricted
FROM vault.keys k WHERE territory = $1 AND subject = ANY($2::uuid[])
ORDER BY subject, compartment, generation DESC"""

# Whoever comes second keeps the first's key: the caller reads it back. The epoch cannot be destroyed meanwhile.
MAKE = """
WITH epoch AS (SELECT epoch FROM vault.keks WHERE epoch = $3 AND retired_at IS NULL FOR KEY SHARE)
INSERT INTO vault.keys (territory, subject, compartment, generation, kek_epoch, wrapped, commitment)
SELECT $1, $2, k.compartment, 1, e.epoch, k.wrapped, k.commitment
FROM epoch e, unnest($4::text[], $5::bytea[], $6::bytea[]) AS k (compartment, wrapped, commitment)
ON CONFLICT DO NOTHING"""

# A key never made gets a tombstone too: erasing a person must also stop a command that is about to make it.
DESTROY = """
INSERT INTO vault.keys (territory, subject, compartment, generation, kek_epoch, destroyed_at)
SELECT $1, $2, c.compartment, 1, $4, clock_timestamp() FROM unnest($3::text[]) AS c (compartment)
ON CONFLICT DO NOTHING"""
OVERWRITE = """
UPDATE vault.keys SET wrapped = NULL, commitment = NULL, destroyed_at = clock_timestamp()
WHERE territory = $1 AND subject = $2 AND compartment = ANY($3::text[]) AND destroyed_at IS NULL"""

RESTRICT = "INSERT INTO vault.restrictions (territory, subject) VALUES ($1, $2) ON CONFLICT DO NOTHING"
RELEASE = "DELETE FROM vault.restrictions WHERE territory = $1 AND subject = $2"
# Not waited for: the access event itself is durable before any key is asked for. A crash may lose the last counts.
COUNT_USE = """
INSERT INTO vault.uses (territory, access_event, purpose, keyrings)
SELECT $1, $2, $3, $4 FROM set_config('synchronous_commit', 'off', true)
ON CONFLICT (territory, access_event) DO UPDATE SET keyrings = uses.keyrings + excluded.keyrings"""
IN_USE = "SELECT max(epoch) FROM vault.keks"
MAKES_TRIED = 4  # An epoch may be replaced and destroyed under us.
REGISTERED = """
SELECT epoch, fingerprint, retired_at IS NULL
    OR EXISTS (SELECT FROM vault.keys k WHERE k.kek_epoch = e.epoch AND k.wrapped IS NOT NULL) AS is_needed
FROM vault.keks e WHERE destroyed_at IS NULL ORDER BY epoch"""
DESTROYED = "UPDATE vault.keks SET destroyed_at = clock_timestamp() WHERE epoch = $1"
REGISTER_FIRST = """
INSERT INTO vault.keks (epoch, fingerprint) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM vault.keks)
ON CONFLICT DO NOTHING"""


class KeyStore:
    """The keys as the database has them at each call. Safe to share: the database decides which key is the first."""

    def __init__(self, pool: Pool, keys: KeyFile) -> None:
        self._pool = pool
        self._keys = keys
        self._epoch: int | None = None
        """The one in use, as far as is known."""

    @classmethod
    async def open(cls, pool: Pool, key_file: Path) -> "KeyStore":
        """Makes the key file with a new database only; a lost file, or another database's, raises KeyFileUnusable."""
        registered = await pool.fetch(REGISTERED)
        keys = KeyFile.load(key_file) if registered else KeyFile.load_or_create(key_file)
        for epoch, fingerprint, is_needed in registered:
            if epoch not in keys.keys and not is_needed:
                await pool.execute(DESTROYED, epoch)  # Since the backup that this database was restored from.
            elif keys.fingerprint(epoch) != fingerprint:
                raise KeyFileUnusable(f"{key_file} is not the key file of this database: restore the right one.")
        await pool.execute(REGISTER_FIRST, keys.epoch, keys.fingerprint(keys.epoch))
        return cls(pool, keys)

    @property
    def key_file(self) -> KeyFile:
        return self._keys

    async def keyrings(
        self,
        territory: str,
        subjects: Iterable[UUID],
        *,
        fresh: bool = False,  # noqa: ARG002 (always is)
        use: Use = MACHINERY,
    ) -> dict[UUID, Keyring]:
        must_be_allowed(use)
        found = self._opened(territory, await self._rows(territory, list(subjects)), use)
        if use.purpose is not Purpose.RECORD:
            await self._pool.execute(COUNT_USE, territory, use.access_event, use.purpose, len(found))
        return found

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        needed = set(compartments)
        for _ in range(MAKES_TRIED):
            rows = await self._rows(territory, [subject])
            if needed - {Compartment.CASE} and any(row["restricted"] for row in rows):
                raise KeyRestricted
            missing = needed - {row["compartment"] for row in rows}
            if not missing:
                keyring = self._opened(territory, rows, MACHINERY).get(subject, {})
                if not needed <= keyring.keys():
                    raise KeyDestroyed
                return keyring
            await self._make(territory, subject, sorted(missing))
        raise KeyFileUnusable("The key file's last epoch is not in use with this database: restore the right file.")

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        names = [str(compartment) for compartment in compartments]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(DESTROY, territory, subject, names, self._keys.epoch)
            await connection.execute(OVERWRITE, territory, subject, names)

    async def restrict(self, territory: str, subject: UUID, restricted: bool) -> None:
        await self._pool.execute(RESTRICT if restricted else RELEASE, territory, subject)

    async def _rows(self, territory: str, subjects: list[UUID]) -> list[Record]:
        """Read again when they were wrapped anew, and their epoch destroyed, between the reading and now."""
        rows = await self._pool.fetch(KEYS, territory, subjects)
        self._keys.refresh()
        known = self._keys.keys
        if any(row["wrapped"] is not None and row["kek_epoch"] not in known for row in rows):
            rows = await self._pool.fetch(KEYS, territory, subjects)
            self._keys.refresh()
        return rows

    async def _make(self, territory: str, subject: UUID, compartments: list[Compartment]) -> None:
        """Makes nothing when the epoch was just retired, or when somebody else was first."""
        if self._epoch is None or self._epoch not in self._keys.keys:
            await self._pool.execute(REGISTER_FIRST, self._keys.epoch, self._keys.fingerprint(self._keys.epoch))
            self._epoch = await self._pool.fetchval(IN_USE)
            self._keys.refresh()
        assert self._epoch is not None
        epoch, wrapping_key = self._epoch, self._keys.key(self._epoch)
        wrapped = [
            wrap(wrapping_key, secrets.token_bytes(KEY_BYTES), key_place(territory, subject, compartment, 1))
            for compartment in compartments
        ]
        made = await self._pool.execute(
            MAKE, territory, subject, epoch, compartments, [w for w, _ in wrapped], [c for _, c in wrapped]
        )
        if made == "INSERT 0 0":
            self._epoch = None

    def _opened(self, territory: str, rows: list[Record], use: Use) -> dict[UUID, Keyring]:
        keyrings: dict[UUID, dict[Compartment, DataKey]] = {}
        restricted = set()
        for subject, name, generation, epoch, wrapped, commitment, is_restricted in rows:
            keyring = keyrings.setdefault(subject, {})
            if is_restricted:
                restricted.add(subject)
            if wrapped is not None:
                compartment = Compartment(name)
                place = key_place(territory, subject, compartment, generation)
                secret = unwrap(self._keys.key(epoch), wrapped, commitment, place)
                keyring[compartment] = DataKey(generation, secret)
        return {
            subject: withheld(keyring, use) if subject in restricted else keyring
            for subject, keyring in keyrings.items()
        }


class PostgresKeyVault(CachedKeyVault):
    """The whole vault in this process, on the database that tells the other processes what to forget."""

    def __init__(self, pool: Pool, keys: KeyFile, cache: KeyCache | None = None) -> None:
        super().__init__(KeyStore(pool, keys), pool, cache)

    @classmethod
    async def open(cls, pool: Pool, key_file: Path) -> "PostgresKeyVault":
        """See `KeyStore.open`."""
        return cls(pool, (await KeyStore.open(pool, key_file)).key_file)
