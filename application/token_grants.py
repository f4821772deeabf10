"""The authorisation server of OAuth 2.0, for partners' software only.

RFC 6749 client credentials, with RFC 7523 assertions in place of a secret; RFC 7009 revocation; RFC 9449 proofs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from application.access import Scope
from application.tokens import InvalidToken
from domain.clock import Clock
from domain.membership import member_id_of

if TYPE_CHECKING:
    from application.memberships import Members
    from application.service_clients import ServiceClient, ServiceClients
    from application.signed_statements import Statement
    from application.tokens import AccessToken, Tokens

# `application.signed_statements` is loaded when first used: its library takes as long to load as half of all the rest.


class OAuthRefusal(Exception):
    """In the words of RFC 6749, for programs; the docstring is what people read."""

    error: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400

    def __init__(self, why: str | None = None) -> None:
        super().__init__(why or (self.__doc__ or "").strip())


class MalformedRequest(OAuthRefusal):
    """A parameter is missing, repeated or ill-formed."""


class InvalidClient(OAuthRefusal):
    """The client is unknown or disabled, or its assertion is not genuine, for us, in its time, or new."""

    error = "invalid_client"
    status = 401


class UnsupportedGrant(OAuthRefusal):
    """Only client_credentials is."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthRefusal):
    """The client was not given this scope."""

    error = "invalid_scope"


class InvalidGrant(OAuthRefusal):
    """The agent named holds no role in this agency, or the assertion that names them is not genuine."""

    error = "invalid_grant"


class InvalidProof(OAuthRefusal):
    """The proof of possession is not one made for this request, or was shown before."""

    error = "invalid_dpop_proof"


class TokenGrants:
    """Gives tokens to software that proves who it is, and takes them back."""

    def __init__(self, clients: ServiceClients, tokens: Tokens, members: Members, clock: Clock, issuer: str) -> None:
        self._clients = clients
        self._tokens = tokens
        self._members = members
        self._clock = clock
        self.issuer = issuer
        """Our own address, which every statement must be made for."""

    async def authenticate(self, assertion: str, claimed: str | None = None) -> ServiceClient:
        """The client whose assertion this is. Raises InvalidClient: always the same, whatever is wrong."""
        from application.signed_statements import CLIENT_ASSERTION, NotGenuine, client_named_by

        try:
            name = client_named_by(assertion)
            client = await self._clients.find(name)
            if client is None or client.disabled_at is not None or claimed not in {None, name}:
                raise InvalidClient
            statement = self._read(client, assertion, CLIENT_ASSERTION)
        except NotGenuine:
            raise InvalidClient from None
        if statement.claims.get("sub") != name or not await self._first_time(client, statement):
            raise InvalidClient
        return client

    async def grant(
        self, client: ServiceClient, scope: str | None, *, agent: str | None = None, bound_to: str | None = None
    ) -> tuple[AccessToken, str]:
        """A token for these scopes, all that the client has by default. Raises InvalidScope, InvalidGrant."""
        scopes = client.scopes if scope is None else _scopes(scope)
        if not scopes <= client.scopes:
            raise InvalidScope
        member_id = None if agent is None else await self._agent(client, agent)
        return await self._tokens.issue(client, scopes, member_id=member_id, bound_to=bound_to)

    async def revoke(self, client: ServiceClient, token: str) -> None:
        await self._tokens.revoke(client, token)

    async def key_behind(self, client: ServiceClient, proof: str, url: str) -> str:
        """The thumbprint of the key to bind a token to. Raises InvalidProof."""
        from application.signed_statements import NotGenuine, read_proof

        try:
            statement, thumbprint = read_proof(proof, method="POST", url=url, token=None, now=self._clock.now())
        except NotGenuine:
            raise InvalidProof from None
        if not await self._first_time(client, statement):
            raise InvalidProof
        return thumbprint

    async def must_hold_key(self, token: AccessToken, shown: str, proof: str | None, method: str, path: str) -> None:
        """Whoever uses a bound token proves, for this very request, that it holds the key. Raises InvalidToken."""
        from application.signed_statements import NotGenuine, read_proof

        if proof is None:
            raise InvalidToken
        now, url = self._clock.now(), f"{self.issuer}{path}"
        try:
            statement, thumbprint = read_proof(proof, method=method, url=url, token=shown, now=now)
        except NotGenuine:
            raise InvalidToken from None
        if thumbprint != token.bound_to:
            raise InvalidToken
        if not await self._clients.show(token.territory, token.client_id, statement.id, statement.expires_at):
            raise InvalidToken

    async def _agent(self, client: ServiceClient, assertion: str) -> UUID:
        """The member for whom the software acts: it must hold a role in the client's own agency."""
        from application.signed_statements import AGENT_ASSERTION, NotGenuine

        try:
            statement = self._read(client, assertion, AGENT_ASSERTION)
            member_id = _subject(statement.claims.get("sub_id"))
        except (NotGenuine, ValueError):
            raise InvalidGrant from None
        if not await self._members.roles(client.territory, member_id, client.agency):
            raise InvalidGrant
        if not await self._first_time(client, statement):
            raise InvalidGrant
        return member_id

    def _read(self, client: ServiceClient, assertion: str, kind: str) -> Statement:
        from application.signed_statements import read

        ours = (self.issuer, f"{self.issuer}/oauth/token")
        return read(assertion, client.keys, kind=kind, issuer=client.client_id, audience=ours, now=self._clock.now())

    async def _first_time(self, client: ServiceClient, statement: Statement) -> bool:
        return await self._clients.show(client.territory, client.client_id, statement.id, statement.expires_at)


def _scopes(text: str) -> frozenset[Scope]:
    try:
        return frozenset(map(Scope, text.split(" ")))
    except ValueError:
        raise InvalidScope from None


def _subject(named: object) -> UUID:
    """A subject identifier of RFC 9493: as the provider tells the person, or as we do. Raises ValueError."""
    match named:
        case {"format": "iss_sub", "iss": str(issuer), "sub": str(sub)}:
            return member_id_of(issuer, sub)
        case {"format": "opaque", "id": str(identifier)}:
            return UUID(identifier)
    raise ValueError
