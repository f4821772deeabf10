"""Base of every event: a frozen struct with its own `apply`, an explicit TOPIC, a compartment per field of a person."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, TypeVar, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.domain import CanInitAggregate, CanMutateAggregate
from eventsourcing.utils import register_topic

from domain.compartments import Compartment


class Event(msgspec.Struct, CanMutateAggregate[UUID], frozen=True, kw_only=True):
    """Something that happened to one stream.

    The fields declared here are the clear header, stored as columns; those of subclasses are the payload.
    `timestamp` is when we learnt it (`recorded_at` in the log); a payload says when it became true.
    """

    originator_id: UUID
    originator_version: int
    timestamp: datetime
    agency: str
    actor: str | None = None
    position: int = 0  # Given by the log; 0 until stored.

    TOPIC: ClassVar[str] = ""
    """`noun.past-verb`, then `@n` from the second schema version on. Never changes once stored."""
    OF_PERSON: ClassVar[bool] = True
    """False for events about no person (agencies, rules): only those may have fields without a compartment."""

    def _as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Created(Event, CanInitAggregate[UUID], frozen=True, kw_only=True):
    """The first event of a stream."""

    originator_topic: str

    ORIGINATOR: ClassVar[str] = ""
    """`module:Class` of the aggregate it creates; never stored."""


HEADER_FIELDS = frozenset(Created.__struct_fields__)
EVENT_TYPES: dict[str, type[Event]] = {}
"""Every event type that may be stored, by topic."""


@cache
def compartments_of(event_type: type[Event]) -> Mapping[str, Compartment | None]:
    """The compartment of each payload field; None for a field of no person, stored in clear."""
    hints = get_type_hints(event_type, include_extras=True)
    return {name: _compartment(hints[name]) for name in event_type.__struct_fields__ if name not in HEADER_FIELDS}


def _compartment(hint: Any) -> Compartment | None:
    return next((extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Compartment)), None)


E = TypeVar("E", bound=Event)


def stored(event_type: type[E]) -> type[E]:
    """Register an event type under its TOPIC (decorator). A second type with the same topic is a bug."""
    assert event_type.TOPIC, f"{event_type.__name__} has no TOPIC"
    assert EVENT_TYPES.setdefault(event_type.TOPIC, event_type) is event_type, f"{event_type.TOPIC} is taken"
    register_topic(event_type.TOPIC, event_type)
    return event_type
