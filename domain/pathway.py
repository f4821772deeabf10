"""The pathway: one person's journey through the services of a territory, as an event-sourced aggregate.

This file keeps what every noun shares: the ledger, who takes part, whether the pathway can be acted upon.
Each noun (referral, diagnosis, training...) has a file of its own with its events and its commands.
"""

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.aggregate import Event
from domain.command import Act
from domain.errors import DomainError
from domain.facts import Fact, FactState
from domain.ledger import Current, Entry, Ledger, Point, point_order
from domain.reference import reference_of
from domain.rights import Rights

if TYPE_CHECKING:
    from domain.break_glass import BreakGlass
    from domain.shares import Share

SYSTEM = "unisson"
"""The agency in whose name the system itself acts: it takes part everywhere, and only raises and clears alerts."""


class Pathway(Aggregate):
    """Everything the services of one territory recorded for one person."""

    territory: str
    subject: UUID | None
    """What the person's keys are filed under."""

    def __init__(self) -> None:
        self.territory = ""
        self.subject = None
        self.birth_date: date | None = None  # All that decisions need to know of the person.
        self.ledger = Ledger()
        self.shares: dict[UUID, Share] = {}
        self.break_glass: dict[UUID, BreakGlass] = {}
        self.rights = Rights()
        self.erased = False

    def record(self, event_type: type[Event], act: Act, **fields: Any) -> None:
        """Trigger an event in the name of the one who acts."""
        self.trigger_event(event_type, agency=act.agency, actor=act.agent, timestamp=act.at, **fields)

    def add(self, event: Event, entry_id: UUID, **fields: Any) -> None:
        """Put an event's entry in the ledger (see domain.ledger.Entry for the fields)."""
        self.ledger.add(
            Entry(
                id=entry_id,
                agency=fields.pop("agency", event.agency),
                recorded_by=event.agency,
                actor=event.actor,
                version=event.originator_version,
                recorded_at=event.timestamp,
                position=event.position,
                **fields,
            )
        )

    def forget_person(self) -> None:
        """Erased: nothing of what was recorded stays here, not even while the keys are still in some memory."""
        self.erased = True
        self.birth_date = None
        self.ledger = Ledger()
        self.shares.clear()
        self.break_glass.clear()
        self.rights = Rights()

    @property
    def reference(self) -> str:
        """What people call it by; see `domain.reference`. Empty once erased, and until its opening is stored."""
        opening = self.ledger.entries.get(self.id)
        return reference_of(opening.first_position) if opening and opening.first_position else ""

    @property
    def zone(self) -> str | None:
        """Where the person last moved to; None when no move is recorded, or none took place."""
        done = [move for move in self.ledger.of_type("relocation") if move.state is FactState.DONE]
        latest = max(done, key=lambda move: (point_order(move.start), move.entry.first_version), default=None)
        return None if latest is None else str(latest.attrs["to_zone"])

    def facts(self) -> list[Fact]:
        """What the rules see of this pathway: nothing while its use is restricted."""
        return [] if self.is_restricted else self.ledger.facts(self.id, self.territory)

    @property
    def participants(self) -> frozenset[str]:
        """Agencies that may act here and are told: who opened it and whom a live entry admits."""
        return self.ledger.admitted()

    @property
    def in_charge(self) -> frozenset[str]:
        """Who opened it, and the last referent that somebody in charge named: nobody puts themselves in charge.

        As far as they still take part.
        """
        opening = self.ledger.entries.get(self.id)
        opener = entrusted = None if opening is None else opening.agency
        for referent in self.ledger.of_type("referent"):
            if self._named_by(referent.entry) in (opener, entrusted):
                entrusted = referent.entry.agency
        return self.participants & {opener, entrusted}

    def _named_by(self, referent: Entry) -> str:
        """Who assigned it, or asked for the transfer that did once it was accepted."""
        accepted = None if referent.because_of is None else self.ledger.entries[referent.because_of]
        if accepted is None or accepted.part_of is None:
            return referent.recorded_by
        return self.ledger.entries[accepted.part_of].recorded_by

    @property
    def closure(self) -> Current | None:
        """The closure in force."""
        return self.lasting("closed")

    @property
    def is_closed(self) -> bool:
        return self.closure is not None

    @property
    def is_restricted(self) -> bool:
        """Kept, and neither used nor shown (art. 18)."""
        return self.rights.restriction is not None

    @property
    def is_suspended(self) -> bool:
        return self.lasting("suspension") is not None

    @property
    def referent(self) -> str | None:
        """The agency that answers for the whole pathway, None when there is none."""
        current = self.lasting("referent")
        return current.entry.agency if current else None

    def lasting(self, *key: str) -> Current | None:
        """The entry with this exclusive key that has not ended."""
        return next((current for current in self.ledger.exclusive(key) if current.end is None), None)

    def must_be_open(self) -> None:
        if self.is_closed:
            raise PathwayClosed

    def must_take_part(self, act: Act) -> None:
        """Asked by the application before every command but the opening."""
        if act.agency != SYSTEM and act.agency not in self.participants:
            raise NotAParticipant

    def find(self, entry_id: UUID, *types: str) -> Current:
        """A live entry of one of these types. Raises UnknownEntry."""
        entry = self.ledger.current(entry_id)
        if entry is None or (types and entry.entry.type not in types):
            raise UnknownEntry
        return entry

    def new_entry_id(self, wanted: UUID | None, act: Act) -> UUID:
        """The id that the caller chose, or a new one. Raises EntryExists."""
        entry_id = wanted or act.new_id()
        if entry_id in self.ledger:
            raise EntryExists(field="/id")
        return entry_id

    def must_follow(self, current: Current, start: Point, field: str) -> None:
        """A step comes after what is done and after the steps before it. Raises OutOfOrder."""
        if not self.ledger.may_follow(current.entry, start):
            raise OutOfOrder(field=field)

    def must_not_overlap(self, key: tuple[str, ...], start: Point, field: str) -> None:
        """What starts now may not reach back into an ended entry of the same kind. Raises Overlaps."""
        for other in self.ledger.exclusive(key):
            if other.end is None or point_order(other.end) > point_order(start):
                raise Overlaps(field=field)


class NotAParticipant(DomainError):
    """There is no such pathway."""  # Word for word what is said of an absent one.

    code = "unknown_pathway"
    status = 404
    title_fr = "Ce parcours n'existe pas."


class PathwayClosed(DomainError):
    """The pathway is closed: reopen it first."""

    code = "pathway_closed"
    title_fr = "Le parcours est clos : rouvrez-le d'abord."


class UnknownEntry(DomainError):
    """Nothing with this id is recorded in the pathway."""

    code = "unknown_entry"
    status = 404
    title_fr = "Rien de ce qui est enregistré dans le parcours ne porte cet identifiant."


class EntryExists(DomainError):
    """Something with this id is already recorded in the pathway."""

    code = "entry_exists"
    title_fr = "Cet identifiant est déjà pris dans le parcours."


class OutOfOrder(DomainError):
    """A step cannot be dated before what it follows."""

    code = "out_of_order"
    status = 422
    title_fr = "Une étape ne peut pas être antérieure à ce qu'elle suit."


class Overlaps(DomainError):
    """Another entry of the same kind lasts at that time."""

    code = "overlaps"
    title_fr = "Un autre enregistrement de même nature couvre cette période."


class ImpossibleTransition(DomainError):
    """What is recorded cannot go from its present state to this one."""

    code = "impossible_transition"
    title_fr = "Ce qui est enregistré ne peut pas passer de son état actuel à celui-ci."


class NotYours(DomainError):
    """Another agency has to do this."""

    code = "not_yours"
    status = 403
    title_fr = "C'est à un autre service de le faire."


class ReasonRequired(DomainError):
    """A reason is required for this state."""

    code = "reason_required"
    status = 422
    title_fr = "Un motif est obligatoire pour cet état."
