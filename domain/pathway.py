"""The pathway: one person's journey through the services of a territory, as an event-sourced aggregate.

This file keeps what every noun shares: the ledger, who takes part, whether the pathway can be acted upon.
Each noun (referral, diagnosis, training...) has a file of its own with its events and its commands.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Event
from domain.errors import DomainError
from domain.ledger import Current, Entry, Ledger, Point


class Act(msgspec.Struct, frozen=True):
    """Who acts, and when we learn it."""

    agency: str
    agent: str | None
    at: datetime
    today: date  # The civil day of `at` in the territory.


class Pathway(Aggregate):
    """Everything the services of one territory recorded for one person. Built by `PathwayOpened` (domain/opening.py)."""

    territory: str
    subject: UUID
    """Opaque id that the person's keys are filed under."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.participants: set[str] = set()
        self.referent: str | None = None
        self.erased = False

    def record(self, event_type: type[Event], act: Act, **fields: Any) -> None:
        """Trigger an event in the name of the one who acts."""
        self.trigger_event(event_type, agency=act.agency, actor=act.agent, timestamp=act.at, **fields)

    @property
    def is_closed(self) -> bool:
        return any(True for _ in self.ledger.of_type("closed"))

    @property
    def is_suspended(self) -> bool:
        return any(suspension.end is None for suspension in self.ledger.of_type("suspension"))

