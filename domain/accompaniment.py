"""Accompaniments: an agency walks along with the person for a while, socio-professional, housing, health..."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_be_ordered, must_be_plausible, must_have_happened
from domain.facts import FactState
from domain.moves import move
from domain.needs import find_active_need

if TYPE_CHECKING:
    from domain.pathway import Pathway


class AccompanimentKind(StrEnum):
    SOCIO_PROFESSIONAL = "socio_professional"
    SOCIAL = "social"
    EMPLOYMENT = "employment"
    HOUSING = "housing"
    HEALTH = "health"
    FAMILY = "family"
    BUDGET = "budget"
    MOBILITY = "mobility"
    DIGITAL = "digital"
    OTHER = "other"


class AccompanimentStatus(StrEnum):
    PLANNED = "planned"
    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"


S = AccompanimentStatus
NEXT: Mapping[AccompanimentStatus, frozenset[AccompanimentStatus]] = {
    S.PLANNED: frozenset({S.STARTED, S.CANCELLED}),
    S.STARTED: frozenset({S.ENDED}),
}


@stored
class AccompanimentRecorded(Event, frozen=True, kw_only=True):
    """An agency planned or started an accompaniment."""

    TOPIC: ClassVar[str] = "accompaniment.recorded"

    accompaniment_id: Case[UUID]
    kind: Case[AccompanimentKind]
    status: Case[AccompanimentStatus]
    start: Case[date]
    end: Case[date | None] = None
    need_id: Case[UUID | None] = None
    referral_id: Case[UUID | None] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {"kind": self.kind.value, "status": self.status.value}
        links = {"need_id": self.need_id, "referral_id": self.referral_id}
        pathway.add(
            self,
            self.accompaniment_id,
            type="accompaniment",
            start=self.start,
            end=self.end,
            state=FactState.PLANNED if self.status is S.PLANNED else FactState.DONE,
            attrs=attrs | {name: str(link) for name, link in links.items() if link is not None},
            admits=self.agency,  # Whoever walks along takes part.
        )


EFFECTS: Mapping[AccompanimentStatus, tuple[str | None, FactState]] = {
    S.STARTED: ("start", FactState.DONE),
    S.ENDED: ("end", FactState.DONE),
    S.CANCELLED: (None, FactState.CANCELLED),
}


@stored
class AccompanimentMoved(Event, frozen=True, kw_only=True):
    """A planned accompaniment started or was cancelled; a started one ended."""

    TOPIC: ClassVar[str] = "accompaniment.moved"

    accompaniment_id: Case[UUID]
    step_id: Case[UUID]
    status: Case[AccompanimentStatus]
    on: Case[date]
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        moves, state = EFFECTS[self.status]
        pathway.add(
            self,
            self.step_id,
            type=None,
            start=self.on,
            end=self.on,
            attrs={},
            part_of=self.accompaniment_id,
            moves=moves,
            sets={"state": state.value, "status": self.status.value},
        )


class RecordAccompaniment(Command, frozen=True, kw_only=True):
    """Record an accompaniment, started or planned. `end` is when it should end, where that is known."""

    kind: AccompanimentKind
    start: date
    end: date | None = None
    planned: bool = False
    need_id: UUID | None = None
    referral_id: UUID | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        check = must_be_plausible if self.planned else must_have_happened
        start = check(self.start, act, "/start", pathway)
        if self.end is not None:
            must_be_plausible(self.end, act, "/end", pathway)
            must_be_ordered(start, self.end, "/end")
        if self.need_id is not None:
            find_active_need(pathway, self.need_id, "/need_id")
        if self.referral_id is not None:
            pathway.find(self.referral_id, "referral")
        accompaniment_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            AccompanimentRecorded,
            act,
            accompaniment_id=accompaniment_id,
            kind=self.kind,
            status=S.PLANNED if self.planned else S.STARTED,
            start=start,
            end=self.end,
            need_id=self.need_id,
            referral_id=self.referral_id,
            note=self.note,
        )
        return accompaniment_id


class MoveAccompaniment(Command, frozen=True, kw_only=True):
    """Say that an accompaniment started, ended or will not take place."""

    accompaniment_id: UUID
    status: AccompanimentStatus
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        return move(pathway, act, self, ("accompaniment", self.accompaniment_id), NEXT, AccompanimentMoved)
