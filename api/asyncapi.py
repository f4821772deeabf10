"""The AsyncAPI 3.0 document: what agencies are told and by which channel, made from the list of message types."""

from importlib.metadata import version
from typing import Any

import msgspec

from api.event_header import EventHeader
from api.message_schemas import schema
from application.message_types import MESSAGE_TYPES, MessageType, MessageTypes

Json = dict[str, Any]

DESCRIPTION = """\
Messages tell an agency that something happened, and nothing of what it is about: ids, to be followed with the HTTP API
(`/v1/openapi.json`) by whoever has the right. Whatever the channel, a type carries the same data, and a message keeps
its id: one that comes twice counts once. The right to be told is asked again just before each is sent.

A type never changes its meaning. Fields may be added, so ignore those that you do not know; anything else is a new
version of the type, told beside the one before until that one's sunset (`x-sunset`, the first day without it).
"""
WEBHOOKS = """\
Signed requests (Standard Webhooks) to an address that the agency registers at `/v1/webhook-endpoints`. At least once,
and in order for each pathway and each alert.
"""
STREAM = """\
Server-sent events, as they come: what the agency is told, and the headers of its pathways' events. `event` is the type,
`data` the payload described here, `id` the place to go on from (`Last-Event-ID`). An `event` named `position` only says
where to go on from.
"""
FEED = """\
The headers of the agency's pathways' events, a page at a time, or all there are as JSON lines. Messages do not come
this way.
"""
HEADER = "eventHeader"
"""The one message that is an event of the log."""


def document(types: MessageTypes = MESSAGE_TYPES) -> Json:
    told = {name_of(each): _message(each) for each in types}
    streamed = [name_of(each) for each in types if each.of_event]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Unisson",
            "version": version("unisson"),
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "webhooks": _channel(None, WEBHOOKS, [*told]),
            "stream": _channel("/v1/stream", STREAM, [*streamed, HEADER]),
            "feed": _channel("/v1/events", FEED, [HEADER]),
        },
        "operations": {
            "callWebhook": _operation("webhooks", "POST", [{"$ref": "#/components/securitySchemes/signature"}]),
            "writeToStream": _operation("stream", "GET", CREDENTIALS),
            "answerFromFeed": _operation("feed", "GET", CREDENTIALS),
        },
        "components": {
            "messages": told | {HEADER: EVENT_HEADER},
            "schemas": {"Envelope": ENVELOPE, "WebhookHeaders": WEBHOOK_HEADERS}
            | {f"{name_of(each)}Data": _data(each) for each in types}
            | {"EventHeader": msgspec.json.schema(EventHeader)["$defs"]["EventHeader"]},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def name_of(kind: MessageType) -> str:
    """As a name of components: `alertWaiverEndedV1`."""
    first, *others = kind.name.replace("-", ".").split(".")
    return first + "".join(word.capitalize() for word in others) + f"V{kind.version}"


def _channel(address: str | None, description: str, messages: list[str]) -> Json:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(channel: str, method: str, security: list[Json]) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "security": security,
        "bindings": {"http": {"method": method, "bindingVersion": "0.3.0"}},
    }


def _message(kind: MessageType) -> Json:
    said = {"type": {"const": kind.type}, "data": {"$ref": f"#/components/schemas/{name_of(kind)}Data"}}
    sunset = {} if kind.sunset is None else {"x-sunset": kind.sunset.isoformat()}
    return {
        "name": kind.type,
        "title": kind.name,
        "summary": f"When {kind.when}.",
        "description": f"To {kind.to}.",
        "contentType": "application/cloudevents+json",
        "headers": {"$ref": "#/components/schemas/WebhookHeaders"},
        "payload": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, {"properties": said}]},
        "x-since": kind.since,
    } | sunset


def _data(kind: MessageType) -> Json:
    """As at its own address, without what only a document of its own has."""
    return {name: value for name, value in schema(kind).items() if name not in {"$schema", "$id"}}


EVENT_HEADER: Json = {
    "name": "event",
    "summary": "When an event was recorded of a pathway in which the agency takes part.",
    "description": "Its clear part: `type` and `dataschema` say what it is, the pathway says the rest.",
    "contentType": "application/json",
    "payload": {"$ref": "#/components/schemas/EventHeader"},
}
ENVELOPE: Json = {
    "title": "CloudEvent",
    "description": "A CloudEvent 1.0 in structured mode.",
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "Of the message, the same by whatever channel."},
        "source": {"type": "string", "format": "uri-reference", "description": "The territory."},
        "type": {"type": "string"},
        "subject": {"type": "string", "format": "uuid", "description": "What the message is about."},
        "time": {"type": "string", "format": "date-time", "description": "When it was recorded."},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri", "description": "The JSON Schema of `data`."},
        "data": {"type": "object"},
    },
}
WEBHOOK_HEADERS: Json = {
    "title": "WebhookHeaders",
    "description": "Of a webhook's request. A message that comes by the stream has none.",
    "type": "object",
    "properties": {
        "webhook-id": {"type": "string", "format": "uuid", "description": "The message's id."},
        "webhook-timestamp": {"type": "string", "pattern": "^[0-9]+$", "description": "Unix seconds of this attempt."},
        "webhook-signature": {
            "type": "string",
            "description": "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; two during a rotation.",
        },
    },
}
SECURITY_SCHEMES: Json = {
    "signature": {
        "type": "symmetricEncryption",
        "description": "HMAC-SHA256 with the endpoint's secret (Standard Webhooks): the receiver verifies it.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token or an API key, as for the HTTP API.",
    },
    "session": {
        "type": "httpApiKey",
        "in": "cookie",
        "name": "__Host-unisson-session",
        "description": "Of a person who signed in.",
    },
}
CREDENTIALS: list[Json] = [
    {"$ref": "#/components/securitySchemes/bearer"},
    {"$ref": "#/components/securitySchemes/session"},
]
