"""People's sessions, and the index of people, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from application.sessions import Session
from infrastructure.database import Pool

ADD = """
INSERT INTO sessions (territory, token_sha256, agency, member_id, began_at, seen_at, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
FIND = """
SELECT territory, agency, member_id, began_at, seen_at, ends_at FROM sessions
WHERE token_sha256 = $1 AND ended_at IS NULL"""
SEEN = "UPDATE sessions SET seen_at = greatest(seen_at, $2) WHERE token_sha256 = $1"
END = "UPDATE sessions SET ended_at = coalesce(ended_at, $2) WHERE token_sha256 = $1"
DROP_OVER = "DELETE FROM sessions WHERE ends_at < $1"

ADD_MEMBER = "INSERT INTO members (territory, member_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
OF_TERRITORY = "SELECT member_id FROM members WHERE territory = $1 ORDER BY member_id"


class PostgresSessions:
    """See `application.sessions.StoredSessions`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, digest: bytes, session: Session) -> None:
        await self._pool.execute(
            ADD,
            session.territory,
            digest,
            session.agency,
            session.member_id,
            session.began_at,
            session.seen_at,
            session.ends_at,
        )

    async def find(self, digest: bytes) -> Session | None:
        row = await self._pool.fetchrow(FIND, digest)
        return None if row is None else Session(**row)

    async def seen(self, digest: bytes, at: datetime) -> None:
        await self._pool.execute(SEEN, digest, at)

    async def end(self, digest: bytes, at: datetime) -> None:
        await self._pool.execute(END, digest, at)

    async def drop_over(self, before: datetime) -> None:
        await self._pool.execute(DROP_OVER, before)


class PostgresMemberIndex:
    """See `application.memberships.MemberIndex`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, territory: str, member_id: UUID) -> None:
        await self._pool.execute(ADD_MEMBER, territory, member_id)

    async def of_territory(self, territory: str) -> Sequence[UUID]:
        return [row["member_id"] for row in await self._pool.fetch(OF_TERRITORY, territory)]
