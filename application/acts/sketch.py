"""An act before it is tried: a command of the catalogue with what is known of its body, and blanks for the rest."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from domain.facts import Fact
from domain.pathway import Pathway
from domain.rules.rule import Rule


class Way(StrEnum):
    """In what way an act may put things right; the first ones are the better ones."""

    DO = "do"  # What was expected.
    PREPARE = "prepare"  # A first step, after which another agency can do it.
    CHANGE = "change"  # End, cancel or withdraw what does not go with the rest.
    CORRECT = "correct"  # It was recorded with a wrong date.
    RETRACT = "retract"  # It was recorded by mistake.
    SET_ASIDE = "set_aside"  # It stands, and there is a reason; or the alert is wrong.


class Asks(StrEnum):
    """What a blank is to be filled with."""

    DAY = "day"
    INSTANT = "instant"
    TEXT = "text"
    CODE = "code"
    AGENCY = "agency"
    THEME = "theme"


class Blank(msgspec.Struct, frozen=True, kw_only=True):
    """What the act still lacks, and only people know."""

    pointer: str
    """Where it goes in the body (RFC 6901)."""
    asks: Asks
    required: bool = True
    choices: tuple[str, ...] = ()
    """Empty: any."""
    is_closed: bool = True
    """Nothing but one of the choices."""
    not_before: date | None = None
    not_after: date | None = None
    """Local days between which the act puts things right, as far as that is so."""


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """One command, not yet tried."""

    command: str
    way: Way
    entry: UUID | None = None
    """The recorded entry that it acts on, where its address names one."""
    body: Mapping[str, Any] = {}
    blanks: tuple[Blank, ...] = ()


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What acts are sketched from: a rule, what it found, and the pathway as it stands."""

    rule: Rule
    activation: Fact
    target: Fact | None
    evidence: tuple[Fact, ...]
    pathway: Pathway
    """Not to be changed: acts are tried on copies."""
    facts: Sequence[Fact]
    able: tuple[str, ...]
    """Agencies able to do what the rule expects."""

    def of_type(self, fact_type: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.type == fact_type]


def day(pointer: str = "/on", *, required: bool = False) -> Blank:
    return Blank(pointer=pointer, asks=Asks.DAY, required=required)


def text(pointer: str = "/reason", *, required: bool = True) -> Blank:
    return Blank(pointer=pointer, asks=Asks.TEXT, required=required)


def code(pointer: str, choices: Sequence[str]) -> Blank:
    return Blank(pointer=pointer, asks=Asks.CODE, choices=tuple(str(choice) for choice in choices))
