"""What is played: calls in their order, and what must be found in the end."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from api.demo.territory import Person


class Call(msgspec.Struct, frozen=True):
    """One request of one agency, at one moment of the played year."""

    at: datetime
    agency: str
    command: str
    body: dict[str, Any]
    entry: UUID | None = None
    """The recorded entry that the command acts on, where its address names one."""


class Expected(msgspec.Struct, frozen=True):
    """An alert that must be raised, and who must be told of it."""

    rule: str
    cleared: bool
    """Somebody put it right, late: the alert must have been cleared since."""
    told: frozenset[str]


class Story(msgspec.Struct):
    """One pathway: who opens it, the calls in order, and what must be found."""

    number: int
    person: Person
    referent: str
    calls: list[Call]
    expected: list[Expected]


def by_day(stories: Sequence[Story]) -> Iterator[tuple[date, dict[int, list[Call]]]]:
    """The calls of all stories, day after day; within a day, each pathway's calls in order."""
    days: dict[date, dict[int, list[Call]]] = {}
    for story in stories:
        for call in story.calls:
            days.setdefault(call.at.date(), {}).setdefault(story.number, []).append(call)
    yield from sorted(days.items())
