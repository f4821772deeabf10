"""What is left of an event once the key of its coded facts is destroyed: that it happened, when, by which agency."""

from typing import Any, ClassVar
from uuid import UUID

from domain.aggregate import Created, Event


class ErasedEvent(Event, frozen=True, kw_only=True):
    """Stands where an event was that can no longer be opened. Never stored."""

    TOPIC: ClassVar[str] = ""

    topic: str
    """Topic of the event that was recorded."""

    def apply(self, aggregate: Any) -> None:
        if hasattr(aggregate, "erased"):
            aggregate.erased = True


class ErasedCreation(Created, frozen=True, kw_only=True):
    """Stands where a stream's first event was: it still makes the aggregate, empty, so that replay goes on."""

    topic: str
    territory: str
    subject: UUID | None

    def apply(self, aggregate: Any) -> None:
        for name in ("territory", "subject"):
            if name in type(aggregate).__annotations__:
                setattr(aggregate, name, getattr(self, name))
        if hasattr(aggregate, "erased"):
            aggregate.erased = True
