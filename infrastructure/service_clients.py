"""Partners' software in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from application.access import Scope
from application.service_clients import ServiceClient
from infrastructure.database import Pool, Record

COLUMNS = "client_id, territory, agency, label, scopes, keys, created_at, disabled_at"
ADD = f"INSERT INTO service_clients ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
FIND = f"SELECT {COLUMNS} FROM service_clients WHERE client_id = $1"
OF_TERRITORY = f"SELECT {COLUMNS} FROM service_clients WHERE territory = $1 ORDER BY created_at DESC, client_id"
CHANGE_KEYS = "UPDATE service_clients SET keys = $3 WHERE territory = $1 AND client_id = $2"
DISABLE = "UPDATE service_clients SET disabled_at = coalesce(disabled_at, $3) WHERE territory = $1 AND client_id = $2"
SHOW = """
INSERT INTO statements_shown (territory, shown_by, statement, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING"""


class PostgresServiceClients:
    """See `application.service_clients.ServiceClients`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, client: ServiceClient) -> None:
        values = {name: getattr(client, name) for name in client.__struct_fields__}
        values["scopes"] = sorted(client.scopes)
        await self._pool.execute(ADD, *(values[column] for column in COLUMNS.split(", ")))

    async def find(self, client_id: str) -> ServiceClient | None:
        row = await self._pool.fetchrow(FIND, client_id)
        return None if row is None else _client(row)

    async def of_territory(self, territory: str) -> Sequence[ServiceClient]:
        return [_client(row) for row in await self._pool.fetch(OF_TERRITORY, territory)]

    async def change_keys(self, territory: str, client_id: str, keys: str) -> bool:
        return await self._pool.execute(CHANGE_KEYS, territory, client_id, keys) == "UPDATE 1"

    async def disable(self, territory: str, client_id: str, at: datetime) -> bool:
        return await self._pool.execute(DISABLE, territory, client_id, at) == "UPDATE 1"

    async def show(self, territory: str, client_id: str, statement: str, expires_at: datetime) -> bool:
        digest = sha256(statement.encode()).digest()
        return await self._pool.execute(SHOW, territory, client_id, digest, expires_at) == "INSERT 0 1"


def _client(row: Record) -> ServiceClient:
    return ServiceClient(**{**row, "scopes": frozenset(map(Scope, row["scopes"]))})
