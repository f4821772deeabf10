"""Closing a pathway with its outcome, and reopening it. What was still being asked is superseded by the closure."""

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
from domain.pathway import NotYours
from domain.supersession import supersede_moot_requests

if TYPE_CHECKING:
    from domain.pathway import Pathway


class ClosureOutcome(StrEnum):
    GOALS_REACHED = "goals_reached"
    EMPLOYMENT = "employment"
    TRAINING = "training"
    HOUSED = "housed"
    TRANSFERRED = "transferred"
    MOVED_AWAY = "moved_away"
    NO_LONGER_ELIGIBLE = "no_longer_eligible"
    PERSON_ENDED_IT = "person_ended_it"
    LOST_CONTACT = "lost_contact"
    DECEASED = "deceased"
    OTHER = "other"
    UNKNOWN = "unknown"


@stored
class PathwayWasClosed(Event, frozen=True, kw_only=True):
    """The pathway was closed, with what it came to."""

    TOPIC: ClassVar[str] = "pathway.closed"

    closure_id: Case[UUID]
    outcome: Case[ClosureOutcome]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.closure_id,
            type="closed",
            start=self.on,
            end=None,
            attrs={"outcome": self.outcome.value},
            exclusive=("closed",),
        )


@stored
class PathwayReopened(Event, frozen=True, kw_only=True):
    """A closed pathway was taken up again."""

    TOPIC: ClassVar[str] = "pathway.reopened"

    closure_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type="reopened",
            start=self.on,
            end=self.on,
            attrs={"closure_id": str(self.closure_id)},
            part_of=self.closure_id,
            moves="end",
        )


class ClosePathway(Command, frozen=True, kw_only=True):
    """Close the pathway. Only its referent or the agency that opened it may."""

    outcome: ClosureOutcome
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        opening = pathway.ledger.entries[pathway.id]
        if act.agency not in {pathway.referent, opening.agency}:
            raise NotYours
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        pathway.must_follow(pathway.find(pathway.id), on, "/on")
        pathway.must_not_overlap(("closed",), on, "/on")
        closure_id = pathway.new_entry_id(self.id, act)
        pathway.record(PathwayWasClosed, act, closure_id=closure_id, outcome=self.outcome, on=on, note=self.note)
        supersede_moot_requests(pathway, act)
        return closure_id


class ReopenPathway(Command, frozen=True, kw_only=True):
    """Take a closed pathway up again."""

    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        closure = pathway.closure
        if closure is None:
            raise NotClosed
        step_id, on = step_from(closure, self, act, pathway)
        pathway.record(PathwayReopened, act, closure_id=closure.id, step_id=step_id, on=on, note=self.note)
        return step_id


class NotClosed(DomainError):
    """The pathway is not closed."""

    code = "not_closed"
    title_fr = "Le parcours n'est pas clos."
