"""The facts of a territory, all pathways, in an order that depends on nothing but the facts."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from application.event_log import EventLog
from application.pathways import fold
from domain.facts import Fact
from domain.ledger import point_order
from domain.opening import PathwayOpened

HEADERS_AT_ONCE = 5_000
PATHWAYS_AT_ONCE = 200


async def pathways_of(log: EventLog, territory: str, until_position: int) -> list[UUID]:
    """Every pathway opened up to a position, by id."""
    pathways: list[UUID] = []
    after = 0
    while headers := await log.headers(territory, after=after, limit=HEADERS_AT_ONCE, topics=[PathwayOpened.TOPIC]):
        pathways += [header.stream_id for header in headers if header.position <= until_position]
        after = headers[-1].position
    return sorted(pathways)


async def export_facts(log: EventLog, territory: str) -> AsyncIterator[Sequence[Fact]]:
    """As the log stood when the export began: each pathway's facts, by date, then position."""
    until = await log.head(territory)
    pathways = await pathways_of(log, territory, until)
    for first in range(0, len(pathways), PATHWAYS_AT_ONCE):
        some = pathways[first : first + PATHWAYS_AT_ONCE]
        histories = await log.read_streams(territory, some, until_position=until)
        for pathway_id in some:
            pathway = fold(None, histories.get(pathway_id, []))
            if pathway is not None:
                yield sorted(pathway.facts(), key=lambda fact: (point_order(fact.start), fact.position, fact.fact_id))
