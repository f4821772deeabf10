"""JSON Schemas of what is stored of each event, by type and version. What agencies are told: api/message_schemas.py."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Union, get_args, get_type_hints

import msgspec

import domain
from domain.aggregate import EVENT_TYPES, Event, compartments_of
from domain.compartments import Erased

for module in iter_modules(domain.__path__, "domain."):
    import_module(module.name)  # Registers the events that it declares.

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def all_names() -> list[str]:
    """`type/version` of all there are."""
    return sorted(_name(topic) for topic in EVENT_TYPES)


@cache
def schema_of(name: str, version: int) -> dict[str, Any] | None:
    """None when there is no such type or version."""
    if f"{name}/{version}" not in all_names():
        return None
    schema = _payload_schema(EVENT_TYPES[name if version == 1 else f"{name}@{version}"])
    return {"$schema": DIALECT, "$id": f"/schemas/events/{name}/{version}"} | schema


def _name(topic: str) -> str:
    name, _, version = topic.partition("@")
    return f"{name}/{version or 1}"


def _payload_schema(event_type: type[Event]) -> dict[str, Any]:
    """The fields that the event adds to the header, each with the compartment that seals it; without one, in clear."""
    compartments, hints = compartments_of(event_type), get_type_hints(event_type)
    fields = [
        (field.name, _open(hints[field.name]), *(() if field.required else (field.default,)))
        for field in msgspec.structs.fields(event_type)
        if field.name in compartments
    ]
    payload = msgspec.defstruct(event_type.__name__, fields, kw_only=True, namespace={"__doc__": event_type.__doc__})
    schema = msgspec.json.schema(payload)
    properties = schema["$defs"][event_type.__name__]["properties"]
    for name, compartment in compartments.items():
        if compartment is not None:
            properties[name]["x-compartment"] = compartment.value
    return schema


def _open(hint: Any) -> Any:
    """The type while its key is there: a field whose key was destroyed is read as erased, and never stored so."""
    choices = get_args(hint)
    return Union[tuple(choice for choice in choices if choice is not Erased)] if Erased in choices else hint  # noqa: UP007 (from a tuple)
