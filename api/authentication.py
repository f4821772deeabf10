"""The door of /v1: who calls is told by an API key, an access token or a session, and by nothing else."""

import re
import time
from datetime import datetime
from uuid import UUID

import msgspec
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.browser import is_secure, must_be_same_site, session_in
from api.described import Described
from api.key_in_url import KeyInUrl, holds_key
from api.queries import InvalidQuery
from api.request import ApiRequest, headers_of
from api.runtime import Runtime
from application.access import Caller, Means, ScopeRequired
from application.access import Scope as Right
from application.api_keys import InvalidKey
from application.authorisation import Forbidden, may_ever
from application.credentials import ACCESS_TOKEN
from application.mandates import MandateRequired
from application.memberships import scopes_of
from application.route_rights import RIGHTS
from application.tokens import InvalidToken
from domain.errors import DomainError
from domain.roles import Role

AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
MEMBER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
"""The form of a member's id: a UUIDv8."""


class InvalidAgent(DomainError):
    """X-Agent is a pseudonym: 1 to 64 letters, digits, dots, hyphens or underscores; of nobody but who signed in."""

    code = "invalid_agent"
    status = 400
    title_fr = (
        "X-Agent est un pseudonyme : 1 à 64 lettres, chiffres, points, tirets ou tirets bas ; jamais un autre que "
        "celui de la personne identifiée."
    )


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential tells beside who calls; `request.auth`."""

    expires_at: datetime
    live: bool = True
    member_id: UUID | None = None


class Door(ASGIMiddleware):
    """Lets in whoever has a credential with the right the route asks for, within the limits of process and caller."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        runtime: Runtime = scope["litestar_app"].state.runtime
        scope["state"]["began"] = time.perf_counter()
        runtime.crowd.enter()
        try:
            caller, scope["auth"] = await identify(scope, runtime)
            must_take_query(scope)
            must_have(caller, scope)
            runtime.rates.take(caller.key_id)
            scope["user"] = await under_mandate(caller, scope, runtime)
            await next_app(scope, receive, send)
        finally:
            runtime.crowd.leave()


async def must_still_be_in(request: ApiRequest) -> None:
    """For answers that take long: whoever was let in may have been shut out since. Raises what the door does.

    From here on they are who they are by now: what a person may see changes with their roles.
    """
    caller, _ = await identify(request.scope, request.runtime, again=True)
    must_have(caller, request.scope)
    request.scope["user"] = await under_mandate(caller, request.scope, request.runtime)


async def identify(scope: Scope, runtime: Runtime, *, again: bool = False) -> tuple[Caller, Proof]:
    """Raises InvalidKey, InvalidToken, SessionOver, CrossSite, KeyInUrl, InvalidAgent.

    `again`: a proof of possession, which serves once, has served for this request already; a session is not used anew.
    """
    if holds_key(scope):
        raise KeyInUrl
    headers = headers_of(scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() in {"bearer", "dpop"} and token.startswith(f"{ACCESS_TOKEN}_"):
        return await _by_token(token, scope, runtime, bound=scheme.lower() == "dpop", again=again)
    if scheme:
        return await _by_key(token if scheme.lower() == "bearer" else "", scope, runtime)
    session = session_in(headers, secure=is_secure(runtime.settings))
    if session is None:
        raise InvalidKey
    must_be_same_site(scope, headers)
    return await _by_session(session, headers, runtime, again=again)


async def _by_key(token: str, scope: Scope, runtime: Runtime) -> tuple[Caller, Proof]:
    assert scope["type"] == ScopeType.HTTP
    key = await runtime.gatekeeper.identify(token, scope["client"][0] if scope["client"] else None)
    agent = _agent_named(headers_of(scope))
    caller = Caller(territory=key.territory, agency=key.agency, agent=agent, key_id=key.key_id, scopes=key.scopes)
    return caller, Proof(expires_at=key.expires_at, live=key.live)


async def _by_token(shown: str, scope: Scope, runtime: Runtime, *, bound: bool, again: bool) -> tuple[Caller, Proof]:
    """A partner's software; on somebody's behalf, it may no more than both it and that person may."""
    assert scope["type"] == ScopeType.HTTP
    headers, token = headers_of(scope), await runtime.tokens.identify(shown)
    if bound != (token.bound_to is not None):
        raise InvalidToken
    if bound and not again:
        await runtime.grants.must_hold_key(token, shown, headers.get("dpop"), scope["method"], scope["path"])
    scopes, roles, agent = token.scopes, frozenset[Role](), None
    if token.member_id is None:
        agent = _agent_named(headers)
    else:
        roles = await runtime.members.roles(token.territory, token.member_id, token.agency)
        scopes, agent = scopes & scopes_of(roles), _agent_proved(token.member_id, _agent_said(headers))
    caller = Caller(
        territory=token.territory,
        agency=token.agency,
        agent=agent,
        key_id=token.client_id,
        scopes=scopes,
        means=Means.SERVICE,
        roles=roles,
    )
    return caller, Proof(expires_at=token.expires_at, member_id=token.member_id)


async def _by_session(shown: str, headers: dict[str, str], runtime: Runtime, *, again: bool) -> tuple[Caller, Proof]:
    session = await runtime.sessions.identify(shown, used=not again)
    roles = await runtime.members.roles(session.territory, session.member_id, session.agency)
    caller = Caller(
        territory=session.territory,
        agency=session.agency,
        agent=_agent_proved(session.member_id, _agent_said(headers)),
        key_id=str(session.member_id),
        scopes=scopes_of(roles),
        means=Means.PERSON,
        roles=roles,
    )
    return caller, Proof(expires_at=session.ends_at, member_id=session.member_id)


def _agent_said(headers: dict[str, str]) -> str | None:
    agent = headers.get("x-agent")
    if agent is not None and not AGENT.fullmatch(agent):
        raise InvalidAgent
    return agent


def _agent_named(headers: dict[str, str]) -> str | None:
    """By software alone: of those who sign in, it names nobody."""
    agent = _agent_said(headers)
    if agent is not None and MEMBER.fullmatch(agent):
        raise InvalidAgent
    return agent


def _agent_proved(member_id: UUID, said: str | None) -> str:
    if said not in {None, str(member_id)}:
        raise InvalidAgent
    return str(member_id)


def must_have(caller: Caller, scope: Scope) -> None:
    """The right a route asks for: `right` among its options, else reading for GET and writing for the rest.

    A route whose right is None is for whoever came in, whatever they may do.
    """
    assert scope["type"] == ScopeType.HTTP
    usual = Right.READ if scope["method"] in {"GET", "HEAD", "OPTIONS"} else Right.WRITE
    right = scope["route_handler"].opt.get("right", usual)
    if right is not None and right not in caller.scopes:
        raise ScopeRequired
    if scope["method"] != "OPTIONS":
        must_be_able(caller, scope["route_handler"].name or "")


def must_be_able(caller: Caller, route: str) -> None:
    """A route whose right nobody declared answers nobody."""
    if route not in RIGHTS:
        raise Forbidden
    action = RIGHTS[route]
    if action is not None and not may_ever(caller, action):
        raise Forbidden


async def under_mandate(caller: Caller, scope: Scope, runtime: Runtime) -> Caller:
    """An auditor's role counts for nothing but under a mandate of its kind. Raises MandateRequired."""
    assert scope["type"] == ScopeType.HTTP
    limited = await runtime.mandates.limited(caller)
    action = RIGHTS.get(scope["route_handler"].name or "")
    if limited is not caller and action is not None and not may_ever(limited, action):
        raise MandateRequired
    return limited


def must_take_query(scope: Scope) -> None:
    """A route that takes no parameter refuses all, as the others refuse those they do not know."""
    assert scope["type"] == ScopeType.HTTP
    described = scope["route_handler"].opt.get("described")
    if scope["query_string"] and isinstance(described, Described) and described.query is None:
        raise InvalidQuery
