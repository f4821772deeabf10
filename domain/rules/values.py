"""Values that rules read from facts and compare: attributes, a fact's own fields, references to another fact.

JSON's kinds stay apart: true is not 1 and "1" is not 1. What cannot be compared is neither less nor more.
"""

from collections.abc import Callable, Hashable, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from domain.facts import Fact
from domain.rules.calendars import Calendar
from domain.rules.instants import instant_of

OWN_FIELDS: Mapping[str, Callable[[Fact], Any]] = {
    "id": attrgetter("fact_id"),
    "type": attrgetter("type"),
    "agency": attrgetter("agency"),
    "actor": attrgetter("actor"),
    "territory": attrgetter("territory"),
    "start": attrgetter("start"),
    "end": attrgetter("end"),
    "precision": attrgetter("precision"),
    "state": attrgetter("state"),
}
"""Names that mean the fact itself; any other name is an attribute, null when the fact has none of that name."""


class Of(StrEnum):
    """What a reference speaks of."""

    WHEN = "when"
    WHILE = "while"
    PATHWAY = "pathway"


class Reference(msgspec.Struct, frozen=True):
    """`$when.theme`: a value known only when the rule is judged."""

    of: Of
    field: str

    def __str__(self) -> str:
        return f"${self.of}.{self.field}"


class Scope:
    """What references are read from while one activation is judged."""

    __slots__ = ("calendar", "pathway", "span", "when")

    def __init__(
        self, calendar: Calendar, pathway: Mapping[str, Any], when: Fact | None = None, span: Fact | None = None
    ) -> None:
        self.calendar = calendar
        self.pathway = pathway
        self.when = when
        self.span = span

    def read(self, reference: Reference) -> Any:
        match reference.of:
            case Of.WHEN:
                return None if self.when is None else field_of(self.when, reference.field)
            case Of.WHILE:
                return None if self.span is None else field_of(self.span, reference.field)
            case Of.PATHWAY:
                return self.pathway.get(reference.field)


def field_of(fact: Fact, name: str) -> Any:
    own = OWN_FIELDS.get(name)
    return fact.attrs.get(name) if own is None else own(fact)


@lru_cache(maxsize=4_096)
def reader_of(name: str) -> Callable[[Fact], Any]:
    """A function that reads one field, made once per name."""
    own = OWN_FIELDS.get(name)
    if own is not None:
        return own

    def attribute(fact: Fact) -> Any:
        return fact.attrs.get(name)

    return attribute


def key_of(value: Any) -> Hashable:
    """A value by which equal values, and only they, are filed together. None for an absent one: it equals nothing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return ("flag", value)
    if isinstance(value, int | float | date):
        return value
    return ("json", msgspec.json.encode(value, order="deterministic", enc_hook=str))


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values; null equals null."""
    return key_of(left) == key_of(right)


def compare(left: Any, right: Any, calendar: Calendar) -> int | None:
    """Negative, zero or positive; None for values that have no order between them."""
    if isinstance(left, date) or isinstance(right, date):
        return _compare_times(left, right, calendar)
    both_text = isinstance(left, str) and isinstance(right, str)
    if both_text or (_is_number(left) and _is_number(right)):
        return int(left > right) - int(left < right)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare_times(left: Any, right: Any, calendar: Calendar) -> int | None:
    """By local day as soon as one side is a day: all moments of one day are equal to it."""
    first, second = _time(left, calendar), _time(right, calendar)
    if first is None or second is None:
        return None
    if isinstance(first, datetime) and isinstance(second, datetime):
        a, b = instant_of(first), instant_of(second)
    else:
        a, b = _day(first, calendar), _day(second, calendar)
    return int(a > b) - int(a < b)


def _time(value: Any, calendar: Calendar) -> date | None:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) <= len("2026-01-01") else datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=calendar.tz)
    return value if isinstance(value, date) else None


def _day(value: date, calendar: Calendar) -> int:
    return calendar.day_of(instant_of(value)) if isinstance(value, datetime) else value.toordinal()
