"""Calendar feeds in PostgreSQL."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from application.calendar_feeds import FEEDS_MAX, FEEDS_OF_AGENCY_MAX, CalendarFeed, Language, TooManyFeeds
from infrastructure.database import Database, Pool, Record

COLUMNS = "feed_id, territory, agency, agent, made_by, language, made_at, last_read_on"
# One at a time for each agency: two at once would each find room for one more.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
HELD = """
SELECT count(*) FILTER (WHERE agent IS NOT DISTINCT FROM $3), count(*) FROM calendar_feeds
WHERE territory = $1 AND agency = $2 AND revoked_at IS NULL"""
ADD = """
INSERT INTO calendar_feeds (token_sha256, feed_id, territory, agency, agent, made_by, language, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
FIND = f"SELECT {COLUMNS} FROM calendar_feeds WHERE token_sha256 = $1 AND revoked_at IS NULL"
OF_AGENCY = f"""
SELECT {COLUMNS} FROM calendar_feeds WHERE territory = $1 AND agency = $2 AND revoked_at IS NULL ORDER BY feed_id"""
REVOKE = """
UPDATE calendar_feeds SET revoked_at = $4
WHERE territory = $1 AND agency = $2 AND feed_id = $3 AND revoked_at IS NULL"""
WAS_READ = "UPDATE calendar_feeds SET last_read_on = $3 WHERE territory = $1 AND feed_id = $2"


class PostgresCalendarFeeds:
    """See `application.calendar_feeds.StoredFeeds`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, digest: bytes, feed: CalendarFeed) -> None:
        place = (feed.territory, feed.agency)
        async with self._pool.acquire() as db, db.transaction():
            await db.execute(LOCK, f"calendars {feed.territory} {feed.agency}")
            of_agent, of_all = await _held(db, feed)
            if of_agent >= FEEDS_MAX or of_all >= FEEDS_OF_AGENCY_MAX:
                raise TooManyFeeds
            language = feed.language.value
            await db.execute(ADD, digest, feed.feed_id, *place, feed.agent, feed.made_by, language, feed.made_at)

    async def find(self, digest: bytes) -> CalendarFeed | None:
        row = await self._pool.fetchrow(FIND, digest)
        return None if row is None else _feed(row)

    async def of_agency(self, territory: str, agency: str) -> Sequence[CalendarFeed]:
        return [_feed(row) for row in await self._pool.fetch(OF_AGENCY, territory, agency)]

    async def revoke(self, territory: str, agency: str, feed_id: UUID, at: datetime) -> bool:
        return await self._pool.execute(REVOKE, territory, agency, feed_id, at) == "UPDATE 1"

    async def was_read(self, feed: CalendarFeed, on: date) -> None:
        await self._pool.execute(WAS_READ, feed.territory, feed.feed_id, on)


async def _held(db: Database, feed: CalendarFeed) -> tuple[int, int]:
    """Of the same agent, and of the whole agency."""
    row = await db.fetchrow(HELD, feed.territory, feed.agency, feed.agent)
    assert row is not None
    return row[0], row[1]


def _feed(row: Record) -> CalendarFeed:
    return CalendarFeed(**{**row, "language": Language(row["language"])})
