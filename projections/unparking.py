"""What an operator does with parked events: fold them again once their cause is mended, or leave one out for good."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from application.event_log import EventLog, Stored, UnreadableEvent
from projections.builds import live_builds
from projections.consumers import Consumer
from projections.folding import Folding
from projections.parking import parked
from projections.projection import Build, Connection, Pool, Projection

LIST = """
SELECT p.territory, p.name AS projection, p.position, p.stream_id, p.topic, p.error_type, p.status, p.parked_at,
    p.decided_at, p.decided_by
FROM parked_events p JOIN projection_builds b USING (name, build) WHERE b.status = 'live'
ORDER BY p.territory, p.name, p.position"""
# Holds the follower back; and makes it ask again what is parked.
DECIDE = """
UPDATE consumers SET decisions = decisions + 1 WHERE territory = $1 AND name = $2 AND build = $3
RETURNING position, decisions"""
TAKE = """
DELETE FROM parked_events
WHERE territory = $1 AND name = $2 AND build = $3 AND status = 'waiting' AND stream_id = ANY($4::uuid[])"""
WAITING = """
SELECT stream_id, min(position) AS position FROM parked_events
WHERE territory = $1 AND name = $2 AND build = $3 AND status = 'waiting' AND ($4::uuid IS NULL OR stream_id = $4)
GROUP BY stream_id"""
SKIP = """
UPDATE parked_events SET status = 'skipped', decided_at = clock_timestamp(), decided_by = $5
WHERE territory = $1 AND name = $2 AND build = $3 AND position = $4 AND status = 'waiting' AND error_type IS NOT NULL
RETURNING stream_id"""


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a projection leaves aside. `error_type` is None for one that waits behind another."""

    territory: str
    projection: str
    position: int
    stream_id: UUID
    topic: str
    error_type: str | None
    status: str
    parked_at: datetime
    decided_at: datetime | None
    decided_by: str | None


class NotParked(Exception):
    """No such event is parked because of an error."""


async def parked_events(pool: Pool) -> list[ParkedEvent]:
    """What the projections in use leave aside."""
    return [ParkedEvent(**dict(row)) for row in await pool.fetch(LIST)]


async def retry(
    pool: Pool,
    log: EventLog,
    projections: Sequence[Projection],
    *,
    territory: str,
    projection: str,
    stream_id: UUID | None = None,
) -> int:
    """Fold parked events again, of one stream or of all; returns how many were. What still fails is parked again."""
    async with pool.acquire() as db, db.transaction():
        build = await _live(db, projections, projection)
        return await _retry(db, log, projections, build, territory, stream_id)


async def skip(
    pool: Pool,
    log: EventLog,
    projections: Sequence[Projection],
    *,
    territory: str,
    projection: str,
    position: int,
    decided_by: str,
) -> int:
    """Leave one event out of a projection for good, and fold what waited behind it. Raises NotParked."""
    async with pool.acquire() as db, db.transaction():
        build = await _live(db, projections, projection)
        stream_id = await db.fetchval(SKIP, territory, build.name, build.number, position, decided_by)
        if stream_id is None:
            raise NotParked
        return await _retry(db, log, projections, build, territory, stream_id)


async def _live(db: Connection, projections: Sequence[Projection], name: str) -> Build:
    build = (await live_builds(db, projections)).get(name)
    if build is None:
        raise NotParked
    return build


async def _retry(
    db: Connection,
    log: EventLog,
    projections: Sequence[Projection],
    build: Build,
    territory: str,
    stream_id: UUID | None,
) -> int:
    row = await db.fetchrow(DECIDE, territory, build.name, build.number)
    if row is None:
        raise NotParked
    consumer = Consumer(territory, build, row["position"], row["decisions"])
    rows = await db.fetch(WAITING, territory, build.name, build.number, stream_id)
    waiting = {each["stream_id"]: each["position"] for each in rows}
    histories = await _readable(log, territory, list(waiting), consumer.position)
    await db.execute(TAKE, territory, build.name, build.number, list(histories))
    events = [stored for id_, history in histories.items() for stored in history if stored.position >= waiting[id_]]
    aside = await parked(db, consumer)
    [mine] = [one for one in projections if one.name == build.name]
    await Folding(log, mine, consumer, aside, replay=False).fold(db, sorted(events, key=lambda each: each.position))
    left = await parked(db, consumer)
    return sum(stored.event.originator_id not in left.streams for stored in events)


async def _readable(log: EventLog, territory: str, streams: Sequence[UUID], position: int) -> dict[UUID, list[Stored]]:
    """Those of these streams that can be read; the others stay parked."""
    histories: dict[UUID, list[Stored]] = {}
    for stream_id in streams:
        try:
            histories[stream_id] = await log.read_stream(territory, stream_id, until_position=position)
        except UnreadableEvent:
            continue
    return histories
