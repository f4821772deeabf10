"""What a route says of itself beside its code: its inputs, its answer, its refusals. `api.openapi` reads it."""

from typing import Any

import msgspec

from application.access import Scope
from domain.errors import DomainError


class Described(msgspec.Struct, frozen=True, kw_only=True):
    answer: Any = None
    """The type of the body of a success; None: no body."""
    preferred: Any = None
    """The type of the body with `Prefer: return=representation`."""
    status: int = 200
    body: Any = None
    query: type[msgspec.Struct] | None = None
    repeatable: bool = False
    """Takes an Idempotency-Key."""
    versioned: bool = False
    """Takes If-Match."""
    version_required: bool = False
    cached: bool = False
    """Answers with an ETag and takes If-None-Match."""
    waits: bool = False
    """Can wait for the projection it reads: `Prefer: wait`, `at_least`."""
    resumed: bool = False
    """Takes Last-Event-ID."""
    also: tuple[str, ...] = ()
    """Other media types of a success."""
    lines: bool = False
    """NDJSON: `answer`, and `body` where there is one, are of one line."""
    refusals: tuple[type[DomainError], ...] = ()
    """Beyond those of every route."""
    summary: str = ""
    """By default, the first line of the handler's docstring."""
    summary_fr: str = ""


def described(right: Scope | None = None, *, for_anyone: bool = False, **fields: Any) -> dict[str, Any]:
    """Options of a handler. `right` is what the credential must hold; by default to read for GET, to write otherwise.

    `for_anyone` who came in: the use case itself says who may do what.
    """
    options: dict[str, Any] = {"described": Described(**fields)}
    if for_anyone:
        options["right"] = None
    if right is not None:
        options["right"] = right
    return options
