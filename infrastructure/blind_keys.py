"""Keys of blind indexes: kept in the vault like a person's, one per territory and version, and used there."""

import hmac
from collections.abc import Mapping, Sequence
from uuid import UUID

from application.blind_index import HASH_BYTES, IndexKey, OneIndexKey, TwoIndexKeys
from application.key_vault import KeyVault
from domain.clock import Clock
from domain.compartments import Compartment
from domain.ids import uuid8_of
from infrastructure.database import Pool

VERSIONS = "SELECT version, made_at, retired_at FROM vault.index_keys WHERE territory = $1 ORDER BY version"
# Two processes that add the same version add it once.
ADD = "INSERT INTO vault.index_keys (territory, version, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
RETIRE = "UPDATE vault.index_keys SET retired_at = $3 WHERE territory = $1 AND version = $2 AND retired_at IS NULL"


class VaultBlindKeys:
    """See `BlindKeys`. Works beside the vault whose database this is."""

    def __init__(self, pool: Pool, vault: KeyVault, clock: Clock) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock

    async def hashes(self, territory: str, terms: Sequence[str]) -> Mapping[int, Sequence[bytes]]:
        versions = await self._in_use(territory)
        if not versions:
            await self._pool.execute(ADD, territory, 1, self._clock.now())
            versions = await self._in_use(territory)
        return {key.version: await self._hashed(territory, key.version, terms) for key in versions}

    async def index_keys(self, territory: str) -> list[IndexKey]:
        return [IndexKey(**row) for row in await self._pool.fetch(VERSIONS, territory)]

    async def rotate_index(self, territory: str) -> IndexKey:
        keys = await self.index_keys(territory)
        if len([key for key in keys if key.retired_at is None]) > 1:
            raise TwoIndexKeys
        await self._pool.execute(ADD, territory, len(keys) + 1, self._clock.now())
        return (await self.index_keys(territory))[-1]

    async def retire_index(self, territory: str) -> IndexKey:
        in_use = await self._in_use(territory)
        if len(in_use) < 2:
            raise OneIndexKey
        version = in_use[0].version
        await self._vault.destroy(territory, place_of(version), [Compartment.CASE])
        await self._pool.execute(RETIRE, territory, version, self._clock.now())
        return (await self.index_keys(territory))[version - 1]

    async def _in_use(self, territory: str) -> list[IndexKey]:
        return [key for key in await self.index_keys(territory) if key.retired_at is None]

    async def _hashed(self, territory: str, version: int, terms: Sequence[str]) -> list[bytes]:
        keyring = await self._vault.ensure(territory, place_of(version), [Compartment.CASE])
        secret = keyring[Compartment.CASE].secret
        return [hmac.digest(secret, term.encode(), "sha256")[:HASH_BYTES] for term in terms]


def place_of(version: int) -> UUID:
    """What a version's key is filed under."""
    return uuid8_of("blind-index", str(version))
