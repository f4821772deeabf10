"""The permanent self-check: every pathway judged again from its own stream, and compared with what is stored.

Both are read as they stood at one instant, so that it may run beside a follower. Any difference is a fault to report.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from application.event_log import EventLog
from domain.aggregate import EVENT_TYPES, Created
from projections.builds import live_builds
from projections.consumers import Consumer
from projections.desynchronisation import Desynchronisation
from projections.obligation_rows import Judged, Row
from projections.parking import Parked, parked
from projections.pathway_folds import PATHWAY, PathwayFolds
from projections.projection import Connection, Pool, Projection, Standing

PATHWAYS_PER_PAGE = 200
PLACE = "SELECT position, decisions FROM consumers WHERE territory = $1 AND name = $2 AND build = $3"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One obligation that is not stored as it is judged, or the next deadline of a pathway (`rule` is null then)."""

    pathway: UUID
    rule: str | None = None
    version: int | None = None
    activation: str | None = None
    target: str | None = None
    stored: str | None
    """Its status; null when it is not stored. Of a deadline, its instant."""
    judged: str | None
    fields: tuple[str, ...] = ()
    """What differs, when both are there."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What one page of pathways came to."""

    pathways: int
    obligations: int
    waiting: int
    """Pathways not compared: a deadline or other rules have come and are not processed yet, or an event is parked."""
    differences: tuple[Difference, ...]
    cursor: int
    """Position of the opening of the last pathway; the next page begins after it."""


class Reconciliation:
    """Of the desynchronisation projection that is among these, under the rules and calendars that it has."""

    def __init__(self, pool: Pool, log: EventLog, projections: Iterable[Projection]) -> None:
        self._pool = pool
        self._log = log
        self._projection = next(one for one in projections if isinstance(one, Desynchronisation))

    async def pages(
        self, territory: str, now: datetime, *, limit: int = PATHWAYS_PER_PAGE
    ) -> AsyncIterator[Reconciled]:
        """All pathways of a territory, in the order of their openings."""
        cursor = 0
        while (page := await self.page(territory, now, after=cursor, limit=limit)) is not None:
            yield page
            cursor = page.cursor

    async def page(
        self, territory: str, now: datetime, *, after: int = 0, limit: int = PATHWAYS_PER_PAGE
    ) -> Reconciled | None:
        """Up to `limit` pathways opened after a position; None when there are no more, or nothing is followed yet."""
        async with self._pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            consumer = await _consumer(db, self._projection, territory)
            if consumer is None:
                return None
            openings = await self._openings(territory, after, consumer.position, limit)
            if not openings:
                return None
            aside = await parked(db, consumer)
            ids = [pathway for pathway in openings if pathway not in aside.streams]
            judged, last_change = await self._projection.stored(db, consumer.build, territory, ids)
        standings = await self._standings(territory, ids, consumer, aside)
        ready = [mine for mine in judged.values() if _is_ready(mine, last_change, now)]
        return _compared(openings, ready, standings)

    async def _openings(self, territory: str, after: int, until: int, limit: int) -> dict[UUID, int]:
        """By pathway, the position of its opening."""
        headers = await self._log.headers(territory, after=after, limit=limit, topics=_openings())
        return {header.stream_id: header.position for header in headers if header.position <= until}

    async def _standings(
        self, territory: str, ids: Sequence[UUID], consumer: Consumer, aside: Parked
    ) -> dict[UUID, Standing]:
        folds = PathwayFolds(self._log, territory, skipped=aside.skipped)
        return await folds.standings(ids, consumer.position)


def _is_ready(mine: Judged, last_change: int, now: datetime) -> bool:
    """No deadline of it is being processed, and it was judged under the rules in force."""
    is_due = mine.next_due is not None and mine.next_due <= now
    return not is_due and (mine.evaluated_at is None or mine.ruling.position >= last_change)


def _compared(openings: Mapping[UUID, int], ready: Sequence[Judged], standings: Mapping[UUID, Standing]) -> Reconciled:
    stored = sum(len(mine.rows) for mine in ready)
    differences = [one for mine in ready for one in _differences(mine, standings.get(mine.pathway))]
    return Reconciled(
        pathways=len(openings),
        obligations=stored,
        waiting=len(openings) - len(ready),
        differences=tuple(differences),
        cursor=max(openings.values()),
    )


def _openings() -> list[str]:
    """Topics of the events that open a pathway."""
    return [
        topic
        for topic, event_type in EVENT_TYPES.items()
        if issubclass(event_type, Created) and event_type.ORIGINATOR == PATHWAY
    ]


async def _consumer(db: Connection, projection: Desynchronisation, territory: str) -> Consumer | None:
    build = (await live_builds(db, [projection])).get(projection.name)
    place = None if build is None else await db.fetchrow(PLACE, territory, build.name, build.number)
    if build is None or place is None:
        return None
    return Consumer(territory, build, place["position"], place["decisions"])


def _differences(mine: Judged, standing: Standing | None) -> Iterator[Difference]:
    if mine.evaluated_at is None and standing is not None and standing.erased:
        return  # Forgotten, as it must be.
    if mine.evaluated_at is None or standing is None:
        yield Difference(pathway=mine.pathway, stored=None, judged="never judged")
        return
    stored, due = mine.rows, mine.next_due
    mine.evaluate(standing.facts, mine.evaluated_at)
    for key in sorted(stored.keys() | mine.rows.keys()):
        yield from _difference(stored.get(key), mine.rows.get(key))
    if due != mine.next_due:
        yield Difference(
            pathway=mine.pathway, stored=_written(due), judged=_written(mine.next_due), fields=("next_due",)
        )


def _difference(stored: Row | None, judged: Row | None) -> Iterator[Difference]:
    one = judged or stored
    if one is None or stored == judged:
        return
    yield Difference(
        pathway=one.pathway,
        rule=one.rule,
        version=one.version,
        activation=one.activation,
        target=one.target,
        stored=None if stored is None else stored.status,
        judged=None if judged is None else judged.status,
        fields=tuple(_fields(stored, judged)),
    )


def _fields(stored: Row | None, judged: Row | None) -> Iterator[str]:
    if stored is not None and judged is not None:
        yield from (name for name in Row._fields if getattr(stored, name) != getattr(judged, name))


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
