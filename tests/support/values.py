"""Hypothesis values for a field of an event, from its annotation."""

import types
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from domain.aggregate import HEADER_FIELDS, Created, Event
from domain.compartments import Erased
from domain.ids import uuid7

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-(2**31), 2**31),
    bool: st.booleans(),
    date: st.dates(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    UUID: st.uuids(),
    types.NoneType: st.none(),
    Any: TEXTS,
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value that the annotation allows, but `Erased`, which is never recorded."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in {Union, types.UnionType}:
        return st.one_of(*(values_of(option) for option in arguments if option is not Erased))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    assert issubclass(hint, msgspec.Struct), hint
    return st.builds(hint, **{name: values_of(field) for name, field in _fields(hint).items()})


def events_of(event_type: type[Event]) -> st.SearchStrategy[Any]:
    """First events of a new stream, with any payload."""
    payload = {name: values_of(hint) for name, hint in _fields(event_type).items() if name not in HEADER_FIELDS}
    header: dict[str, Any] = {
        "originator_id": st.builds(uuid7),
        "originator_version": st.just(1),
        "timestamp": st.just(datetime(2026, 1, 5, tzinfo=UTC)),
        "agency": st.just("ccas-montpellier"),
    }
    if issubclass(event_type, Created):
        header["originator_topic"] = st.just(event_type.ORIGINATOR)
    return st.builds(event_type, **header, **payload)


def _fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(struct)
    return {name: hints[name] for name in struct.__struct_fields__}
