"""Types of messages: each has its schema, carries what it says and no more, and never changes what it means."""

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from jsonschema_rs import validator_for

from api.message_schemas import all_keys, kind_of, schema, sunset_header
from application.message_types import (
    CHALLENGE_MESSAGE,
    DISABLED_MESSAGE,
    ERASED_MESSAGE,
    MESSAGE_TYPES,
    TEST_MESSAGE,
    MessageType,
    MessageTypes,
    Subject,
)
from application.messages import Audience, Message
from infrastructure.webhooks import cloud_event
from tests.support.message_schemas import breaks, current, published

PAGE = (Path(__file__).parent.parent / "docs" / "reference" / "messages.md").read_text("utf-8")
PUBLIC_URL = "https://unisson.example"
SUBJECT, PATHWAY, CANARY = UUID(int=1), UUID(int=2), "canary"
ALL = pytest.mark.parametrize("kind", list(MESSAGE_TYPES), ids=lambda kind: kind.type)


def message(kind: MessageType, pathway: UUID | None = PATHWAY, **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "territory": "FR-34",
        "message_id": UUID(int=3),
        "agency": f"{CANARY}-agency",
        "type": kind.type,
        "subject_id": SUBJECT,
        "pathway": pathway,
        "position": 412,
        "created_at": datetime(2026, 3, 2, 12, tzinfo=UTC),
        "severity": f"{CANARY}-severity",
        "audience": Audience.LEAD,
        "correlation_id": UUID(int=4),
    }
    return Message(**(fields | changes))


def said(told: Message, types: MessageTypes = MESSAGE_TYPES) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(cloud_event(told, PUBLIC_URL, types))
    return body


# What each carries.


@ALL
@pytest.mark.parametrize("pathway", [PATHWAY, None])
def test_what_is_sent_is_what_its_schema_says_and_no_field_more(kind: MessageType, pathway: UUID | None) -> None:
    body = said(message(kind, pathway, level="lead", challenge="abc"))
    assert body["dataschema"] == f"{PUBLIC_URL}/schemas/messages/{kind.key}"
    closed = schema(kind) | {"additionalProperties": False}
    validator_for(closed).validate(body["data"])


@ALL
def test_without_the_right_to_the_content_nothing_but_the_subject_and_the_place_is_said(kind: MessageType) -> None:
    """Whatever the outbox knows besides."""
    told = message(kind, None, level="lead", challenge="abc")
    data = said(told)["data"]
    mine = {"challenge"} if kind.subject is Subject.ENDPOINT else set()
    assert {*data} - mine <= {"position", "level", f"{kind.subject}_id"}
    assert str(PATHWAY) not in str(data)


@ALL
def test_nothing_else_of_what_the_outbox_knows_is_said(kind: MessageType) -> None:
    assert CANARY not in cloud_event(message(kind), PUBLIC_URL).decode()


def test_what_those_who_write_to_the_outbox_name_is_there() -> None:
    for type_ in (CHALLENGE_MESSAGE, TEST_MESSAGE, DISABLED_MESSAGE, ERASED_MESSAGE):
        assert MESSAGE_TYPES[type_].sunset is None


def test_one_that_is_about_an_endpoint_or_a_mailbox_stands_at_no_place_of_the_stream() -> None:
    own = {each.type for each in MESSAGE_TYPES if each.subject in {Subject.ENDPOINT, Subject.MAILBOX}}
    assert not {each.type for each in MESSAGE_TYPES if each.of_event} & own


# Versions.


class AboutAlertInWords(msgspec.Struct, frozen=True, kw_only=True):
    """A made-up successor."""

    alert: str

    @classmethod
    def of(cls, message: Message) -> "AboutAlertInWords":
        return cls(alert=f"urn:uuid:{message.subject_id}")


RAISED = MESSAGE_TYPES["unisson.alert.raised.v1"]
SUNSET = date(2027, 3, 1)
EARLIER = msgspec.structs.replace(RAISED, sunset=SUNSET)
LATER = msgspec.structs.replace(RAISED, version=2, data=AboutAlertInWords)
BOTH = MessageTypes((EARLIER, LATER))


@pytest.mark.parametrize(
    ("day", "told"),
    [(date(2027, 2, 28), [EARLIER, LATER]), (SUNSET, [LATER]), (date(2030, 1, 1), [LATER])],
)
def test_both_versions_are_told_until_the_sunset_of_the_first(day: date, told: list[MessageType]) -> None:
    assert list(BOTH.told("alert.raised", day)) == told
    assert BOTH.told("alert.cleared", day) == ()


def test_each_version_carries_its_own_data_and_names_its_own_schema() -> None:
    assert said(message(EARLIER), BOTH)["data"].keys() == {"position", "alert_id", "pathway_id"}
    body = said(message(LATER), BOTH)
    assert (body["type"], body["data"]) == ("unisson.alert.raised.v2", {"alert": f"urn:uuid:{SUBJECT}"})
    assert body["dataschema"].endswith("/schemas/messages/alert.raised/2")


def test_a_message_of_a_retired_version_that_still_waits_can_be_sent() -> None:
    assert said(message(EARLIER), BOTH)["type"] == "unisson.alert.raised.v1"


def test_a_sunset_is_said_in_the_schema_and_in_the_header() -> None:
    assert (schema(EARLIER)["x-sunset"], schema(EARLIER)["deprecated"]) == ("2027-03-01", True)
    assert parsedate_to_datetime(sunset_header(EARLIER)["Sunset"]) == datetime(2027, 3, 1, tzinfo=UTC)
    assert "deprecated" not in schema(LATER)
    assert sunset_header(LATER) == {}


def test_a_type_is_there_once() -> None:
    with pytest.raises(AssertionError, match=r"alert\.raised"):
        MessageTypes((RAISED, EARLIER))


# What was published.


def test_nothing_that_was_published_has_changed_for_whoever_receives_it() -> None:
    assert breaks(published(), current()) == []


def test_everything_is_published() -> None:
    assert published() == current(), "run `python -m tests.support.message_schemas`"
    assert all_keys() == sorted(published())


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("pathway_id is gone", lambda each: each["properties"].pop("pathway_id")),
        ("alert_id is something else", lambda each: each["properties"]["alert_id"].pop("format")),
        ("position may be missing", lambda each: each["required"].remove("position")),
        ("is of another kind", lambda each: each.update(type="array")),
    ],
)
def test_what_would_break_a_receiver_is_found(what: str, change: Callable[[dict[str, Any]], object]) -> None:
    after = copy.deepcopy(current())
    change(after["alert.raised/1"])
    (found,) = breaks(current(), after)
    assert what in found


def test_a_type_that_is_gone_is_found() -> None:
    after = current()
    del after["alert.raised/1"]
    assert breaks(current(), after) == ["alert.raised/1 is gone"]


def test_a_field_more_breaks_nobody() -> None:
    after = copy.deepcopy(current())
    after["alert.raised/1"]["properties"]["more"] = {"type": "string"}
    assert breaks(current(), after) == []


# What the page says.


@ALL
def test_the_page_says_of_each_type_when_it_is_told_to_whom_and_what_it_carries(kind: MessageType) -> None:
    fields = ", ".join(f"`{name}`" for name in schema(kind)["properties"])
    assert f"| `{kind.type}` | {kind.when} | {kind.to} | {fields} |" in PAGE


def test_the_page_names_no_other_type() -> None:
    assert PAGE.count("| `unisson.") == len(list(MESSAGE_TYPES))


def test_an_unknown_type_or_version_has_no_schema() -> None:
    assert kind_of("alert.raised", 1) is RAISED
    assert kind_of("alert.raised", 2) is None
    assert kind_of("alert.delivered", 1) is None
