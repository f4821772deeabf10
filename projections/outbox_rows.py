"""Putting messages in the outbox, in the transaction of what made them. Whoever sends is woken when it commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from application.messages import OUTBOX_CHANNEL, Audience
from domain.ids import uuid8_of
from projections.projection import Connection

ADD = f"""
WITH told AS (
    INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position, created_at, severity,
        urgent, audience, level)
    SELECT $1, *
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::bigint[], $8::timestamptz[],
        $9::text[], $10::boolean[], $11::text[], $12::text[])
    ON CONFLICT (territory, message_id) DO NOTHING RETURNING true
)
SELECT pg_notify('{OUTBOX_CHANNEL}', '') FROM told LIMIT 1"""


class OutboxRow(NamedTuple):
    """See `application.messages.Message`."""

    message_id: UUID
    agency: str
    type: str
    subject_id: UUID
    pathway: UUID | None
    position: int
    created_at: datetime
    severity: str | None = None
    urgent: bool = False
    audience: Audience = Audience.TEAM
    level: str | None = None


async def put(db: Connection, territory: str, rows: Sequence[OutboxRow]) -> None:
    """Messages that are there already stay as they are."""
    if rows:
        await db.execute(ADD, territory, *zip(*rows, strict=True))


def message_id_of(territory: str, position: int, agency: str, version: int = 1) -> UUID:
    """The same message always has the same id, so that telling twice is telling once. A UUIDv8 from a SHA-256.

    Each version of a type told at the same time is a message of its own.
    """
    later = () if version == 1 else (f"v{version}",)
    return uuid8_of("message", territory, str(position), agency, *later)
