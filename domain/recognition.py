"""Recognising a person: an agency that has somebody before it, and looked for them, found that others know them.

It makes the agency no participant and opens nothing to it: those who take part are told, and may share.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act
from domain.compartments import Case
from domain.rights import Measure

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Sureness(StrEnum):
    CERTAIN = "certain"  # Names and birth date agree, or a phone number or e-mail address and the birth date.
    LIKELY = "likely"  # The family name sounds alike, with the same initial and birth date.


class SearchReason(StrEnum):
    """Why the agency looked."""

    RECEPTION = "reception"  # The person came, or called, and agrees.
    REFERRAL = "referral"  # Another service sends the person, who agrees.
    EMERGENCY = "emergency"


@stored
class PersonRecognised(Event, frozen=True, kw_only=True):
    """Another agency has this person before it."""

    TOPIC: ClassVar[str] = "person.recognised"

    search_id: Case[UUID]
    sureness: Case[Sureness]
    reason: Case[SearchReason]

    def apply(self, pathway: "Pathway") -> None:
        """Nothing of the pathway changes: those who take part decide what follows."""


class RecognisePerson(Measure, frozen=True, kw_only=True):
    """Comes from outside of the pathway, like the measures that rights ask for. A no-op for who takes part."""

    search_id: UUID
    sureness: Sureness
    reason: SearchReason

    def decide(self, pathway: "Pathway", act: Act) -> None:
        if act.agency not in pathway.participants:
            pathway.record(PersonRecognised, act, search_id=self.search_id, sureness=self.sureness, reason=self.reason)
