"""How long a person's data are kept: used until some time after the last contact, then archived, then erased.

A legal hold stops the clock: while it lasts nothing is erased, whoever asks.
"""

import calendar
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Event, stored
from domain.command import Act, Text
from domain.compartments import Case, Notes
from domain.errors import DomainError
from domain.ledger import point_order
from domain.restriction import RestrictionGround
from domain.rights import Lasting, Measure

if TYPE_CHECKING:
    from domain.pathway import Pathway

MONTHS_PER_YEAR = 12


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """In months; by default two years of use after the last contact, then two years of archive."""

    used_months: int = 24
    archived_months: int = 24


class Stage(StrEnum):
    """Where a pathway stands on its retention clock."""

    USED = "used"
    TO_ARCHIVE = "to_archive"
    ARCHIVED = "archived"
    TO_ERASE = "to_erase"
    HELD = "held"


class RetentionClock(msgspec.Struct, frozen=True, kw_only=True):
    """What of a pathway its retention depends on."""

    last_contact: date
    archived_on: date | None = None
    restricted: bool = False
    """For another reason than the end of its use."""
    held: bool = False

    def stage(self, policy: RetentionPolicy, today: date) -> Stage:
        """A restriction asked for by the person keeps the data (art. 18, 1 c): it is lifted before anything else."""
        if self.held:
            return Stage.HELD
        if self.archived_on is not None:
            due = months_after(self.archived_on, policy.archived_months)
            return Stage.TO_ERASE if due <= today else Stage.ARCHIVED
        due = months_after(self.last_contact, policy.used_months)
        return Stage.TO_ARCHIVE if due <= today and not self.restricted else Stage.USED


def clock_of(pathway: "Pathway") -> RetentionClock:
    """The last contact is the latest day of what stands in the pathway, plans included: recording late adds no time."""
    rights, archived_on = pathway.rights, None
    if rights.restriction is not None and rights.restriction.ground == RestrictionGround.RETENTION:
        archived_on = rights.restriction.since
    days = [
        point_order(point).date()
        for entry in pathway.ledger.entries.values()
        if not entry.retracted
        for point in (entry.start, entry.end)
        if point is not None
    ]
    if rights.released_on is not None:
        days.append(rights.released_on)
    return RetentionClock(
        last_contact=max(days, default=date.min),
        archived_on=archived_on,
        restricted=rights.restriction is not None and archived_on is None,
        held=rights.hold is not None,
    )


def months_after(day: date, months: int) -> date:
    """The same day of the month, or the last where there is none."""
    years, month = divmod(day.month - 1 + months, MONTHS_PER_YEAR)
    year, month = day.year + years, month + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


class HoldGround(StrEnum):
    """Why the law keeps the data: art. 17, 3."""

    LITIGATION = "litigation"
    AUDIT = "audit"
    PUBLIC_HEALTH = "public_health"
    ARCHIVES = "archives"
    LEGAL_OBLIGATION = "legal_obligation"


@stored
class HoldPlaced(Event, frozen=True, kw_only=True):
    """The law forbids to erase the person's data for now."""

    TOPIC: ClassVar[str] = "hold.placed"

    hold_id: Case[UUID]
    ground: Case[HoldGround]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.rights.hold = Lasting(self.hold_id, self.ground.value, self.on)


@stored
class HoldLifted(Event, frozen=True, kw_only=True):
    """Nothing in the law keeps the person's data any more."""

    TOPIC: ClassVar[str] = "hold.lifted"

    hold_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.rights.hold = None


class PlaceHold(Measure, frozen=True, kw_only=True):
    """Keep the person's data from being erased, even if the person asks or their time is over."""

    ground: HoldGround
    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        if pathway.rights.hold is not None:
            raise AlreadyHeld
        hold_id = act.new_id()
        pathway.record(HoldPlaced, act, hold_id=hold_id, ground=self.ground, on=act.today, note=self.note)
        return hold_id


class LiftHold(Measure, frozen=True, kw_only=True):
    """Let the person's data be erased again."""

    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        hold = pathway.rights.hold
        if hold is None:
            raise NotHeld
        pathway.record(HoldLifted, act, hold_id=hold.id, on=act.today, note=self.note)


class AlreadyHeld(DomainError):
    """A legal hold already keeps this person's data."""

    code = "already_held"
    title_fr = "Un gel légal conserve déjà les données de cette personne."


class NotHeld(DomainError):
    """No legal hold keeps this person's data."""

    code = "not_held"
    title_fr = "Aucun gel légal ne conserve les données de cette personne."


class LegalHold(DomainError):
    """A legal hold keeps this person's data: they cannot be erased now."""

    code = "legal_hold"
    title_fr = "Un gel légal conserve les données de cette personne : elles ne peuvent pas être effacées maintenant."
