"""The clear part of an event, as the feed, the export and the stream show it."""

from datetime import datetime
from uuid import UUID

import msgspec

from application.event_log import Header


class EventHeader(msgspec.Struct, kw_only=True):
    """The clear part of an event. What it says is read from the pathway."""

    position: int
    type: str
    dataschema: str
    pathway_id: UUID
    version: int
    """Of the pathway, after it."""
    recorded_at: datetime
    agency: str
    actor: str | None
    correlation_id: UUID | None
    causation_id: UUID | None


def view_of(header: Header) -> EventHeader:
    topic, _, version = header.topic.partition("@")
    return EventHeader(
        position=header.position,
        type=topic,
        dataschema=f"/schemas/events/{topic}/{version or 1}",
        pathway_id=header.stream_id,
        version=header.stream_version,
        recorded_at=header.recorded_at,
        agency=header.agency,
        actor=header.actor,
        correlation_id=header.correlation_id,
        causation_id=header.causation_id,
    )
