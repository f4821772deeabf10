"""Diagnoses: the needs that an agency found with the person, by theme. Each need is a fact of its own.

A diagnosis is revised by a new one that replaces some needs; a need that no longer exists is withdrawn.
"""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from uuid import UUID

import msgspec

from domain.aggregate import Event, stored
from domain.clearance import Restriction
from domain.command import Act, Command, Text
from domain.compartments import Case, Health, Notes
from domain.dates import must_be_ordered, must_be_plausible, must_have_happened
from domain.errors import DomainError
from domain.facts import FactState
from domain.moves import step_from
from domain.needs import ACTIVE, REPLACED, WITHDRAWN, find_active_need, need_attrs
from domain.pathway import NotYours
from domain.supersession import supersede_moot_requests
from domain.themes import THEME_LIST, Theme, kind_of, must_be_known, public_theme

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Need(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A need as facts may hold it: of a health need, the family only."""

    need_id: UUID
    theme: str
    kind: str
    restriction: Restriction | None = None
    """What work it bars for now."""


class HealthNeed(msgspec.Struct, frozen=True, kw_only=True):
    """The full theme of a health need."""

    need_id: UUID
    theme: str


@stored
class DiagnosisRecorded(Event, frozen=True, kw_only=True):
    """An agency made a diagnosis with the person, perhaps in place of needs found before."""

    TOPIC: ClassVar[str] = "diagnosis.recorded"

    diagnosis_id: Case[UUID]
    on: Case[date]
    valid_until: Case[date | None] = None
    theme_list: Case[str]
    needs: Case[tuple[Need, ...]] = ()
    replaces: Case[tuple[UUID, ...]] = ()
    health_needs: Health[tuple[HealthNeed, ...]] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        shared = {"valid_until": self.valid_until.isoformat()} if self.valid_until else {}
        pathway.add(
            self,
            self.diagnosis_id,
            type=None if self.needs else "diagnosis",
            start=self.on,
            end=self.on,
            attrs={"needs": [], "diagnosis_id": str(self.diagnosis_id), "status": ACTIVE, **shared},
            affects=self.replaces,
            sets={"status": REPLACED, "state": FactState.CANCELLED.value} if self.replaces else {},
        )
        for need in self.needs:
            pathway.add(
                self,
                need.need_id,
                type="diagnosis",
                start=self.on,
                end=self.on,
                attrs=self._attrs_of(need),
                part_of=self.diagnosis_id,
                inherits=("start", "valid_until"),
            )

    def _attrs_of(self, need: Need) -> dict[str, Any]:
        attrs = need_attrs(need.theme, need.kind) | {"diagnosis_id": str(self.diagnosis_id), "status": ACTIVE}
        return attrs if need.restriction is None else attrs | {"restriction": need.restriction.value}


@stored
class NeedWithdrawn(Event, frozen=True, kw_only=True):
    """A need no longer exists: met, or no longer wished for."""

    TOPIC: ClassVar[str] = "need.withdrawn"

    need_id: Case[UUID]
    step_id: Case[UUID]
    on: Case[date]
    reason: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.step_id,
            type="need_withdrawn",
            start=self.on,
            end=self.on,
            attrs={"need_id": str(self.need_id)},
            part_of=self.need_id,
            sets={"status": WITHDRAWN},
            inherits=("theme", "family", "kind"),
        )


class FoundNeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One need that the diagnosis found, with the work that it bars for now, if any."""

    theme: Theme
    restriction: Restriction | None = None
    id: UUID | None = None


class RecordDiagnosis(Command, frozen=True, kw_only=True):
    """Record a diagnosis with the needs it found. `replaces` lists earlier needs that it revises."""

    needs: Annotated[tuple[FoundNeed, ...], msgspec.Meta(max_length=50)] = ()
    on: date | None = None
    valid_until: date | None = None
    replaces: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=50)] = ()
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        if self.valid_until is not None:
            must_be_plausible(self.valid_until, act, "/valid_until", pathway)
            must_be_ordered(on, self.valid_until, "/valid_until")
        self._check_replaced(pathway, on)
        diagnosis_id = pathway.new_entry_id(self.id, act)
        needs, health_needs = self._needs(pathway, act, diagnosis_id)
        pathway.record(
            DiagnosisRecorded,
            act,
            diagnosis_id=diagnosis_id,
            on=on,
            valid_until=self.valid_until,
            theme_list=THEME_LIST,
            needs=needs,
            replaces=self.replaces,
            health_needs=health_needs or None,
            note=self.note,
        )
        if self.replaces:
            supersede_moot_requests(pathway, act)
        return diagnosis_id

    def _check_replaced(self, pathway: "Pathway", on: date) -> None:
        if len(set(self.replaces)) < len(self.replaces):
            raise SaidTwice(field="/replaces")
        for number, need_id in enumerate(self.replaces):
            need = find_active_need(pathway, need_id, f"/replaces/{number}")
            pathway.must_follow(need, on, "/on")

    def _needs(
        self, pathway: "Pathway", act: Act, diagnosis_id: UUID
    ) -> tuple[tuple[Need, ...], tuple[HealthNeed, ...]]:
        needs, health_needs, taken = [], [], {diagnosis_id}
        for number, found in enumerate(self.needs):
            must_be_known(found.theme, f"/needs/{number}/theme")
            need_id = pathway.new_entry_id(found.id, act)
            if need_id in taken or found.theme in {other.theme for other in self.needs[:number]}:
                raise SaidTwice(field=f"/needs/{number}")
            taken.add(need_id)
            theme, health_theme = public_theme(found.theme)
            needs.append(Need(need_id=need_id, theme=theme, kind=kind_of(found.theme), restriction=found.restriction))
            if health_theme is not None:
                health_needs.append(HealthNeed(need_id=need_id, theme=health_theme))
        return tuple(needs), tuple(health_needs)


class WithdrawNeed(Command, frozen=True, kw_only=True):
    """Say that a need no longer exists. Only the agency that found it or the referent may."""

    need_id: UUID
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        need = find_active_need(pathway, self.need_id, "/need_id")
        if act.agency not in {need.entry.recorded_by, pathway.referent}:
            raise NotYours
        step_id, on = step_from(need, self, act, pathway)
        pathway.record(NeedWithdrawn, act, need_id=self.need_id, step_id=step_id, on=on, reason=self.reason)
        supersede_moot_requests(pathway, act)
        return step_id


class SaidTwice(DomainError):
    """The same thing is listed twice."""

    code = "said_twice"
    status = 422
    title_fr = "La même chose figure deux fois dans la liste."
