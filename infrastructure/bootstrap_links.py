"""Bootstrap links in PostgreSQL."""

from datetime import datetime

from infrastructure.database import Pool

ADD = "INSERT INTO bootstrap_links (made_at, expires_at, code_sha256) VALUES ($2, $3, $1)"
FORGET = "DELETE FROM bootstrap_links WHERE used_at IS NULL AND expires_at <= $1"
IS_GOOD = "SELECT 1 FROM bootstrap_links WHERE code_sha256 = $1 AND used_at IS NULL AND expires_at > $2"
USE = "UPDATE bootstrap_links SET used_at = $2 WHERE code_sha256 = $1 AND used_at IS NULL AND expires_at > $2"
USED = "DELETE FROM bootstrap_links WHERE used_at IS NULL"
ANY_USED = "SELECT EXISTS (SELECT 1 FROM bootstrap_links WHERE used_at IS NOT NULL)"


class PostgresBootstrapLinks:
    """See `application.bootstrap.BootstrapLinks`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, digest: bytes, made_at: datetime, expires_at: datetime) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(FORGET, made_at)
            await connection.execute(ADD, digest, made_at, expires_at)

    async def is_good(self, digest: bytes, now: datetime) -> bool:
        return await self._pool.fetchrow(IS_GOOD, digest, now) is not None

    async def use(self, digest: bytes, now: datetime) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            is_used = await connection.execute(USE, digest, now) == "UPDATE 1"
            if is_used:
                await connection.execute(USED)
            return is_used

    async def any_used(self) -> bool:
        return bool(await self._pool.fetchval(ANY_USED))
