"""Medical clearances: a health professional lifts a restriction that a diagnosis noted.

Both are said as occupational medicine says them, by what work they bar: never by the condition behind them.
"""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_have_happened

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Restriction(StrEnum):
    HEAVY_WORK = "heavy_work"
    STANDING = "standing"
    HEIGHTS = "heights"
    NIGHT_WORK = "night_work"
    DRIVING = "driving"


@stored
class MedicalClearanceGiven(Event, frozen=True, kw_only=True):
    """A restriction no longer stands."""

    TOPIC: ClassVar[str] = "medical-clearance.given"

    clearance_id: Case[UUID]
    restriction: Case[Restriction]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.clearance_id,
            type="medical_clearance",
            start=self.on,
            end=self.on,
            attrs={"restriction": self.restriction.value},
        )


class GiveMedicalClearance(Command, frozen=True, kw_only=True):
    """Record that a health professional lifted a restriction. The condition behind it has no place here."""

    restriction: Restriction
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        clearance_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            MedicalClearanceGiven,
            act,
            clearance_id=clearance_id,
            restriction=self.restriction,
            on=on,
            note=self.note,
        )
        return clearance_id
