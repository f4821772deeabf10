"""Searches for persons (the port `application.matching.Searches`): what counts of the last hour, and nothing older."""

from datetime import datetime

from application.blind_index import Found
from application.identity_terms import Kind
from application.matching import HOUR, Search, TooManySearches
from infrastructure.database import Pool

# One search of an agency at a time: counted before the next is added.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('person searches ' || $1 || ' ' || $2, 0))"
DROP = "DELETE FROM person_searches WHERE territory = $1 AND agency = $2 AND made_at <= $3"
DROP_ALL = "DELETE FROM person_searches WHERE made_at <= $1"
COUNT = """
SELECT count(*) FILTER (WHERE who = $3) AS mine, count(*) AS ours, min(made_at) FILTER (WHERE who = $3) AS my_first,
    min(made_at) AS our_first
FROM person_searches WHERE territory = $1 AND agency = $2"""
ADD = """
INSERT INTO person_searches (territory, token_sha256, search_id, agency, who, made_at, expires_at, found, found_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""
GET = """
SELECT search_id, made_at, expires_at, found, found_by FROM person_searches
WHERE territory = $1 AND token_sha256 = $2 AND agency = $3 AND who = $4 AND expires_at > $5"""


class PostgresSearches:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, digest: bytes, search: Search, *, per_user: int, per_agency: int) -> int:
        place = (search.territory, search.agency)
        async with self._pool.acquire() as db, db.transaction():
            await db.execute(LOCK, *place)
            await db.execute(DROP, *place, search.made_at - HOUR)
            counted = await db.fetchrow(COUNT, *place, search.who)
            assert counted is not None
            mine, ours, my_first, our_first = counted
            if mine >= per_user or ours >= per_agency:
                since = my_first if mine >= per_user else our_first
                raise TooManySearches(retry_after_s=max(1, round((since + HOUR - search.made_at).total_seconds())))
            await db.execute(
                ADD,
                search.territory,
                digest,
                search.search_id,
                search.agency,
                search.who,
                search.made_at,
                search.expires_at,
                [found.pathway for found in search.found],
                [found.kind.value for found in search.found],
            )
        left: int = min(per_user - mine, per_agency - ours) - 1
        return left

    async def drop_made_before(self, at: datetime) -> None:
        await self._pool.execute(DROP_ALL, at)

    async def get(self, digest: bytes, territory: str, agency: str, who: str, now: datetime) -> Search | None:
        row = await self._pool.fetchrow(GET, territory, digest, agency, who, now)
        if row is None:
            return None
        search_id, made_at, expires_at, found, found_by = row
        return Search(
            search_id=search_id,
            territory=territory,
            agency=agency,
            who=who,
            made_at=made_at,
            expires_at=expires_at,
            found=[Found(pathway, Kind(kind)) for pathway, kind in zip(found, found_by, strict=True)],
        )
