"""How an event type is cut into groups of fields, one per compartment, and read back. Worked out once per type."""

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypedDict, Union, get_args, get_origin, get_type_hints

import msgspec

from domain.aggregate import EVENT_TYPES, Created, Event, compartments_of
from domain.compartments import Compartment, Erased

CLEAR_CODE = 0
CODES = {None: CLEAR_CODE, Compartment.CASE: 1, Compartment.IDENTITY: 2, Compartment.HEALTH: 3, Compartment.NOTES: 4}
"""Stored in each group: never renumbered."""
COMPARTMENTS = {code: compartment for compartment, code in CODES.items()}

_encode = msgspec.json.Encoder().encode
_typed_dict: Any = TypedDict  # mypy knows literal ones only.


class Group(NamedTuple):
    """The fields of one compartment."""

    code: int
    compartment: Compartment | None
    defaults: tuple[tuple[str, Any], ...]
    """Names with their default, `msgspec.NODEFAULT` where there is none."""
    decode: Callable[[bytes], dict[str, Any]]
    erased: dict[str, Any]
    """What the fields hold once the key is destroyed."""


class Shape(NamedTuple):
    event_type: type[Event]
    topic: str
    groups: dict[int, Group]
    constants: dict[str, Any]
    """Fields that are never stored."""
    points: tuple[str, ...]
    """Fields that hold either a day or an instant: stored as text and told apart by its length."""


@cache
def shape_of(event_type: type[Event]) -> Shape:
    assert EVENT_TYPES.get(event_type.TOPIC) is event_type, f"{event_type.__name__} is not @stored"
    hints = get_type_hints(event_type)
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(event_type)}
    by_code: dict[int, list[str]] = {}
    for name, compartment in compartments_of(event_type).items():
        by_code.setdefault(CODES[compartment], []).append(name)
    return Shape(
        event_type,
        event_type.TOPIC,
        {code: _group(code, names, hints, defaults) for code, names in sorted(by_code.items())},
        {"originator_topic": event_type.ORIGINATOR} if issubclass(event_type, Created) else {},
        tuple(name for names in by_code.values() for name in names if _is_point(hints[name])),
    )


def split(shape: Shape, event: Event) -> list[tuple[int, bytes]]:
    """The event's fields as JSON, one body per compartment that has something to say. Defaults are left out."""
    bodies = []
    for group in shape.groups.values():
        fields = {}
        for name, default in group.defaults:
            value = getattr(event, name)
            if value is not default and value != default:
                assert type(value) is not Erased, f"{shape.topic}: an erased field cannot be recorded again"
                fields[name] = value
        if fields:
            bodies.append((group.code, _encode(fields)))
    return bodies


def _group(code: int, names: list[str], hints: dict[str, Any], defaults: dict[str, Any]) -> Group:
    compartment = COMPARTMENTS[code]
    fields = {name: _stored_hint(hints[name]) for name in names}
    body = _typed_dict("Body", fields, total=False)
    erased = dict.fromkeys(names, Erased(compartment)) if compartment else {}
    return Group(
        code, compartment, tuple((name, defaults[name]) for name in names), msgspec.json.Decoder(body).decode, erased
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _stored_hint(hint: Any) -> Any:
    """The type to read a field as: never `Erased`, which is not stored; text for a day or an instant."""
    if _is_point(hint):
        return str | None
    if get_origin(hint) in {Union, UnionType}:
        return Union[tuple(option for option in get_args(hint) if option is not Erased)]  # noqa: UP007
    return hint


def _is_point(hint: Any) -> bool:
    return {date, datetime} <= set(get_args(hint)) and set(get_args(hint)) <= {date, datetime, NoneType, Erased}


def read_point(text: str) -> date | datetime:
    return date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)
