"""Who calls, by which means, and what their credential may be used for. `authorisation` says what they may do."""

from enum import StrEnum
from typing import Annotated

import msgspec

from domain.errors import DomainError
from domain.roles import Role

Agent = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Pseudonym of the person acting within the agency; never a name or an e-mail address.",
    ),
]


class Scope(StrEnum):
    """What a credential may be used for; never more than what its holder may do."""

    READ = "read"
    WRITE = "write"
    MANAGE = "manage"  # Webhook endpoints and the agency's own description.
    STEER = "steer"  # The rules of the whole territory; only for credentials that were given it by name.
    IDENTITY = "case:read:identity"
    HEALTH = "case:read:health"
    NOTES = "case:read:notes"
    SHARE = "case:share"
    MATCH = "person:match"
    ERASE = "erasure:request"
    AUDIT_INTEGRITY = "audit:integrity"
    AUDIT_CASE = "audit:case"


USUAL_SCOPES = frozenset({Scope.READ, Scope.WRITE, Scope.MANAGE})
KEY_SCOPES = USUAL_SCOPES | {Scope.STEER}
"""All that an API key may ever hold: what names a person is for those who prove who they are at each use."""


class Means(StrEnum):
    """How the caller proved who it is."""

    API_KEY = "api_key"
    SERVICE = "service"  # A partner's software, by OAuth 2.0 client credentials.
    PERSON = "person"  # A human agent, by OpenID Connect.


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: always from the credential, never from the request's body."""

    territory: str
    agency: str
    agent: str | None = None
    key_id: str = ""
    """Names the credential: API key, service client or session."""
    scopes: frozenset[Scope] = USUAL_SCOPES
    means: Means = Means.API_KEY
    roles: frozenset[Role] = frozenset()
    """Of the person who acts, or on whose behalf a service acts: approved memberships, looked up at each use."""

    @property
    def is_proved(self) -> bool:
        """Whether it is a person who acts, by a session or through software, and not merely whom software names."""
        return self.means is Means.PERSON or bool(self.roles)

    @property
    def user(self) -> str:
        """The person, once proved; else the credential: an agent whom software names could be another each time."""
        return (self.agent if self.is_proved else None) or self.key_id


class ScopeRequired(DomainError):
    """Neither this key or token, nor the roles of this person, allow this."""

    code = "scope_required"
    status = 403
    title_fr = "Ni cette clé ou ce jeton, ni les rôles de cette personne ne permettent cette opération."
