"""Lets the stock `eventsourcing` library read the log: opens what its recorders select from the view `stock_events`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from application.key_vault import Keyring
from infrastructure.event_codec import Row, RowOpener
from infrastructure.event_header import parse_header

LENGTH_BYTES = 4


class StockMapper(Mapper[UUID]):
    """Reads only: nothing but the log appends to the log. Without a person's keys their events are erased ones."""

    def __init__(self, territory: str, keyrings: Mapping[UUID, Keyring]) -> None:
        super().__init__(JSONTranscoder())
        self._opener = RowOpener(territory, keyrings)

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        length = int.from_bytes(stored_event.state[:LENGTH_BYTES], "big")
        header = parse_header(stored_event.state[LENGTH_BYTES : LENGTH_BYTES + length])
        return self._opener.open(
            Row(
                position=getattr(stored_event, "id", 0),  # A notification has it, an event of a stream has not.
                stream_id=header.stream_id,
                stream_version=header.stream_version,
                topic=header.topic,
                recorded_at=header.recorded_at,
                agency=header.agency,
                actor=header.actor,
                subject=header.subject,
                correlation_id=header.correlation_id,
                causation_id=header.causation_id,
                payload=stored_event.state[LENGTH_BYTES + length :] or None,
            )
        ).event

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Always refuses."""
        raise NotImplementedError("The view is read-only: append through the event log.")
