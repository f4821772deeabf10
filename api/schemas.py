"""JSON Schemas of events by type and version: what is stored of a pathway's events, what is sent of alerts'."""

from functools import cache
from typing import Any, Union, get_args, get_type_hints

import msgspec

import domain.alert
import domain.catalogue  # noqa: F401 (registers the events of pathways)
from domain.access_log import ACCESS_TOPICS, BudgetSpent
from domain.aggregate import EVENT_TYPES, Event, compartments_of
from domain.alert import TOLD_TOPICS
from domain.alert_topics import ALERT_TOPICS
from domain.compartments import Compartment, Erased
from domain.membership import MEMBER_TOPICS
from domain.person_erasure import PersonErased

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGE_TOPICS = (*sorted(TOLD_TOPICS), PersonErased.TOPIC, BudgetSpent.TOPIC, "webhook.test")


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """Data of a webhook message: ids, to be followed with the API by whoever has the right."""

    position: int
    alert_id: str | None = None
    pathway_id: str | None = None
    """Only for an agency that takes part in the pathway."""


def all_names() -> list[str]:
    """`type/version` of all there are."""
    apart = ALERT_TOPICS | MEMBER_TOPICS | ACCESS_TOPICS
    stored = [topic for topic, type_ in EVENT_TYPES.items() if type_.OF_PERSON and topic not in apart]
    return sorted([_name(topic) for topic in stored] + [f"{topic}/1" for topic in MESSAGE_TOPICS])


@cache
def schema_of(name: str, version: int) -> dict[str, Any] | None:
    """None when there is no such type or version."""
    if f"{name}/{version}" not in all_names():
        return None
    if name in MESSAGE_TOPICS:
        schema = msgspec.json.schema(Telling)
    else:
        schema = _payload_schema(EVENT_TYPES[name if version == 1 else f"{name}@{version}"])
    return {"$schema": DIALECT, "$id": f"/schemas/events/{name}/{version}"} | schema


def _name(topic: str) -> str:
    name, _, version = topic.partition("@")
    return f"{name}/{version or 1}"


def _payload_schema(event_type: type[Event]) -> dict[str, Any]:
    """The fields that the event adds to the header, each with the compartment that seals it."""
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
        properties[name]["x-compartment"] = (compartment or Compartment.CASE).value
    return schema


def _open(hint: Any) -> Any:
    """The type while its key is there: a field whose key was destroyed is read as erased, and never stored so."""
    choices = get_args(hint)
    return Union[tuple(choice for choice in choices if choice is not Erased)] if Erased in choices else hint  # noqa: UP007 (from a tuple)
