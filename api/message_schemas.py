"""JSON Schemas of what agencies are told, by type and version: what a message's `dataschema` leads to."""

from datetime import UTC, datetime, time
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import msgspec

from application.message_types import MESSAGE_TYPES, MessageType

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def all_keys() -> list[str]:
    """`name/version` of all there are."""
    return sorted(each.key for each in MESSAGE_TYPES)


@lru_cache
def schema(kind: MessageType) -> dict[str, Any]:
    """Of the data of a message. With `x-sunset`, the first day on which this version is told no more."""
    body: dict[str, Any] = msgspec.json.schema(kind.data)["$defs"][kind.data.__name__]
    sunset = {} if kind.sunset is None else {"deprecated": True, "x-sunset": kind.sunset.isoformat()}
    return {"$schema": DIALECT, "$id": f"/schemas/messages/{kind.key}"} | body | {"title": kind.type} | sunset


def sunset_header(kind: MessageType) -> dict[str, str]:
    """`Sunset` (RFC 8594) while the version is told beside another; nothing else."""
    if kind.sunset is None:
        return {}
    return {"Sunset": format_datetime(datetime.combine(kind.sunset, time(), UTC), usegmt=True)}


def kind_of(name: str, version: int) -> MessageType | None:
    """None when there is no such type or version."""
    return next((each for each in MESSAGE_TYPES if (each.name, each.version) == (name, version)), None)
