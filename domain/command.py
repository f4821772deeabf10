"""Commands: what a service asks for. Each is the body of its HTTP request and knows how to decide."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec

from domain.ids import uuid7

if TYPE_CHECKING:
    from domain.pathway import Pathway

# Python's `$` also matches before a final newline; `(?!\n)` closes that door and means the same everywhere.
AgencyId = Annotated[
    str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{1,62}$(?!\\n)", description="An agency's short name.")
]
Territory = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}-[A-Z0-9]{1,12}$(?!\\n)", description="Such as FR-34.")]
Text = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=4000,
        pattern="^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$",
        description="Free text, for people only: sealed apart, never read by a rule.",
    ),
]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern="^[^\\u0000-\\u001f\\u007f]*$")]
Code = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,60}$(?!\\n)", description="A value of a coded list.")]
Instant = Annotated[datetime, msgspec.Meta(tz=True, description="RFC 3339, with its offset.")]


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
