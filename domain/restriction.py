"""Restriction (GDPR art. 18): the person's data are kept, and neither used nor shown, until it is lifted.

Contesting (art. 16) is what usually comes before: the person says that an entry is wrong, and every reader sees it.
"""

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.errors import DomainError
from domain.rights import Lasting, Measure

if TYPE_CHECKING:
    from domain.pathway import Pathway


class RestrictionGround(StrEnum):
    """Why: the four cases of art. 18, 1, and the end of the time for which data may be used (art. 5, 1 e)."""

    ACCURACY_CONTESTED = "accuracy_contested"
    UNLAWFUL = "unlawful"
    NEEDED_FOR_CLAIM = "needed_for_claim"
    OBJECTION_PENDING = "objection_pending"
    RETENTION = "retention"


@stored
class PathwayRestricted(Event, frozen=True, kw_only=True):
    """From now on the person's data are only kept."""

    TOPIC: ClassVar[str] = "pathway.restricted"

    restriction_id: Case[UUID]
    ground: Case[RestrictionGround]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.rights.restriction = Lasting(self.restriction_id, self.ground.value, self.on)


@stored
class RestrictionLifted(Event, frozen=True, kw_only=True):
    """The person's data may be used again."""

    TOPIC: ClassVar[str] = "pathway.restriction-lifted"

    restriction_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.rights.restriction = None
        pathway.rights.released_on = self.on


@stored
class EntryContested(Event, frozen=True, kw_only=True):
    """The person says that an entry is not right."""

    TOPIC: ClassVar[str] = "entry.contested"

    entry_id: Case[UUID]
    contest_id: Case[UUID]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.rights.contested[self.entry_id] = self.contest_id


class ContestOutcome(StrEnum):
    CORRECTED = "corrected"
    MAINTAINED = "maintained"
    WITHDRAWN = "withdrawn"


@stored
class ContestSettled(Event, frozen=True, kw_only=True):
    """What the person contested was looked into."""

    TOPIC: ClassVar[str] = "entry.contest-settled"

    entry_id: Case[UUID]
    contest_id: Case[UUID]
    outcome: Case[ContestOutcome]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.rights.contested.pop(self.entry_id, None)


class RestrictPathway(Measure, frozen=True, kw_only=True):
    """Keep the person's data without using them: no service reads or adds anything, no rule looks at them."""

    ground: RestrictionGround
    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        if pathway.rights.restriction is not None:
            raise AlreadyRestricted
        restriction_id = act.new_id()
        pathway.record(
            PathwayRestricted, act, restriction_id=restriction_id, ground=self.ground, on=act.today, note=self.note
        )
        return restriction_id


class LiftRestriction(Measure, frozen=True, kw_only=True):
    """Let the person's data be used again. The person is told before (art. 18, 3)."""

    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        restriction = pathway.rights.restriction
        if restriction is None:
            raise NotRestricted
        pathway.record(RestrictionLifted, act, restriction_id=restriction.id, on=act.today, note=self.note)


class ContestEntry(Command, frozen=True, kw_only=True):
    """Record that the person says an entry is not right: whoever reads it sees that it is contested."""

    entry_id: UUID
    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        pathway.find(self.entry_id)
        if self.entry_id in pathway.rights.contested:
            raise AlreadyContested
        pathway.record(
            EntryContested, act, entry_id=self.entry_id, contest_id=act.new_id(), on=act.today, note=self.note
        )


class SettleContest(Command, frozen=True, kw_only=True):
    """Say what came of it. To correct the entry is a command of its own."""

    entry_id: UUID
    outcome: ContestOutcome
    note: Text | None = None

    def decide(self, pathway: "Pathway", act: Act) -> None:
        contest_id = pathway.rights.contested.get(self.entry_id)
        if contest_id is None:
            raise NotContested
        pathway.record(
            ContestSettled,
            act,
            entry_id=self.entry_id,
            contest_id=contest_id,
            outcome=self.outcome,
            on=act.today,
            note=self.note,
        )


class AlreadyRestricted(DomainError):
    """The processing of this person's data is already restricted."""

    code = "already_restricted"
    title_fr = "Le traitement des données de cette personne est déjà limité."


class NotRestricted(DomainError):
    """The processing of this person's data is not restricted."""

    code = "not_restricted"
    title_fr = "Le traitement des données de cette personne n'est pas limité."


class AlreadyContested(DomainError):
    """The person already contests this entry."""

    code = "already_contested"
    title_fr = "La personne conteste déjà cet enregistrement."


class NotContested(DomainError):
    """Nobody contests this entry."""

    code = "not_contested"
    title_fr = "Cet enregistrement n'est pas contesté."
