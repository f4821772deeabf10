"""The access log: who looked at what of whom, when, for what, on what ground. Events beside all others, in their log.

Sealed under a key of the territory and the month, not of the person: evidence survives an erasure, and a month expires
when its key is destroyed. The person stands there under a pseudonym that only that key can make.
"""

import hmac
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Event, stored
from domain.compartments import Case, Compartment
from domain.ids import uuid8_of
from domain.shares import AccessPurpose

OPENABLE = frozenset({Compartment.IDENTITY, Compartment.HEALTH, Compartment.NOTES})
"""What is opened on request only, each time with an event here."""

SEALED_BY = Compartment.CASE
"""Which of the month's keys seals an access."""

Month = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}$")]


class Register(StrEnum):
    """Part of the access log with a time of keeping of its own."""

    ORDINARY = "ordinary"
    BREAK_GLASS = "break-glass"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A compartment, and why it was opened."""

    compartment: Compartment
    relation: str
    """How the caller stood to the pathway: owner, participant, share…"""
    legal_basis: str
    reference: UUID | None = None
    """The share, the breaking of the glass or the mandate that it rests on."""


@stored
class AccessOpened(Event, frozen=True, kw_only=True):
    """Somebody was shown content of a person. Recorded before it is shown, or it is not shown."""

    TOPIC: ClassVar[str] = "access.opened"

    access_id: Case[UUID]
    """What the key vault is told when it is asked for the keys."""
    person: Case[str]
    """The month's pseudonym of the person."""
    opened: Case[tuple[Opened, ...]]
    purpose: Case[AccessPurpose]
    means: Case[str]
    """How the caller proved who it is."""
    credential: Case[str]
    """API key, service client or session."""
    roles: Case[tuple[str, ...]] = ()

    def apply(self, aggregate: Any) -> None:
        """Nothing is decided on accesses."""


@stored
class AccessRefused(Event, frozen=True, kw_only=True):
    """Somebody who may know of the person asked for content that is not open to them."""

    TOPIC: ClassVar[str] = "access.refused"

    person: Case[str]
    compartments: Case[tuple[Compartment, ...]]
    purpose: Case[AccessPurpose]
    reason: Case[str]
    """Code of the refusal."""
    means: Case[str]
    credential: Case[str]
    roles: Case[tuple[str, ...]] = ()

    def apply(self, aggregate: Any) -> None:
        """Nothing is decided on accesses."""


@stored
class BudgetSpent(Event, frozen=True, kw_only=True):
    """A user, or a whole agency, asked for more different persons in one day than allowed, and was stopped."""

    TOPIC: ClassVar[str] = "access.budget-spent"
    OF_PERSON: ClassVar[bool] = False

    day: date
    of_agency: bool
    """True: the agency's budget. False: that of the user whom the header names."""
    persons_most: int

    def apply(self, aggregate: Any) -> None:
        """Nothing is decided on accesses."""


@stored
class MonthExpired(Event, frozen=True, kw_only=True):
    """A month of the access log has served its time: its key is destroyed, and its events read as erased."""

    TOPIC: ClassVar[str] = "access.month-expired"
    OF_PERSON: ClassVar[bool] = False

    month: Month
    register: Register

    def apply(self, aggregate: Any) -> None:
        """Nothing is decided on accesses."""


ACCESS_TOPICS = frozenset((AccessOpened.TOPIC, AccessRefused.TOPIC, BudgetSpent.TOPIC, MonthExpired.TOPIC))


def month_of(at: datetime | date) -> Month:
    return f"{at:%Y-%m}"


def months_back(at: datetime) -> Iterator[Month]:
    """The month of an instant, then each one before it, without end."""
    year, month = at.year, at.month
    while year > 0:
        yield f"{year:04}-{month:02}"
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)


def log_subject(territory: str, month: Month, register: Register = Register.ORDINARY) -> UUID:
    """What the key of one month of a territory's access log is filed under."""
    return uuid8_of("access-log", register, territory, month)


def pseudonym_of(month_key: bytes, person: UUID) -> str:
    """The person's name in one month: without that month's key, neither made again nor led back to the person."""
    return hmac.digest(month_key, b"unisson accessed person v1" + person.bytes, "sha256").hex()[:32]


def stream_of(territory: str, pseudonym: str) -> UUID:
    """The stream of one person's accesses in one month."""
    return uuid8_of("access", territory, pseudonym)
