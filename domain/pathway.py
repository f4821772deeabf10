"""The pathway: one person's journey through the services of a territory, as an event-sourced aggregate.

This file keeps what every noun shares: the ledger, who takes part, whether the pathway can be acted upon.
Each noun (referral, diagnosis, training...) has a file of its own with its events and its commands.
"""

from typing import Any
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.aggregate import Event
from domain.command import Act
from domain.errors import DomainError
from domain.facts import Fact
from domain.ledger import Current, Entry, Ledger


class Pathway(Aggregate):
    """Everything the services of one territory recorded for one person."""

    def __init__(self) -> None:
        self.territory = ""
        self.subject: UUID | None = None  # What the person's keys are filed under.
        self.ledger = Ledger()
        self.participants: set[str] = set()  # Agencies that may act here and are told.
        self.erased = False

    def record(self, event_type: type[Event], act: Act, **fields: Any) -> None:
        """Trigger an event in the name of the one who acts."""
        self.trigger_event(event_type, agency=act.agency, actor=act.agent, timestamp=act.at, **fields)

    def facts(self) -> list[Fact]:
        """What the rules see of this pathway."""
        return self.ledger.facts(self.id, self.territory)

    @property
    def is_closed(self) -> bool:
        return any(closure.end is None for closure in self.ledger.of_type("closed"))

    @property
    def is_suspended(self) -> bool:
        return any(suspension.end is None for suspension in self.ledger.of_type("suspension"))

    @property
    def referent(self) -> str | None:
        """The agency that answers for the whole pathway, None when there is none."""
        current = [referent for referent in self.ledger.of_type("referent") if referent.end is None]
        return current[-1].entry.agency if current else None

    def must_be_open(self) -> None:
        if self.is_closed:
            raise PathwayClosed

    def find(self, entry_id: UUID, *types: str) -> Current:
        """A live entry of one of these types. Raises UnknownEntry."""
        entry = self.ledger.current(entry_id)
        if entry is None or (types and entry.entry.type not in types):
            raise UnknownEntry
        return entry

    def must_be_new(self, entry_id: UUID) -> None:
        if entry_id in self.ledger:
            raise EntryExists

    def add(self, event: Event, entry_id: UUID, **fields: Any) -> None:
        """Put an event's entry in the ledger (see domain.ledger.Entry for the fields)."""
        self.ledger.add(
            Entry(
                id=entry_id,
                agency=fields.pop("agency", event.agency),
                actor=event.actor,
                version=event.originator_version,
                recorded_at=event.timestamp,
                position=event.position,
                **fields,
            )
        )


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
