"""API keys in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from application.access import Scope
from application.api_keys import ApiKey
from infrastructure.database import Pool, Record

COLUMNS = (
    "key_id, territory, agency, label, scopes, secret_sha256, created_at, expires_at, revoked_at, last_used_at, live, "
    "addresses"
)
ADD = f"INSERT INTO api_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
FIND = f"SELECT {COLUMNS} FROM api_keys WHERE key_id = $1"
OF_TERRITORY = f"SELECT {COLUMNS} FROM api_keys WHERE territory = $1 ORDER BY created_at DESC, key_id"
REVOKE = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3) WHERE territory = $1 AND key_id = $2"
USED = """
UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at)
FROM unnest($1::text[], $2::timestamptz[]) AS used (key_id, at) WHERE api_keys.key_id = used.key_id
"""


class PostgresApiKeys:
    """See `application.api_keys.ApiKeys`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, key: ApiKey) -> None:
        values = {name: getattr(key, name) for name in key.__struct_fields__}
        values["scopes"] = sorted(key.scopes)
        await self._pool.execute(ADD, *(values[column] for column in COLUMNS.split(", ")))

    async def find(self, key_id: str) -> ApiKey | None:
        row = await self._pool.fetchrow(FIND, key_id)
        return None if row is None else _key(row)

    async def of_territory(self, territory: str) -> Sequence[ApiKey]:
        return [_key(row) for row in await self._pool.fetch(OF_TERRITORY, territory)]

    async def revoke(self, territory: str, key_id: str, at: datetime) -> bool:
        return await self._pool.execute(REVOKE, territory, key_id, at) == "UPDATE 1"

    async def used(self, at_by_key_id: Mapping[str, datetime]) -> None:
        await self._pool.execute(USED, list(at_by_key_id), list(at_by_key_id.values()))


def _key(row: Record) -> ApiKey:
    return ApiKey(**{**row, "scopes": frozenset(map(Scope, row["scopes"])), "addresses": tuple(row["addresses"])})
