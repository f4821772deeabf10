"""What was stored once is read for ever, and means the same. See tests/support/golden.py when one of these fails."""

import json
from typing import Any

import msgspec
import pytest

from domain.aggregate import EVENT_TYPES, Event, compartments_of
from tests.support.golden import FILE, facts_of, read_story, schema_hash, topics
from tests.support.pathways import replay

GOLDEN: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
STORIES = pytest.mark.parametrize("story", GOLDEN["stories"], ids=lambda story: f"{len(story['events'])} events")


@pytest.mark.parametrize("topic", topics())
def test_a_stored_type_does_not_change_unnoticed(topic: str) -> None:
    assert GOLDEN["schemas"].get(topic) == schema_hash(EVENT_TYPES[topic])


def test_no_topic_ever_disappears() -> None:
    """A superseded type stays readable, in domain/history.py."""
    assert set(GOLDEN["schemas"]) <= set(topics())


@STORIES
def test_old_events_give_the_facts_that_they_gave(story: dict[str, Any]) -> None:
    """A fact may say more than it did; what it said, it still says."""
    now = facts_of(replay(list(read_story(story["events"]))))
    assert [_as_far_as(fact, was) for fact, was in zip(now, story["facts"], strict=True)] == story["facts"]


def _as_far_as(fact: dict[str, Any], was: dict[str, Any]) -> dict[str, Any]:
    return fact | {"attrs": {name: value for name, value in fact["attrs"].items() if name in was["attrs"]}}


@STORIES
def test_old_payloads_lose_nothing(story: dict[str, Any]) -> None:
    for line, event in zip(story["events"], read_story(story["events"]), strict=True):
        if line["topic"] == type(event).TOPIC:  # Not one that an upcaster changed.
            again = json.loads(msgspec.json.encode(event))
            assert {name: again[name] for name in line["payload"]} == line["payload"]


def test_the_last_story_holds_every_type_of_a_pathway_and_every_field() -> None:
    told: dict[str, set[str]] = {}
    for line in GOLDEN["stories"][-1]["events"]:
        told.setdefault(line["topic"], set()).update(line["payload"])
    for topic in topics():
        if "pathway" in EVENT_TYPES[topic].apply.__code__.co_varnames:
            assert topic in told
            assert set(compartments_of(EVENT_TYPES[topic])) <= told[topic], topic


def test_a_changed_type_has_another_hash() -> None:
    """The hash sees a new field and a new default, and not a new description."""
    contact = EVENT_TYPES["contact.recorded"]
    assert schema_hash(_like(contact, "Said otherwise.")) == schema_hash(contact)
    assert schema_hash(_like(contact, "", ("other", str | None, None))) != schema_hash(contact)
    assert schema_hash(_like(contact, "", ("reached", bool, False))) != schema_hash(contact)


def _like(event_type: type[Event], doc: str, *fields: tuple[str, Any, Any]) -> Any:
    return msgspec.defstruct(event_type.__name__, fields, bases=(event_type,), kw_only=True, namespace={"__doc__": doc})
