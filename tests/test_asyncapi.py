"""The AsyncAPI document: valid as published by AsyncAPI, complete, and the same as the one that is committed."""

import json
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema_rs import validator_for

from api.asyncapi import HEADER, document, name_of
from api.message_schemas import schema
from application.message_types import MESSAGE_TYPES, MessageTypes
from infrastructure.webhooks import cloud_event
from tests.support.command_line import unisson
from tests.test_message_types import PUBLIC_URL, message

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "docs" / "reference" / "asyncapi.json"
VENDORED = ROOT / "tests" / "vendored"
DOCUMENT = document()


def everything(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from everything(value)
    elif isinstance(node, list):
        for value in node:
            yield from everything(value)


def in_place(part: Any) -> Any:
    """With every reference replaced by what it leads to."""
    if isinstance(part, list):
        return [in_place(each) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return in_place(target(part["$ref"]))
    return {name: in_place(value) for name, value in part.items()}


def target(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


# As AsyncAPI says.


def official() -> Any:
    text = (VENDORED / "asyncapi-3.0.0.json").read_bytes()
    assert sha256(text).hexdigest() in (VENDORED / "README.md").read_text("utf-8")
    return validator_for(json.loads(text))


def test_it_is_valid_by_the_schema_that_asyncapi_publishes() -> None:
    official().validate(DOCUMENT)


def test_that_schema_refuses_what_is_not_asyncapi() -> None:
    for wrong in ({"action": "shout"}, {"channel": "webhooks"}, {"surplus": 1}):
        operation = DOCUMENT["operations"]["callWebhook"] | wrong
        assert not official().is_valid(DOCUMENT | {"operations": {"callWebhook": operation}})


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in everything(DOCUMENT) if "$ref" in node]
    assert references
    for reference in references:
        assert target(reference)


# As it is.


def test_the_committed_document_is_current() -> None:
    current = msgspec.json.format(msgspec.json.encode(DOCUMENT), indent=2) + b"\n"
    assert COMMITTED.read_bytes() == current, "run `make docs`"


async def test_the_command_line_writes_it(tmp_path: Path) -> None:
    assert (await unisson("asyncapi", "--output", str(tmp_path / "asyncapi.json"))).status == 0
    assert (tmp_path / "asyncapi.json").read_bytes() == COMMITTED.read_bytes()


def test_every_type_of_message_is_there_and_comes_by_webhook() -> None:
    names = {name_of(each) for each in MESSAGE_TYPES}
    assert DOCUMENT["components"]["messages"].keys() == names | {HEADER}
    assert DOCUMENT["channels"]["webhooks"]["messages"].keys() == names


def test_the_stream_carries_what_is_told_of_events_and_the_feed_events_alone() -> None:
    of_events = {name_of(each) for each in MESSAGE_TYPES if each.of_event}
    assert DOCUMENT["channels"]["stream"]["messages"].keys() == of_events | {HEADER}
    assert DOCUMENT["channels"]["feed"]["messages"].keys() == {HEADER}


@pytest.mark.parametrize("kind", list(MESSAGE_TYPES), ids=lambda kind: kind.type)
def test_what_is_sent_is_the_payload_that_is_described(kind: Any) -> None:
    payload = in_place(DOCUMENT["components"]["messages"][name_of(kind)]["payload"])
    validator = validator_for(payload, validate_formats=True)
    body = json.loads(cloud_event(message(kind, level="lead", challenge="abc"), PUBLIC_URL))
    validator.validate(body)
    assert not validator.is_valid(body | {"type": "unisson.other.v1"})
    assert not validator.is_valid(body | {"data": {}})


def test_a_version_that_will_end_says_when() -> None:
    ending = msgspec.structs.replace(MESSAGE_TYPES["unisson.alert.raised.v1"], sunset=date(2027, 3, 1))
    described = document(MessageTypes((ending, msgspec.structs.replace(ending, version=2, sunset=None))))
    messages = described["components"]["messages"]
    assert messages["alertRaisedV1"]["x-sunset"] == "2027-03-01"
    assert described["components"]["schemas"]["alertRaisedV1Data"]["deprecated"] is True
    assert "x-sunset" not in messages["alertRaisedV2"]
    official().validate(described)


def test_the_data_are_described_as_at_their_own_address() -> None:
    for kind in MESSAGE_TYPES:
        described = DOCUMENT["components"]["schemas"][f"{name_of(kind)}Data"]
        assert described.items() <= schema(kind).items()
