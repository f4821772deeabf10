"""Who may read a pathway without taking part in it: live shares, and who broke the glass. Who reviews that, by when.

A table of the timeline's own build, so that the wall around its other tables can be built upon it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from application.break_glass import ToReview
from domain.pathway import Pathway
from domain.shares import standing_shares
from projections.projection import Build, Connection, Page, Pool

VIEWERS = """
CREATE TABLE {pathway_viewers} (
    pathway    uuid NOT NULL,
    reference  uuid NOT NULL,         -- The share, or the breaking of the glass.
    until      timestamptz NOT NULL,  -- That instant excluded.
    review_due timestamptz,           -- Null: nothing to review.
    territory  text COLLATE "C" NOT NULL,
    agency     text COLLATE "C" NOT NULL,
    agent      text COLLATE "C",      -- Null: whoever acts for the agency.
    PRIMARY KEY (territory, pathway, reference)
);
CREATE INDEX ON {pathway_viewers} (territory, agency, pathway);
CREATE INDEX ON {pathway_viewers} (territory, review_due) WHERE review_due IS NOT NULL"""

DROP = "DELETE FROM {pathway_viewers} WHERE territory = $1 AND pathway = ANY($2::uuid[])"
PUT = """
INSERT INTO {pathway_viewers} (territory, pathway, reference, until, review_due, agency, agent)
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[])"""
PENDING = """
SELECT reference, pathway, agency, agent, until, review_due FROM pathway_viewers
WHERE territory = $1 AND review_due IS NOT NULL AND ($2::text IS NULL OR agency = $2)
ORDER BY review_due, reference LIMIT $3"""


class Viewer(NamedTuple):
    pathway: UUID
    reference: UUID
    until: datetime
    review_due: datetime | None
    agency: str
    agent: str | None


def viewers_of(pathway: Pathway) -> Iterator[Viewer]:
    """Whatever the time: each row says until when it counts."""
    for share in standing_shares(pathway):
        yield Viewer(pathway.id, share.share_id, share.until, None, share.to_agency, None)
    for broken in pathway.break_glass.values():
        if broken.justified is not False:
            due = broken.review_due if broken.justified is None else None
            yield Viewer(pathway.id, broken.break_glass_id, broken.until, due, broken.agency, broken.agent)


async def put_viewers(db: Connection, build: Build, page: Page) -> None:
    """Worked out again as a whole for the few pathways that ever had any."""
    had_some = [pathway for pathway in page.living.values() if pathway.shares or pathway.break_glass]
    if not had_some:
        return
    await db.execute(build.sql(DROP), page.territory, [pathway.id for pathway in had_some])
    rows = [viewer for pathway in had_some for viewer in viewers_of(pathway)]
    if rows:
        await db.execute(build.sql(PUT), page.territory, *zip(*rows, strict=True))


class PendingReviews:
    """See `application.break_glass.Reviews`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pending(self, territory: str, *, agency: str | None = None, limit: int = 100) -> Sequence[ToReview]:
        return [
            ToReview(
                break_glass_id=row["reference"],
                pathway_id=row["pathway"],
                agency=row["agency"],
                agent=row["agent"],
                until=row["until"],
                review_due=row["review_due"],
            )
            for row in await self._pool.fetch(PENDING, territory, agency, limit)
        ]
