"""How a person's rights stand in their pathway: restricted, held by law, contested. None of it is a fact."""

from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from domain.command import Act

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Lasting(msgspec.Struct, frozen=True):
    """A measure in force: its id, the code of its ground, since when."""

    id: UUID
    ground: str
    since: date


class Rights(msgspec.Struct):
    """Of one person."""

    restriction: Lasting | None = None
    hold: Lasting | None = None
    contested: dict[UUID, UUID] = {}
    """By entry that the person contests, the id of the contest."""
    released_on: date | None = None
    """When the last restriction was lifted: somebody has had to do with the person again."""


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a data-protection officer asks of a pathway. No command of the services: it has routes of its own."""

    def decide(self, pathway: "Pathway", act: Act) -> UUID | None:
        """Triggers events or raises a DomainError; the id of the measure where a new one begins."""
        raise NotImplementedError  # pragma: no cover
