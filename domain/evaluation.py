"""Evaluations: what a training brought the person, once it has begun."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.moves import day_after_start, find_started

if TYPE_CHECKING:
    from domain.pathway import Pathway


class EvaluationOutcome(StrEnum):
    ACQUIRED = "acquired"
    PARTLY_ACQUIRED = "partly_acquired"
    NOT_ACQUIRED = "not_acquired"
    NOT_ASSESSED = "not_assessed"


@stored
class TrainingEvaluated(Event, frozen=True, kw_only=True):
    """What a training brought was assessed with the person."""

    TOPIC: ClassVar[str] = "training.evaluated"

    evaluation_id: Case[UUID]
    training_id: Case[UUID]
    outcome: Case[EvaluationOutcome]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.evaluation_id,
            type="evaluation",
            start=self.on,
            end=self.on,
            attrs={"training_id": str(self.training_id), "outcome": self.outcome.value},
            part_of=self.training_id,
            inherits=("theme", "kind"),
        )


class EvaluateTraining(Command, frozen=True, kw_only=True):
    """Record what a training that has started brought the person."""

    training_id: UUID
    outcome: EvaluationOutcome
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        training = find_started(pathway, self.training_id, "training")
        on = day_after_start(training, self.on, act, pathway)
        evaluation_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            TrainingEvaluated,
            act,
            evaluation_id=evaluation_id,
            training_id=self.training_id,
            outcome=self.outcome,
            on=on,
            note=self.note,
        )
        return evaluation_id
