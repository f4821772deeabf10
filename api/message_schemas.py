"""JSON Schemas of what agencies are told, by type and version: what a message's `dataschema` leads to."""

from functools import lru_cache
from typing import Any

import msgspec

from application.message_types import MESSAGE_TYPES, MessageType

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def all_keys() -> list[str]:
    """`name/version` of all there are."""
    return sorted(each.key for each in MESSAGE_TYPES)


def schema_of(name: str, version: int) -> dict[str, Any] | None:
    """None when there is no such type or version."""
    kind = next((each for each in MESSAGE_TYPES if (each.name, each.version) == (name, version)), None)
    return None if kind is None else schema(kind)


@lru_cache
def schema(kind: MessageType) -> dict[str, Any]:
    """Of the data of a message. With `x-sunset`, the first day on which this version is told no more."""
    body: dict[str, Any] = msgspec.json.schema(kind.data)["$defs"][kind.data.__name__]
    sunset = {} if kind.sunset is None else {"deprecated": True, "x-sunset": kind.sunset.isoformat()}
    return {"$schema": DIALECT, "$id": f"/schemas/messages/{kind.key}"} | body | {"title": kind.type} | sunset
