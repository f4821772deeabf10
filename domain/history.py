"""Event versions that are no longer written, and how each becomes the next one.

A change that adds a field with a default needs nothing here. Any other change makes a new struct with the next `@n`
topic; the old struct moves here unchanged, still `@stored`, with an upcaster:

    @upcasts(ReferralRequested1)
    def _(old: ReferralRequested1) -> ReferralRequested:
        return successor(old, ReferralRequested, theme=THEMES[old.subject], …)

Upcasters are chained, so each one only knows its next version. They must accept `Erased` in fields of persons.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from domain.aggregate import HEADER_FIELDS, Created, Event

Old = TypeVar("Old", bound=Event)
New = TypeVar("New", bound=Event)

UPCASTERS: dict[type[Event], Callable[[Any], Event]] = {}


def upcasts(old_type: type[Old]) -> Callable[[Callable[[Old], Event]], Callable[[Old], Event]]:
    """Register how events of a superseded type are read (decorator). Two for the same type is a bug."""

    def register(upcaster: Callable[[Old], Event]) -> Callable[[Old], Event]:
        assert UPCASTERS.setdefault(old_type, upcaster) is upcaster, f"{old_type.__name__} has two upcasters"
        return upcaster

    return register


def upcast(event: Event) -> Event:
    """The event as today's code knows it; itself when its type is current."""
    while (upcaster := UPCASTERS.get(type(event))) is not None:
        event = upcaster(event)
    return event


def successor(old: Event, new_type: type[New], **payload: Any) -> New:
    """An event of the new type with the old one's header: an upcaster changes what was said, not who, when or where."""
    header = {name: getattr(old, name) for name in HEADER_FIELDS if hasattr(old, name)}
    header.pop("originator_topic", None)
    if issubclass(new_type, Created):
        header["originator_topic"] = new_type.ORIGINATOR
    return new_type(**header, **payload)
