"""How an accompaniment is followed: reviewed while it lasts, summed up when it ends."""

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


class ReviewOutcome(StrEnum):
    CONTINUE = "continue"
    ADJUST = "adjust"
    END = "end"


class SummaryOutcome(StrEnum):
    REACHED = "reached"
    PARTLY_REACHED = "partly_reached"
    NOT_REACHED = "not_reached"
    INTERRUPTED = "interrupted"


@stored
class AccompanimentReviewed(Event, frozen=True, kw_only=True):
    """Where an accompaniment stands was looked at with the person."""

    TOPIC: ClassVar[str] = "accompaniment.reviewed"

    review_id: Case[UUID]
    accompaniment_id: Case[UUID]
    outcome: Case[ReviewOutcome]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.review_id,
            type="review",
            start=self.on,
            end=self.on,
            attrs={"accompaniment_id": str(self.accompaniment_id), "outcome": self.outcome.value},
            part_of=self.accompaniment_id,
            inherits=("kind",),
        )


@stored
class AccompanimentSummedUp(Event, frozen=True, kw_only=True):
    """What an accompaniment came to was written down."""

    TOPIC: ClassVar[str] = "accompaniment.summed-up"

    summary_id: Case[UUID]
    accompaniment_id: Case[UUID]
    outcome: Case[SummaryOutcome]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.summary_id,
            type="summary",
            start=self.on,
            end=self.on,
            attrs={"accompaniment_id": str(self.accompaniment_id), "outcome": self.outcome.value},
            part_of=self.accompaniment_id,
            inherits=("kind",),
        )


class ReviewAccompaniment(Command, frozen=True, kw_only=True):
    """Record a review of an accompaniment that has started: it continues, is adjusted or should end."""

    accompaniment_id: UUID
    outcome: ReviewOutcome = ReviewOutcome.CONTINUE
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        accompaniment = find_started(pathway, self.accompaniment_id, "accompaniment")
        on = day_after_start(accompaniment, self.on, act, pathway)
        review_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            AccompanimentReviewed,
            act,
            review_id=review_id,
            accompaniment_id=self.accompaniment_id,
            outcome=self.outcome,
            on=on,
            note=self.note,
        )
        return review_id


class SumUpAccompaniment(Command, frozen=True, kw_only=True):
    """Record what an accompaniment came to, even once the pathway is closed."""

    accompaniment_id: UUID
    outcome: SummaryOutcome
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        accompaniment = find_started(pathway, self.accompaniment_id, "accompaniment")
        on = day_after_start(accompaniment, self.on, act, pathway)
        summary_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            AccompanimentSummedUp,
            act,
            summary_id=summary_id,
            accompaniment_id=self.accompaniment_id,
            outcome=self.outcome,
            on=on,
            note=self.note,
        )
        return summary_id
