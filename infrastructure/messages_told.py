"""Messages in the order of the log, for who reads them as a stream."""

from application.message_types import MESSAGE_TYPES
from application.messages import Audience, Message
from infrastructure.database import Pool, Record

LATE = tuple(each.type for each in MESSAGE_TYPES if not each.of_event)
"""Told of no event, or long after the one that they name: no reader who goes by position would find them."""

BETWEEN = """
SELECT o.message_id, o.agency, o.type, o.subject_id, o.pathway, o.position, o.created_at, o.severity, o.urgent,
    o.audience, o.level, e.correlation_id
FROM outbox AS o JOIN events AS e ON e.territory = o.territory AND e.position = o.position
WHERE o.territory = $1 AND o.position > $2 AND o.position <= $3 AND o.endpoint_id IS NULL AND o.type <> ALL ($4::text[])
ORDER BY o.position, o.agency, o.message_id"""


async def messages_between(pool: Pool, territory: str, after: int, upto: int) -> list[Message]:
    """Those told of events in this part of the log, by position; complete once it is folded."""
    return [_message(territory, row) for row in await pool.fetch(BETWEEN, territory, after, upto, LATE)]


def _message(territory: str, row: Record) -> Message:
    return Message(territory=territory, **{**row, "audience": Audience(row["audience"])})
