"""Access tokens of partners' software: opaque, for ten minutes, looked up at each use so that none outlives its end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from application.access import Scope
from application.believed import Believed
from application.credentials import ACCESS_TOKEN, digest_of, is_credential, new_credential
from application.service_clients import ServiceClient
from domain.clock import Clock
from domain.errors import DomainError

LIFETIME = timedelta(minutes=10)
KEPT_AFTERWARDS = timedelta(hours=1)


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token stands for. Its scopes are never more than those that its client has now."""

    client_id: str
    territory: str
    agency: str
    scopes: frozenset[Scope]
    issued_at: datetime
    expires_at: datetime
    member_id: UUID | None = None
    """The person on whose behalf the software acts."""
    bound_to: str | None = None
    """Thumbprint of the key whose proof must come with it (RFC 9449)."""


class AccessTokens(Protocol):
    """Where tokens are stored: by their SHA-256 only."""

    async def add(self, digest: bytes, token: AccessToken) -> None: ...

    async def find(self, digest: bytes) -> AccessToken | None:
        """None as well once it is revoked, or its client is disabled."""

    async def revoke(self, digest: bytes, client: ServiceClient, at: datetime) -> None:
        """Only a token of this very client; any other is left alone."""

    async def drop_expired(self, before: datetime) -> None:
        """And the statements shown that have expired."""


class InvalidToken(DomainError):
    """The access token is ill-formed, unknown, expired or revoked, or its proof of possession is missing."""

    code = "invalid_token"
    status = 401
    title_fr = "Le jeton d'accès est mal formé, inconnu, expiré ou révoqué, ou sa preuve de possession manque."


class Tokens:
    """Issues tokens, tells what one stands for, takes them back."""

    def __init__(self, store: AccessTokens, clock: Clock, monotonic: Callable[[], float] | None = None) -> None:
        self._store = store
        self._clock = clock
        self._believed = Believed(store.find) if monotonic is None else Believed(store.find, monotonic)

    async def issue(
        self,
        client: ServiceClient,
        scopes: frozenset[Scope],
        *,
        member_id: UUID | None = None,
        bound_to: str | None = None,
    ) -> tuple[AccessToken, str]:
        """What it stands for, and the token itself: shown once, and never again. Never more than the client has."""
        now = self._clock.now()
        token = AccessToken(
            client_id=client.client_id,
            territory=client.territory,
            agency=client.agency,
            scopes=scopes & client.scopes,
            issued_at=now,
            expires_at=now + LIFETIME,
            member_id=member_id,
            bound_to=bound_to,
        )
        shown = new_credential(ACCESS_TOKEN)
        await self._store.add(digest_of(shown), token)
        return token, shown

    async def identify(self, shown: str) -> AccessToken:
        """Raises InvalidToken: always the same refusal, whatever is wrong."""
        if not is_credential(ACCESS_TOKEN, shown):
            raise InvalidToken
        token = await self._believed.get(digest_of(shown))
        if token is None or token.expires_at <= self._clock.now():
            raise InvalidToken
        return token

    async def drop_expired(self) -> None:
        await self._store.drop_expired(self._clock.now() - KEPT_AFTERWARDS)

    async def revoke(self, client: ServiceClient, shown: str) -> None:
        """Revoking what is not a token of this client, or no token at all, changes nothing and tells nothing."""
        digest = digest_of(shown)
        await self._store.revoke(digest, client, self._clock.now())
        self._believed.forget(digest)
