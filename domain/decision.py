"""Decisions that bind the person or the services: on a request, an aid, a sanction. Made, then notified."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Health, Notes
from domain.dates import must_have_happened
from domain.moves import step_from
from domain.pathway import ImpossibleTransition
from domain.themes import THEME_LIST, Theme, must_be_known, public_theme

if TYPE_CHECKING:
    from domain.pathway import Pathway


class DecisionKind(StrEnum):
    AID = "aid"
    HOUSING = "housing"
    TRAINING = "training"
    REORIENTATION = "reorientation"
    REEXAMINATION = "reexamination"
    TEAM_OPINION = "team_opinion"
    """The opinion of the multidisciplinary team, which some decisions need."""
    SANCTION = "sanction"
    OTHER = "other"


class DecisionOutcome(StrEnum):
    FAVOURABLE = "favourable"
    UNFAVOURABLE = "unfavourable"
    DEFERRED = "deferred"


MADE, NOTIFIED = "made", "notified"


@stored
class DecisionMade(Event, frozen=True, kw_only=True):
    """An agency decided."""

    TOPIC: ClassVar[str] = "decision.made"

    decision_id: Case[UUID]
    kind: Case[DecisionKind]
    outcome: Case[DecisionOutcome]
    on: Case[date]
    theme: Case[str | None] = None
    theme_list: Case[str | None] = None
    referral_id: Case[UUID | None] = None
    """The request that it answers."""
    health_theme: Health[str] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {"kind": self.kind.value, "outcome": self.outcome.value, "status": MADE}
        if self.theme is not None:
            attrs["theme"] = self.theme
        if self.referral_id is not None:
            attrs["referral_id"] = str(self.referral_id)
        pathway.add(self, self.decision_id, type="decision", start=self.on, end=self.on, attrs=attrs)


@stored
class DecisionNotified(Event, frozen=True, kw_only=True):
    """The person was told of a decision."""

    TOPIC: ClassVar[str] = "decision.notified"

    decision_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type="decision_notified",
            start=self.on,
            end=self.on,
            attrs={"decision_id": str(self.decision_id)},
            part_of=self.decision_id,
            sets={"status": NOTIFIED},
            inherits=("kind", "theme"),
        )


class MakeDecision(Command, frozen=True, kw_only=True):
    """Record a decision. Its theme is that of the referral it answers, unless another is given."""

    kind: DecisionKind
    outcome: DecisionOutcome
    theme: Theme | None = None
    referral_id: UUID | None = None
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        theme, health_theme = self._theme(pathway)
        decision_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            DecisionMade,
            act,
            decision_id=decision_id,
            kind=self.kind,
            outcome=self.outcome,
            on=on,
            theme=theme,
            theme_list=THEME_LIST if theme else None,
            referral_id=self.referral_id,
            health_theme=health_theme,
            note=self.note,
        )
        return decision_id

    def _theme(self, pathway: "Pathway") -> tuple[str | None, str | None]:
        referral = None if self.referral_id is None else pathway.find(self.referral_id, "referral")
        if self.theme is not None:
            must_be_known(self.theme)
            return public_theme(self.theme)
        return (None if referral is None else referral.attrs["theme"]), None


class NotifyDecision(Command, frozen=True, kw_only=True):
    """Say that the person was told of a decision, and when."""

    decision_id: UUID
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        decision = pathway.find(self.decision_id, "decision")
        if decision.attrs["status"] != MADE:
            raise ImpossibleTransition("The person was already told of this decision.")
        step_id, on = step_from(decision, self, act, pathway)
        pathway.record(DecisionNotified, act, decision_id=self.decision_id, step_id=step_id, on=on, note=self.note)
        return step_id
