"""Who calls, and which pathways are open to them: an agency sees a pathway when it takes part in it, and no other."""

from enum import StrEnum
from typing import Annotated

import msgspec

from domain.errors import DomainError
from domain.pathway import NotAParticipant, Pathway

Agent = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Pseudonym of the person acting within the agency; never a name or an e-mail address.",
    ),
]


class Scope(StrEnum):
    """What a credential may be used for."""

    READ = "read"
    WRITE = "write"
    MANAGE = "manage"  # Webhook endpoints and the agency's own description.
    STEER = "steer"  # The rules of the whole territory; only for keys that were given it by name.


USUAL_SCOPES = frozenset(Scope) - {Scope.STEER}


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: always from the credential, never from the request's body."""

    territory: str
    agency: str
    agent: str | None = None
    key_id: str = ""
    scopes: frozenset[Scope] = USUAL_SCOPES


class ScopeRequired(DomainError):
    """This API key may not be used for this."""

    code = "scope_required"
    status = 403
    title_fr = "Cette clé d'API ne permet pas cette opération."


def must_take_part(pathway: Pathway | None, caller: Caller) -> Pathway:
    """The pathway, if the caller's agency takes part in it. Absent and foreign pathways give the same refusal."""
    if pathway is None or caller.agency not in pathway.participants:
        raise NotAParticipant
    return pathway
