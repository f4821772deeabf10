"""Old versions of events are read as the current one, however many versions there were."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from application.event_log import Commit
from domain.aggregate import EVENT_TYPES, Event, stored
from domain.compartments import Case, Compartment, Erased, Notes
from domain.erasure import ErasedEvent
from domain.history import UPCASTERS, successor, upcast, upcasts
from domain.ids import uuid7
from tests.support.logs import memory_log

AT = datetime(2026, 1, 5, tzinfo=UTC)


@stored
class Told1(Event, frozen=True, kw_only=True):
    TOPIC: ClassVar[str] = "test-tale.told"

    said: Notes[str] = None


@stored
class Told2(Event, frozen=True, kw_only=True):
    TOPIC: ClassVar[str] = "test-tale.told@2"

    channel: Case[str]
    said: Notes[str] = None


@stored
class Told(Event, frozen=True, kw_only=True):
    TOPIC: ClassVar[str] = "test-tale.told@3"

    channels: Case[tuple[str, ...]]
    said: Notes[str] = None


@pytest.fixture(autouse=True)
def versions() -> Iterator[None]:
    upcasts(Told1)(lambda old: successor(old, Told2, channel="unknown", said=old.said))
    upcasts(Told2)(lambda old: successor(old, Told, channels=(old.channel,), said=old.said))
    yield
    for event_type in (Told1, Told2):
        del UPCASTERS[event_type]


def told(event_type: type[Event], version: int, **fields: Any) -> Event:
    return event_type(
        originator_id=STREAM, originator_version=version, timestamp=AT, agency="a", actor="x", position=0, **fields
    )


STREAM = uuid7()


def test_an_upcaster_changes_what_was_said_and_keeps_the_header() -> None:
    old = Told1(originator_id=STREAM, originator_version=4, timestamp=AT, agency="a", actor="x", position=9, said="hi")
    assert upcast(old) == Told(
        originator_id=STREAM,
        originator_version=4,
        timestamp=AT,
        agency="a",
        actor="x",
        position=9,
        channels=("unknown",),
        said="hi",
    )


def test_a_current_event_is_left_alone() -> None:
    current = told(Told, 1, channels=("mail",))
    assert upcast(current) is current


async def test_every_stored_version_is_read_as_the_current_one() -> None:
    log, subject = memory_log(), uuid7()
    events = [
        told(Told1, 1, said="one"),
        told(Told2, 2, channel="phone", said="two"),
        told(Told, 3, channels=("mail",), said="three"),
    ]
    await log.append("FR-34", Commit(stream_id=STREAM, expected_version=0, events=events, subject=subject))
    read = await log.read_stream("FR-34", STREAM)
    assert [type(one.event) for one in read] == [Told] * 3
    assert [getattr(one.event, "channels", None) for one in read] == [("unknown",), ("phone",), ("mail",)]
    assert [one.topic for one in read] == ["test-tale.told", "test-tale.told@2", "test-tale.told@3"]


async def test_an_upcaster_sees_erased_fields_but_never_an_erased_event() -> None:
    log, subject = memory_log(), uuid7()
    commit = Commit(stream_id=STREAM, expected_version=0, events=[told(Told1, 1, said="one")], subject=subject)
    await log.append("FR-34", commit)
    await log.vault.destroy("FR-34", subject, [Compartment.NOTES])
    (read,) = await log.read_stream("FR-34", STREAM)
    assert isinstance(read.event, Told)
    assert read.event.said == Erased(Compartment.NOTES)
    await log.vault.destroy("FR-34", subject, [Compartment.CASE])
    (read,) = await log.read_stream("FR-34", STREAM)
    assert isinstance(read.event, ErasedEvent)


def test_two_upcasters_for_one_version_are_a_bug() -> None:
    with pytest.raises(AssertionError):
        upcasts(Told1)(lambda old: old)


def test_every_superseded_version_leads_to_a_current_one() -> None:
    """A topic with `@n` means that the versions before it are still readable."""
    for topic in EVENT_TYPES:
        noun, _, number = topic.partition("@")
        for version in range(1, int(number or 1)):
            older = EVENT_TYPES[noun if version == 1 else f"{noun}@{version}"]
            assert older in UPCASTERS, f"{older.__name__} is superseded and has no upcaster"
