"""When somebody last had to do with each person, and since when each is archived: what the retention clock goes by."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from domain.retention import clock_of
from projections.projection import Build, Connection, Page, Pool

PAGE_SIZE = 500
CLOCKS = """
CREATE TABLE {retention_clocks} (
    pathway      uuid NOT NULL,
    last_contact date NOT NULL,
    archived_on  date,
    territory    text COLLATE "C" NOT NULL,
    PRIMARY KEY (territory, pathway)
);
CREATE INDEX ON {retention_clocks} (territory, last_contact) WHERE archived_on IS NULL;
CREATE INDEX ON {retention_clocks} (territory, archived_on) WHERE archived_on IS NOT NULL"""

PUT = """
INSERT INTO {retention_clocks} AS c (territory, pathway, last_contact, archived_on)
SELECT $1, * FROM unnest($2::uuid[], $3::date[], $4::date[])
ON CONFLICT (territory, pathway) DO UPDATE SET last_contact = excluded.last_contact, archived_on = excluded.archived_on
WHERE (c.last_contact, c.archived_on) IS DISTINCT FROM (excluded.last_contact, excluded.archived_on)"""
FORGET = "DELETE FROM {retention_clocks} WHERE territory = $1 AND pathway = ANY($2::uuid[])"
DUE = """
SELECT pathway FROM retention_clocks
WHERE territory = $1 AND pathway > $4
    AND (archived_on IS NULL AND last_contact <= $2 OR archived_on <= $3)
ORDER BY pathway LIMIT $5"""


class RetentionClocksView:
    name = "retention_clocks"
    version = 1
    tables: Mapping[str, str] = {"retention_clocks": CLOCKS}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        rows = [(pathway.id, clock_of(pathway)) for pathway in page.living.values() if not pathway.erased]
        if rows:
            columns = zip(*((pathway, clock.last_contact, clock.archived_on) for pathway, clock in rows), strict=True)
            await db.execute(build.sql(PUT), page.territory, *columns)
        if page.erased:
            await db.execute(build.sql(FORGET), page.territory, list(page.erased))


class FoldedClocks:
    """See `application.retention.RetentionClocks`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def due(self, territory: str, unused_since: date, archived_since: date, after: UUID) -> list[UUID]:
        rows = await self._pool.fetch(DUE, territory, unused_since, archived_since, after, PAGE_SIZE)
        return [row["pathway"] for row in rows]
