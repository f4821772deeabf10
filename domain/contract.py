"""Engagement contracts between the person and an agency (CEJ, CER, PPAE, PACEA, contrat d'engagement)."""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_be_ordered, must_be_plausible, must_have_happened
from domain.moves import step_from
from domain.pathway import ImpossibleTransition

if TYPE_CHECKING:
    from domain.pathway import Pathway


class ContractKind(StrEnum):
    CONTRAT_ENGAGEMENT = "contrat-engagement"
    CEJ = "cej"
    CER = "cer"
    PPAE = "ppae"
    PACEA = "pacea"


SIGNED, ENDED = "signed", "ended"


@stored
class ContractSigned(Event, frozen=True, kw_only=True):
    """The person and an agency signed a contract."""

    TOPIC: ClassVar[str] = "contract.signed"

    contract_id: Case[UUID]
    kind: Case[ContractKind]
    on: Case[date]
    until: Case[date | None] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.contract_id,
            type="engagement_contract",
            start=self.on,
            end=self.until,
            attrs={"kind": self.kind.value, "status": SIGNED},
        )


@stored
class ContractEnded(Event, frozen=True, kw_only=True):
    """A contract came to its end, at its term or before."""

    TOPIC: ClassVar[str] = "contract.ended"

    contract_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type=None,
            start=self.on,
            end=self.on,
            attrs={},
            part_of=self.contract_id,
            moves="end",
            sets={"status": ENDED},
        )


class SignContract(Command, frozen=True, kw_only=True):
    """Record a signed contract, with its term where it has one."""

    kind: ContractKind
    on: date | None = None
    until: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        if self.until is not None:
            must_be_plausible(self.until, act, "/until", pathway)
            must_be_ordered(on, self.until, "/until")
        contract_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            ContractSigned, act, contract_id=contract_id, kind=self.kind, on=on, until=self.until, note=self.note
        )
        return contract_id


class EndContract(Command, frozen=True, kw_only=True):
    """Record that a contract has ended."""

    contract_id: UUID
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        contract = pathway.find(self.contract_id, "engagement_contract")
        if contract.attrs["status"] != SIGNED:
            raise ImpossibleTransition("This contract has already ended.")
        step_id, on = step_from(contract, self, act, pathway)
        pathway.record(ContractEnded, act, contract_id=self.contract_id, step_id=step_id, on=on, reason=self.reason)
        return step_id
