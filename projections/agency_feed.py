"""Which of a page's streams an agency may follow: the pathways it takes part in when it reads."""

from collections.abc import Iterable
from uuid import UUID

from projections.projection import Connection

VISIBLE = """
SELECT pathway FROM pathway_participants WHERE territory = $1 AND agency = $2 AND pathway = ANY($3::uuid[])"""


async def visible(db: Connection, territory: str, agency: str, streams: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these streams that are pathways in which the agency takes part."""
    return frozenset(row["pathway"] for row in await db.fetch(VISIBLE, territory, agency, list(set(streams))))
