"""The referent: the one agency that answers for the whole pathway. A new one ends the previous and takes over."""

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, AgencyId, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_have_happened
from domain.errors import DomainError
from domain.moves import step_from
from domain.pathway import NotYours
from domain.supersession import supersede_moot_requests

if TYPE_CHECKING:
    from domain.pathway import Pathway


@stored
class ReferentAssigned(Event, frozen=True, kw_only=True):
    """An agency was named referent; the previous one, if any, no longer is."""

    TOPIC: ClassVar[str] = "referent.assigned"

    referent_id: Case[UUID]
    to_agency: Case[str]
    on: Case[date]
    ends: Case[UUID | None] = None
    """The entry of the previous referent."""
    from_agency: Case[str | None] = None
    because_of: Case[UUID | None] = None
    """The accepted transfer that named it."""
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {"to_agency": self.to_agency, "assigned_by": self.agency}
        if self.from_agency is not None:
            attrs |= {"from_agency": self.from_agency, "handed_over": self.because_of is not None}
        pathway.add(
            self,
            self.referent_id,
            type="referent",
            agency=self.to_agency,
            start=self.on,
            end=None,
            attrs=attrs,
            because_of=self.because_of,
            affects=(self.ends,) if self.ends is not None else (),
            moves="end" if self.ends is not None else None,
            exclusive=("referent",),
            admits=self.to_agency,
        )


@stored
class HandoverAcknowledged(Event, frozen=True, kw_only=True):
    """The new referent said that it has taken over from the previous one."""

    TOPIC: ClassVar[str] = "referent.handover-acknowledged"

    referent_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type="handover",
            start=self.on,
            end=self.on,
            attrs={"referent_id": str(self.referent_id)},
            part_of=self.referent_id,
            sets={"handed_over": True},
            inherits=("from_agency", "to_agency"),
        )


class AssignReferent(Command, frozen=True, kw_only=True):
    """Name the referent: the calling agency unless another is given."""

    to_agency: AgencyId | None = None
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        to_agency = self.to_agency or act.agency
        previous = pathway.lasting("referent")
        if previous is not None and previous.entry.agency == to_agency:
            raise AlreadyReferent(field="/to_agency")
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        if previous is not None:
            pathway.must_follow(previous, on, "/on")
        referent_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            ReferentAssigned,
            act,
            referent_id=referent_id,
            to_agency=to_agency,
            on=on,
            ends=previous.id if previous else None,
            from_agency=previous.entry.agency if previous else None,
            note=self.note,
        )
        supersede_moot_requests(pathway, act)
        return referent_id


class AcknowledgeHandover(Command, frozen=True, kw_only=True):
    """Say, as the new referent, that the pathway has been taken over from the previous one."""

    referent_id: UUID
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        referent = pathway.find(self.referent_id, "referent")
        if act.agency != referent.entry.agency:
            raise NotYours
        if referent.attrs.get("handed_over") is not False:
            raise NothingToTakeOver
        step_id, on = step_from(referent, self, act, pathway)
        pathway.record(HandoverAcknowledged, act, referent_id=self.referent_id, step_id=step_id, on=on, note=self.note)
        return step_id


class AlreadyReferent(DomainError):
    """This agency already is the referent."""

    code = "already_referent"
    title_fr = "Ce service est déjà le référent."


class NothingToTakeOver(DomainError):
    """There was no previous referent, or its handover is already acknowledged."""

    code = "nothing_to_take_over"
    title_fr = "Il n'y avait pas de référent précédent, ou la reprise est déjà confirmée."
