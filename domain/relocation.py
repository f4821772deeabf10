"""Relocations: the person moves home, perhaps out of the territory. Planned, then done or cancelled."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_be_plausible, must_have_happened
from domain.facts import FactState
from domain.moves import move
from domain.zones import Zone, changes_territory

if TYPE_CHECKING:
    from domain.pathway import Pathway


class RelocationStatus(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


S = RelocationStatus
NEXT: Mapping[RelocationStatus, frozenset[RelocationStatus]] = {S.PLANNED: frozenset({S.DONE, S.CANCELLED})}


@stored
class RelocationRecorded(Event, frozen=True, kw_only=True):
    """A move from one zone to another was planned, or had taken place."""

    TOPIC: ClassVar[str] = "relocation.recorded"

    relocation_id: Case[UUID]
    status: Case[RelocationStatus]
    on: Case[date]
    to_zone: Case[str]
    from_zone: Case[str | None] = None
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.relocation_id,
            type="relocation",
            start=self.on,
            end=self.on,
            state=FactState(self.status.value),
            attrs=zone_attrs(self.from_zone, self.to_zone, pathway.territory) | {"status": self.status.value},
        )


def zone_attrs(from_zone: str | None, to_zone: str, territory: str) -> dict[str, Any]:
    """Where a move comes from is the pathway's territory unless it is known better."""
    attrs: dict[str, Any] = {
        "to_zone": to_zone,
        "territory_changed": changes_territory(from_zone or territory, to_zone),
    }
    return attrs | ({"from_zone": from_zone} if from_zone is not None else {})


@stored
class RelocationMoved(Event, frozen=True, kw_only=True):
    """A planned move took place, or will not."""

    TOPIC: ClassVar[str] = "relocation.moved"

    relocation_id: Case[UUID]
    step_id: Case[UUID]
    status: Case[RelocationStatus]
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
            part_of=self.relocation_id,
            moves="start" if self.status is S.DONE else None,
            sets={"state": self.status.value, "status": self.status.value},
        )


class RecordRelocation(Command, frozen=True, kw_only=True):
    """Record a move, planned or done. A zone is an INSEE commune code or a territory code."""

    to_zone: Zone
    from_zone: Zone | None = None
    on: date
    planned: bool = False
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        check = must_be_plausible if self.planned else must_have_happened
        on = check(self.on, act, "/on", pathway)
        relocation_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            RelocationRecorded,
            act,
            relocation_id=relocation_id,
            status=S.PLANNED if self.planned else S.DONE,
            on=on,
            to_zone=self.to_zone,
            from_zone=self.from_zone,
            note=self.note,
        )
        return relocation_id


class MoveRelocation(Command, frozen=True, kw_only=True):
    """Say that a planned move took place, and when, or that it will not."""

    relocation_id: UUID
    status: RelocationStatus
    on: date | None = None
    reason: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        return move(pathway, act, self, ("relocation", self.relocation_id), NEXT, RelocationMoved)
