"""Commands: what a service asks for. Each is the body of its HTTP request and knows how to decide."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec

from domain.ids import uuid7

if TYPE_CHECKING:
    from domain.pathway import Pathway

AgencyId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{1,62}$", description="An agency's short name.")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Act(msgspec.Struct, frozen=True):
    """Who acts, and when we learn it."""

    agency: str
    agent: str | None
    at: datetime
    today: date
    """The civil day of `at` in the territory."""
    new_id: Callable[[], UUID] = uuid7


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to change one pathway. `decide` triggers events or raises a DomainError; it never does both."""

    def decide(self, pathway: "Pathway", act: Act) -> UUID | None:
        """Returns the id of what was recorded, None where nothing new has one."""
        raise NotImplementedError  # pragma: no cover
