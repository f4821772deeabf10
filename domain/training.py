"""Trainings: proposed, enrolled, started, completed or abandoned."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Health, Notes
from domain.dates import must_be_ordered, must_be_plausible, must_have_happened
from domain.facts import FactState
from domain.moves import move
from domain.needs import find_active_need
from domain.pathway import ImpossibleTransition
from domain.themes import THEME_LIST, Theme, must_be_known, public_theme

if TYPE_CHECKING:
    from domain.pathway import Pathway


class TrainingKind(StrEnum):
    QUALIFYING = "qualifying"
    PRE_QUALIFYING = "pre_qualifying"
    BASIC_SKILLS = "basic_skills"
    LANGUAGE = "language"
    WORK_PLACEMENT = "work_placement"
    OTHER = "other"


class PhysicalDemand(StrEnum):
    LIGHT = "light"
    MODERATE = "moderate"
    HEAVY = "heavy"


class TrainingStatus(StrEnum):
    PROPOSED = "proposed"
    ENROLLED = "enrolled"
    STARTED = "started"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


S = TrainingStatus
NEXT: Mapping[TrainingStatus, frozenset[TrainingStatus]] = {
    S.PROPOSED: frozenset({S.ENROLLED, S.STARTED, S.ABANDONED}),
    S.ENROLLED: frozenset({S.STARTED, S.ABANDONED}),
    S.STARTED: frozenset({S.COMPLETED, S.ABANDONED}),
}
FIRST = frozenset({S.PROPOSED, S.ENROLLED, S.STARTED})
PLANNED = frozenset({S.PROPOSED, S.ENROLLED})


@stored
class TrainingRecorded(Event, frozen=True, kw_only=True):
    """A training was proposed to the person, or the person was enrolled, or it had started."""

    TOPIC: ClassVar[str] = "training.recorded"

    training_id: Case[UUID]
    theme: Case[str]
    theme_list: Case[str]
    kind: Case[TrainingKind]
    status: Case[TrainingStatus]
    start: Case[date]
    end: Case[date | None] = None
    need_id: Case[UUID | None] = None
    referral_id: Case[UUID | None] = None
    physical: Case[PhysicalDemand | None] = None
    health_theme: Health[str] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {"theme": self.theme, "kind": self.kind.value, "status": self.status.value}
        if self.physical is not None:
            attrs["physical"] = self.physical.value
        links = {"need_id": self.need_id, "referral_id": self.referral_id}
        pathway.add(
            self,
            self.training_id,
            type="training",
            start=self.start,
            end=self.end,
            state=FactState.PLANNED if self.status in PLANNED else FactState.DONE,
            attrs=attrs | {name: str(link) for name, link in links.items() if link is not None},
        )


@stored
class TrainingMoved(Event, frozen=True, kw_only=True):
    """A training changed state: its start and its end take the day on which they happened."""

    TOPIC: ClassVar[str] = "training.moved"

    training_id: Case[UUID]
    step_id: Case[UUID]
    status: Case[TrainingStatus]
    on: Case[date]
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        started = pathway.ledger.entries[self.training_id]
        sets = {"status": self.status.value}
        moves = None
        if self.status is S.STARTED:
            moves, sets["state"] = "start", FactState.DONE.value
        elif self.status is S.COMPLETED or (self.status is S.ABANDONED and has_started(pathway, started.id)):
            moves = "end"
        elif self.status is S.ABANDONED:
            sets["state"] = FactState.CANCELLED.value
        pathway.add(
            self,
            self.step_id,
            type=None,
            start=self.on,
            end=self.on,
            attrs={},
            part_of=self.training_id,
            moves=moves,
            sets=sets,
        )


def has_started(pathway: "Pathway", training_id: UUID) -> bool:
    training = pathway.ledger.current(training_id)
    return training is not None and training.state is FactState.DONE


class RecordTraining(Command, frozen=True, kw_only=True):
    """Record a training. `status` says how far it has come: proposed (default), enrolled or started.

    `physical` says how demanding it is for the body.
    """

    theme: Theme
    kind: TrainingKind = TrainingKind.OTHER
    status: TrainingStatus = TrainingStatus.PROPOSED
    start: date
    end: date | None = None
    need_id: UUID | None = None
    referral_id: UUID | None = None
    physical: PhysicalDemand | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        must_be_known(self.theme)
        if self.status not in FIRST:
            raise ImpossibleTransition(f"A training cannot be recorded as {self.status} at once.", field="/status")
        check = must_be_plausible if self.status in PLANNED else must_have_happened
        start = check(self.start, act, "/start", pathway)
        if self.end is not None:
            must_be_plausible(self.end, act, "/end", pathway)
            must_be_ordered(start, self.end, "/end")
        if self.need_id is not None:
            find_active_need(pathway, self.need_id, "/need_id")
        if self.referral_id is not None:
            pathway.find(self.referral_id, "referral")
        training_id = pathway.new_entry_id(self.id, act)
        theme, health_theme = public_theme(self.theme)
        pathway.record(
            TrainingRecorded,
            act,
            training_id=training_id,
            theme=theme,
            theme_list=THEME_LIST,
            kind=self.kind,
            status=self.status,
            start=start,
            end=self.end,
            need_id=self.need_id,
            referral_id=self.referral_id,
            physical=self.physical,
            health_theme=health_theme,
            note=self.note,
        )
        return training_id


class MoveTraining(Command, frozen=True, kw_only=True):
    """Say how a training goes on: enrolled, started, completed or abandoned."""

    training_id: UUID
    status: TrainingStatus
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        return move(pathway, act, self, ("training", self.training_id), NEXT, TrainingMoved)
