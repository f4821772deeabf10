"""Suspending a pathway, while deadlines stand still, and resuming it."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_have_happened
from domain.errors import DomainError
from domain.moves import step_from

if TYPE_CHECKING:
    from domain.pathway import Pathway


class SuspensionMotive(StrEnum):
    HOSPITAL_STAY = "hospital_stay"
    PARENTAL_LEAVE = "parental_leave"
    DETENTION = "detention"
    ABSENCE_FROM_TERRITORY = "absence_from_territory"
    SANCTION = "sanction"
    PERSON_ASKED = "person_asked"
    OTHER = "other"


@stored
class PathwaySuspended(Event, frozen=True, kw_only=True):
    """The pathway stands still from this day on."""

    TOPIC: ClassVar[str] = "pathway.suspended"

    suspension_id: Case[UUID]
    motive: Case[SuspensionMotive]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.suspension_id,
            type="suspension",
            start=self.on,
            end=None,
            attrs={"motive": self.motive.value},
            exclusive=("suspension",),
        )


@stored
class PathwayResumed(Event, frozen=True, kw_only=True):
    """A suspended pathway goes on."""

    TOPIC: ClassVar[str] = "pathway.resumed"

    suspension_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type=None,
            start=self.on,
            end=self.on,
            attrs={},
            part_of=self.suspension_id,
            moves="end",
        )


class SuspendPathway(Command, frozen=True, kw_only=True):
    """Suspend the pathway: most deadlines stand still until it is resumed."""

    motive: SuspensionMotive
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        if pathway.is_suspended:
            raise AlreadySuspended
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        pathway.must_not_overlap(("suspension",), on, "/on")
        suspension_id = pathway.new_entry_id(self.id, act)
        pathway.record(PathwaySuspended, act, suspension_id=suspension_id, motive=self.motive, on=on, note=self.note)
        return suspension_id


class ResumePathway(Command, frozen=True, kw_only=True):
    """Resume a suspended pathway."""

    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        suspension = pathway.lasting("suspension")
        if suspension is None:
            raise NotSuspended
        step_id, on = step_from(suspension, self, act, pathway)
        pathway.record(PathwayResumed, act, suspension_id=suspension.id, step_id=step_id, on=on, note=self.note)
        return step_id


class AlreadySuspended(DomainError):
    """The pathway is already suspended."""

    code = "already_suspended"
    title_fr = "Le parcours est déjà suspendu."


class NotSuspended(DomainError):
    """The pathway is not suspended."""

    code = "not_suspended"
    title_fr = "Le parcours n'est pas suspendu."
