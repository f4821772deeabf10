"""Parked events: what a projection could not fold waits here, with all that follows it in the same stream.

The order of each stream is kept, the other streams go on, and `unisson projections status` shows what waits.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from application.event_log import Header, Stored
from projections.consumers import Consumer
from projections.projection import Connection

PARK = """
INSERT INTO parked_events (territory, name, build, position, stream_id, topic, error_type)
SELECT $1, $2, $3, * FROM unnest($4::bigint[], $5::uuid[], $6::text[], $7::text[])
ON CONFLICT DO NOTHING"""
PARKED = """
SELECT position, stream_id, status FROM parked_events WHERE territory = $1 AND name = $2 AND build = $3
ORDER BY position"""


class Parked(msgspec.Struct):
    """What one consumer leaves aside."""

    streams: set[UUID]
    """Streams with an event that waits: nothing later of them is folded."""
    skipped: frozenset[int]
    """Positions left out for good."""

    def __bool__(self) -> bool:
        return bool(self.streams or self.skipped)


class Unfoldable(msgspec.Struct, frozen=True):
    """An event to park; `error_type` is None for one that only waits behind another."""

    position: int
    stream_id: UUID
    topic: str
    error_type: str | None


def unfoldable(event: Stored | Header, error: BaseException | None) -> Unfoldable:
    """Only the type of the error is kept: its text may hold data."""
    stream_id = event.stream_id if isinstance(event, Header) else event.event.originator_id
    return Unfoldable(event.position, stream_id, event.topic, None if error is None else type(error).__name__)


async def parked(db: Connection, consumer: Consumer) -> Parked:
    """What the consumer leaves aside, as the database has it."""
    rows = await db.fetch(PARKED, consumer.territory, consumer.build.name, consumer.build.number)
    return Parked(
        {row["stream_id"] for row in rows if row["status"] == "waiting"},
        frozenset(row["position"] for row in rows if row["status"] == "skipped"),
    )


async def park(db: Connection, consumer: Consumer, events: Iterable[Unfoldable]) -> None:
    rows = [(event.position, event.stream_id, event.topic, event.error_type) for event in events]
    build = consumer.build
    await db.execute(PARK, consumer.territory, build.name, build.number, *zip(*rows, strict=True))
