"""Access tokens in PostgreSQL."""

from datetime import datetime

from application.access import Scope
from application.service_clients import ServiceClient
from application.tokens import AccessToken
from infrastructure.database import Pool

ADD = """
INSERT INTO access_tokens (territory, token_sha256, client_id, scopes, member_id, bound_to, issued_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
FIND = """
SELECT t.client_id, t.territory, c.agency, t.scopes, c.scopes AS client_scopes, t.member_id, t.bound_to,
    t.issued_at, t.expires_at
FROM access_tokens t JOIN service_clients c USING (territory, client_id)
WHERE t.token_sha256 = $1 AND t.revoked_at IS NULL AND c.disabled_at IS NULL"""
REVOKE = """
UPDATE access_tokens SET revoked_at = coalesce(revoked_at, $4)
WHERE territory = $1 AND token_sha256 = $2 AND client_id = $3"""
DROP = ("DELETE FROM access_tokens WHERE expires_at < $1", "DELETE FROM statements_shown WHERE expires_at < $1")


class PostgresAccessTokens:
    """See `application.tokens.AccessTokens`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, digest: bytes, token: AccessToken) -> None:
        await self._pool.execute(
            ADD,
            token.territory,
            digest,
            token.client_id,
            sorted(token.scopes),
            token.member_id,
            token.bound_to,
            token.issued_at,
            token.expires_at,
        )

    async def find(self, digest: bytes) -> AccessToken | None:
        row = await self._pool.fetchrow(FIND, digest)
        if row is None:
            return None
        fields = dict(row)
        allowed = frozenset(fields.pop("client_scopes"))
        return AccessToken(**fields | {"scopes": frozenset(map(Scope, allowed & set(row["scopes"])))})

    async def revoke(self, digest: bytes, client: ServiceClient, at: datetime) -> None:
        await self._pool.execute(REVOKE, client.territory, digest, client.client_id, at)

    async def drop_expired(self, before: datetime) -> None:
        for statement in DROP:
            await self._pool.execute(statement, before)
