"""Referrals: one agency asks another to act. States follow FHIR Task as restricted by the Gravity SDOH guide.

The requester asks and cancels; the target accepts, rejects, starts, holds, completes, fails and cancels.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, AgencyId, Command, Text
from domain.compartments import Case, Health, Notes
from domain.dates import must_have_happened
from domain.facts import FactState
from domain.moves import step_from
from domain.needs import find_active_need
from domain.pathway import ImpossibleTransition, NotYours, ReasonRequired
from domain.themes import THEME_LIST, Theme, family_of, kind_of, must_be_known, public_theme

if TYPE_CHECKING:
    from domain.ledger import Current
    from domain.pathway import Pathway


class ReferralStatus(StrEnum):
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    IN_PROGRESS = "in-progress"
    ON_HOLD = "on-hold"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Urgency(StrEnum):
    ROUTINE = "routine"
    HIGH = "high"


S = ReferralStatus
NEXT: Mapping[ReferralStatus, frozenset[ReferralStatus]] = {
    S.REQUESTED: frozenset({S.ACCEPTED, S.REJECTED, S.CANCELLED}),
    S.ACCEPTED: frozenset({S.IN_PROGRESS, S.ON_HOLD, S.COMPLETED, S.FAILED, S.CANCELLED}),
    S.IN_PROGRESS: frozenset({S.ON_HOLD, S.COMPLETED, S.FAILED, S.CANCELLED}),
    S.ON_HOLD: frozenset({S.IN_PROGRESS, S.COMPLETED, S.FAILED, S.CANCELLED}),
}
REASON_REQUIRED = frozenset({S.REJECTED, S.CANCELLED, S.ON_HOLD, S.FAILED})
ANSWERS = frozenset({S.ACCEPTED, S.REJECTED})
OPEN = frozenset(NEXT)


@stored
class ReferralRequested(Event, frozen=True, kw_only=True):
    """An agency asked another to act on a need."""

    TOPIC: ClassVar[str] = "referral.requested"

    referral_id: Case[UUID]
    to_agency: Case[str]
    theme: Case[str]
    theme_list: Case[str]
    kind: Case[str]
    on: Case[date]
    urgency: Case[Urgency] = Urgency.ROUTINE
    need_id: Case[UUID | None] = None
    health_theme: Health[str] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {
            "kind": self.kind,
            "theme": self.theme,
            "family": family_of(self.theme),
            "from_agency": self.agency,
            "to_agency": self.to_agency,
            "urgency": self.urgency.value,
            "cross_agency": self.to_agency != self.agency,
            "status": ReferralStatus.REQUESTED.value,
        }
        if self.need_id is not None:
            attrs["need_id"] = str(self.need_id)
        pathway.add(
            self, self.referral_id, type="referral", start=self.on, end=self.on, attrs=attrs, admits=self.to_agency
        )


@stored
class ReferralMoved(Event, frozen=True, kw_only=True):
    """A referral changed state: answered, started, held, completed, failed or cancelled."""

    TOPIC: ClassVar[str] = "referral.moved"

    referral_id: Case[UUID]
    step_id: Case[UUID]
    status: Case[ReferralStatus]
    on: Case[date]
    superseded_by: Case[UUID | None] = None
    """The entry that made the request moot; the referral is then cancelled for as long as that entry stands."""
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        rejected = self.status is ReferralStatus.REJECTED
        sets: dict[str, Any] = {"status": self.status.value}
        if self.status is ReferralStatus.CANCELLED:
            sets["state"] = FactState.CANCELLED.value
        if self.superseded_by is not None:
            sets["superseded"] = True
        pathway.add(
            self,
            self.step_id,
            type="referral_ack" if self.status in ANSWERS else "referral_step",
            start=self.on,
            end=self.on,
            attrs={"referral_id": str(self.referral_id), "outcome": "refused" if rejected else self.status.value},
            part_of=self.referral_id,
            because_of=self.superseded_by,
            sets=sets,
            inherits=("theme", "kind"),
        )


class RequestReferral(Command, frozen=True, kw_only=True):
    """Ask another agency to act on a need. The need's id links the referral to the diagnosis that found it."""

    to_agency: AgencyId
    theme: Theme
    on: date | None = None
    urgency: Urgency = Urgency.ROUTINE
    need_id: UUID | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        must_be_known(self.theme)
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        if self.need_id is not None:
            find_active_need(pathway, self.need_id, "/need_id")
        referral_id = pathway.new_entry_id(self.id, act)
        theme, health_theme = public_theme(self.theme)
        pathway.record(
            ReferralRequested,
            act,
            referral_id=referral_id,
            to_agency=self.to_agency,
            theme=theme,
            theme_list=THEME_LIST,
            kind=kind_of(self.theme),
            on=on,
            urgency=self.urgency,
            need_id=self.need_id,
            health_theme=health_theme,
            note=self.note,
        )
        return referral_id


class MoveReferral(Command, frozen=True, kw_only=True):
    """Answer a referral or say how it goes on. A reason is required to reject, hold, fail or cancel."""

    referral_id: UUID
    status: ReferralStatus
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        referral = pathway.find(self.referral_id, "referral")
        self._check_who(referral, act)
        self._check_transition(referral)
        step_id, on = step_from(referral, self, act, pathway)
        pathway.record(
            ReferralMoved,
            act,
            referral_id=self.referral_id,
            step_id=step_id,
            status=self.status,
            on=on,
            reason=self.reason,
        )
        return step_id

    def _check_who(self, referral: "Current", act: Act) -> None:
        allowed = {referral.attrs["to_agency"]}
        if self.status is ReferralStatus.CANCELLED:
            allowed.add(referral.attrs["from_agency"])
        if act.agency not in allowed:
            raise NotYours("Only the agency asked may answer; only the two agencies concerned may cancel.")

    def _check_transition(self, referral: "Current") -> None:
        status = ReferralStatus(referral.attrs["status"])
        if self.status not in NEXT.get(status, ()):
            raise ImpossibleTransition(f"From {status} a referral cannot become {self.status}.", field="/status")
        if self.status in REASON_REQUIRED and not self.reason:
            raise ReasonRequired(field="/reason")
