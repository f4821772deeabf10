"""A year of a territory as calls to make; most pathways stay in step, some are planted out of step.

Pure and seeded: the same seed and the same last day give the same calls and the same expectations.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from api.demo.territory import (
    ABLE_TO,
    COMMUNES,
    OTHER_THEMES,
    REFERENTS,
    TRAINING_THEMES,
    Person,
    invent_person,
)

DAYS = 365
MORNING = (20, 240)  # Minutes after 7:00 UTC; what answers something of the same day comes in the afternoon.
AFTERNOON = (241, 479)
EVENING = 480


class Fault(StrEnum):
    """What is planted in a pathway; each is found by one shipped rule."""

    TRAINING_NEED_FORGOTTEN = "need-to-referral"
    MOVED_ALONE = "relocation-accompanied"
    REFERRAL_UNANSWERED = "referral-acknowledged"
    SILENCE = "silence-90"


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

    fault: Fault
    cleared: bool
    """Somebody acted, late: the alert must have been cleared since."""
    told: frozenset[str]


class Story(msgspec.Struct):
    """One pathway: who opens it, the calls in order, and what must be found."""

    number: int
    person: Person
    referent: str
    calls: list[Call]
    expected: list[Expected]


def write_stories(seed: int, last_day: date, pathways: int) -> list[Story]:
    """Plant each fault in one pathway of five, twice out of three still open on `last_day`."""
    stories = []
    faults = list(Fault)
    for number in range(pathways):
        fault = faults[number // 5 % len(faults)] if number % 5 == 3 else None
        late = number // 20 % 3 == 2
        stories.append(_Author(Random(f"{seed}/{number}"), number, last_day).write(fault, late=late))
    return stories


class _Author:
    """Writes one story day by day."""

    def __init__(self, random: Random, number: int, last_day: date) -> None:
        self.random = random
        self.number = number
        self.last_day = last_day
        self.referent = random.choice(REFERENTS)
        self.person = invent_person(random, number)
        self.calls: list[Call] = []
        self.expected: list[Expected] = []
        self.opened = last_day - timedelta(days=random.randint(150, DAYS - 5))

    def write(self, fault: Fault | None, *, late: bool) -> Story:
        self._opening()
        self._diagnosis(fault, late=late)
        if fault in {None, Fault.MOVED_ALONE} and (fault or self.random.random() < 0.3):
            self._relocation(alone=fault is Fault.MOVED_ALONE, late=late)
        if fault is Fault.REFERRAL_UNANSWERED:
            self._unanswered(late=late)
        closed = self._closure() if fault is None and self.random.random() < 0.15 else None
        self._contacts(until=closed or self.last_day, silent=fault is Fault.SILENCE, late=late)
        self.calls = [call for call in self.calls if closed is None or call.at.date() <= closed]
        self.calls.sort(key=lambda call: call.at)
        return Story(self.number, self.person, self.referent, self.calls, self.expected)

    def _opening(self) -> None:
        person = self.person
        opening = {
            "on": str(self.opened),
            "given_name": person.given_name,
            "family_name": person.family_name,
            "birth_date": person.birth_date,
        }
        first_contact = {"channel": "in_person", "note": person.note}
        self._call(self.opened, self.referent, "open-pathway", opening, minute=0)
        self._call(self.opened, self.referent, "assign-referent", {"on": str(self.opened)}, minute=5)
        self._call(self.opened, self.referent, "record-contact", first_contact, minute=10)

    def _diagnosis(self, fault: Fault | None, *, late: bool) -> None:
        day = self.opened + timedelta(days=self.random.randint(1, 10))
        themes = self.random.sample(OTHER_THEMES, k=self.random.randint(1, 2))
        if fault is Fault.TRAINING_NEED_FORGOTTEN or self.random.random() < 0.5:
            themes.append(self.random.choice(TRAINING_THEMES))
        diagnosis = {
            "needs": [{"theme": theme} for theme in themes],
            "on": str(day),
            "valid_until": str(day + timedelta(days=180)),
            "note": self.person.note,
        }
        self._call(day, self.referent, "record-diagnosis", diagnosis)
        for theme in themes:
            forgotten = fault is Fault.TRAINING_NEED_FORGOTTEN and theme in TRAINING_THEMES
            if not forgotten:
                self._referral(theme, day + timedelta(days=self.random.randint(3, 25)))
            elif late:
                self._referral(theme, day + timedelta(days=45))
        if fault is Fault.TRAINING_NEED_FORGOTTEN:
            self._expect(fault, late=late, told={self.referent, "formation-herault"})

    def _referral(self, theme: str, day: date) -> None:
        target = ABLE_TO[theme]
        referral = self._request(theme, target, day)
        answered = day + timedelta(days=self.random.randint(0, 2))
        self._move(answered, target, referral, "accepted")
        if self.random.random() < 0.6:
            started = answered + timedelta(days=self.random.randint(2, 20))
            self._move(started, target, referral, "in-progress")
            self._move(started + timedelta(days=self.random.randint(10, 60)), target, referral, "completed")

    def _unanswered(self, *, late: bool) -> None:
        theme = "logement-hebergement--rechercher-une-solution-dhebergement-temporaire"
        day = self.last_day - timedelta(days=self.random.randint(40, 90))
        referral = self._request(theme, "siao-herault", day)
        if late:
            self._move(day + timedelta(days=20), "siao-herault", referral, "accepted")
        self._expect(Fault.REFERRAL_UNANSWERED, late=late, told={self.referent, "siao-herault"})

    def _relocation(self, *, alone: bool, late: bool) -> None:
        day = self.opened + timedelta(days=self.random.randint(40, 80))
        origin, destination = self.random.sample(COMMUNES, k=2)
        self._referral("logement-hebergement--changer-de-logement", self.opened + timedelta(days=12))
        move = {"from_zone": origin, "to_zone": destination, "on": str(day)}
        self._call(day, "habitat-solidaire", "record-relocation", move)
        started = day + timedelta(days=30 if alone else self.random.randint(-20, 12))
        if alone:
            self._expect(Fault.MOVED_ALONE, late=late, told={self.referent, "habitat-solidaire"})
        if late or not alone:
            accompaniment = {"kind": "socio_professional", "start": str(started)}
            self._call(started, self.referent, "record-accompaniment", accompaniment)

    def _contacts(self, until: date, *, silent: bool, late: bool) -> None:
        day = self.opened + timedelta(days=self.random.randint(15, 60))
        falls_silent = self.last_day - timedelta(days=130) if silent else until
        while day < falls_silent:
            self._contact(day)
            day += timedelta(days=self.random.randint(20, 60))
        if silent:
            self._contact(falls_silent)
            if late:
                self._contact(self.last_day - timedelta(days=10))
            self._expect(Fault.SILENCE, late=late, told={self.referent})

    def _contact(self, day: date) -> None:
        contact = {"channel": self.random.choice(["phone", "in_person", "video"])}
        if self.random.random() < 0.3:
            contact["note"] = self.person.note
        self._call(day, self.referent, "record-contact", contact)

    def _closure(self) -> date:
        day = self.opened + timedelta(days=self.random.randint(120, 145))
        self._call(day, self.referent, "close-pathway", {"outcome": "goals_reached", "on": str(day)}, minute=EVENING)
        return day

    def _expect(self, fault: Fault, *, late: bool, told: set[str]) -> None:
        self.expected.append(Expected(fault, late, frozenset(told)))

    def _request(self, theme: str, target: str, day: date) -> UUID:
        referral = UUID(int=self.random.getrandbits(128), version=4)
        body = {"to_agency": target, "theme": theme, "on": str(day), "id": str(referral)}
        self._call(day, self.referent, "request-referral", body)
        return referral

    def _move(self, day: date, agency: str, referral: UUID, status: str) -> None:
        body = {"status": status, "on": str(day)}
        self._call(day, agency, "move-referral", body, minute=self.random.randint(*AFTERNOON), entry=referral)

    def _call(
        self,
        day: date,
        by: str,
        command: str,
        body: dict[str, Any],
        *,
        minute: int | None = None,
        entry: UUID | None = None,
    ) -> None:
        if day > self.last_day:
            return
        minute = self.random.randint(*MORNING) if minute is None else minute
        at = datetime.combine(day, time(7), tzinfo=UTC) + timedelta(minutes=minute)
        self.calls.append(Call(at, by, command, body, entry))


def by_day(stories: list[Story]) -> Iterator[tuple[date, dict[int, list[Call]]]]:
    """The calls of all stories, day after day; within a day, each pathway's calls in order."""
    days: dict[date, dict[int, list[Call]]] = {}
    for story in stories:
        for call in story.calls:
            days.setdefault(call.at.date(), {}).setdefault(story.number, []).append(call)
    yield from sorted(days.items())
