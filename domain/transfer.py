"""Transfers: one agency asks another, here or in another territory, to take the whole pathway over."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, AgencyId, Command, Territory, Text
from domain.compartments import Case, Notes
from domain.dates import must_have_happened
from domain.errors import DomainError
from domain.facts import FactState
from domain.pathway import ImpossibleTransition, NotYours, ReasonRequired
from domain.referent import ReferentAssigned
from domain.supersession import supersede_moot_requests

if TYPE_CHECKING:
    from domain.ledger import Current
    from domain.pathway import Pathway


class TransferStatus(StrEnum):
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


S = TransferStatus
NEXT: Mapping[TransferStatus, frozenset[TransferStatus]] = {
    S.REQUESTED: frozenset({S.ACCEPTED, S.REJECTED, S.CANCELLED})
}


@stored
class TransferRequested(Event, frozen=True, kw_only=True):
    """An agency asked another to take the pathway over."""

    TOPIC: ClassVar[str] = "transfer.requested"

    transfer_id: Case[UUID]
    to_agency: Case[str]
    to_territory: Case[str]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        attrs: dict[str, Any] = {
            "from_agency": self.agency,
            "to_agency": self.to_agency,
            "to_territory": self.to_territory,
            "territory_changed": self.to_territory != pathway.territory,
            "status": S.REQUESTED.value,
        }
        stays = self.to_territory == pathway.territory
        pathway.add(
            self,
            self.transfer_id,
            type="transfer",
            start=self.on,
            end=self.on,
            attrs=attrs,
            admits=self.to_agency if stays else None,
        )


@stored
class TransferMoved(Event, frozen=True, kw_only=True):
    """A transfer was accepted, which hands the pathway over, or rejected, or cancelled."""

    TOPIC: ClassVar[str] = "transfer.moved"

    transfer_id: Case[UUID]
    step_id: Case[UUID]
    status: Case[TransferStatus]
    on: Case[date]
    superseded_by: Case[UUID | None] = None
    """The entry that made the request moot; the transfer is then cancelled for as long as that entry stands."""
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        sets: dict[str, Any] = {"status": self.status.value}
        if self.status is S.CANCELLED:
            sets["state"] = FactState.CANCELLED.value
        if self.superseded_by is not None:
            sets["superseded"] = True
        pathway.add(
            self,
            self.step_id,
            type="handover" if self.status is S.ACCEPTED else None,
            start=self.on,
            end=self.on,
            attrs={"transfer_id": str(self.transfer_id)},
            part_of=self.transfer_id,
            because_of=self.superseded_by,
            sets=sets,
            inherits=("from_agency", "to_agency", "territory_changed"),
        )


class RequestTransfer(Command, frozen=True, kw_only=True):
    """Ask another agency to take the whole pathway over. Without `to_territory` it stays in this one."""

    to_agency: AgencyId
    to_territory: Territory | None = None
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        to_territory = self.to_territory or pathway.territory
        if to_territory == pathway.territory and self.to_agency == pathway.referent:
            raise AlreadyInCharge(field="/to_agency")
        if any(transfer.attrs["status"] == S.REQUESTED for transfer in pathway.ledger.of_type("transfer")):
            raise TransferPending
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        transfer_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            TransferRequested,
            act,
            transfer_id=transfer_id,
            to_agency=self.to_agency,
            to_territory=to_territory,
            on=on,
            note=self.note,
        )
        return transfer_id


class MoveTransfer(Command, frozen=True, kw_only=True):
    """Answer a transfer, or cancel it. Accepting one inside the territory makes the agency the referent.

    An agency of another territory has no hand here: the requester records its answer.
    """

    transfer_id: UUID
    status: TransferStatus
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        transfer = pathway.find(self.transfer_id, "transfer")
        self._check_who(transfer, act)
        status = TransferStatus(transfer.attrs["status"])
        if self.status not in NEXT.get(status, ()):
            raise ImpossibleTransition(f"From {status} a transfer cannot become {self.status}.", field="/status")
        if self.status is S.REJECTED and not self.reason:
            raise ReasonRequired(field="/reason")
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        pathway.must_follow(transfer, on, "/on")
        self._check_referent(pathway, transfer, on)
        step_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            TransferMoved,
            act,
            transfer_id=self.transfer_id,
            step_id=step_id,
            status=self.status,
            on=on,
            reason=self.reason,
        )
        if self._hands_over(transfer):
            self._assign(pathway, transfer, act, step_id, on)
            supersede_moot_requests(pathway, act)
        return step_id

    def _check_who(self, transfer: "Current", act: Act) -> None:
        asked, asker = transfer.attrs["to_agency"], transfer.attrs["from_agency"]
        answers = asker if transfer.attrs["territory_changed"] else asked
        allowed = {asked, asker} if self.status is S.CANCELLED else {answers}
        if act.agency not in allowed:
            raise NotYours

    def _hands_over(self, transfer: "Current") -> bool:
        return self.status is S.ACCEPTED and not transfer.attrs["territory_changed"]

    def _check_referent(self, pathway: "Pathway", transfer: "Current", on: date) -> None:
        previous = pathway.lasting("referent")
        if previous is not None and self._hands_over(transfer):
            pathway.must_follow(previous, on, "/on")

    def _assign(self, pathway: "Pathway", transfer: "Current", act: Act, step_id: UUID, on: date) -> None:
        previous = pathway.lasting("referent")
        pathway.record(
            ReferentAssigned,
            act,
            referent_id=act.new_id(),
            to_agency=transfer.attrs["to_agency"],
            on=on,
            ends=previous.id if previous else None,
            from_agency=previous.entry.agency if previous else None,
            because_of=step_id,
        )


class AlreadyInCharge(DomainError):
    """This agency already is the referent."""

    code = "already_in_charge"
    title_fr = "Ce service est déjà le référent."


class TransferPending(DomainError):
    """A transfer is already waiting for an answer."""

    code = "transfer_pending"
    title_fr = "Un transfert attend déjà sa réponse."
