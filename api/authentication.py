"""The door of /v1: who calls is told by an API key in the Authorization header, and by nothing else."""

import re
import time

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.described import Described
from api.key_in_url import KeyInUrl, holds_key
from api.queries import InvalidQuery
from api.request import headers_of
from api.runtime import Runtime
from application.access import Caller, ScopeRequired
from application.access import Scope as Right
from application.api_keys import InvalidKey
from domain.errors import DomainError

AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class InvalidAgent(DomainError):
    """X-Agent is a pseudonym: 1 to 64 letters, digits, dots, hyphens or underscores."""

    code = "invalid_agent"
    status = 400
    title_fr = "X-Agent est un pseudonyme : 1 à 64 lettres, chiffres, points, tirets ou tirets bas."


class Door(ASGIMiddleware):
    """Lets in whoever has a key with the right the route asks for, within the limits of the process and of the key."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        runtime: Runtime = scope["litestar_app"].state.runtime
        scope["state"]["began"] = time.perf_counter()
        runtime.crowd.enter()
        try:
            caller = await identify(scope, runtime)
            must_have(caller, scope)
            must_take_query(scope)
            runtime.rates.take(caller.key_id)
            scope["user"] = caller
            await next_app(scope, receive, send)
        finally:
            runtime.crowd.leave()


async def identify(scope: Scope, runtime: Runtime) -> Caller:
    """Raises InvalidKey, KeyInUrl, InvalidAgent."""
    if holds_key(scope):
        raise KeyInUrl
    headers = headers_of(scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidKey
    key = await runtime.gatekeeper.identify(token)
    agent = headers.get("x-agent")
    if agent is not None and not AGENT.fullmatch(agent):
        raise InvalidAgent
    return Caller(territory=key.territory, agency=key.agency, agent=agent, key_id=key.key_id, scopes=key.scopes)


def must_have(caller: Caller, scope: Scope) -> None:
    """The right a route asks for: `right` among its options, else reading for GET and writing for the rest."""
    assert scope["type"] == ScopeType.HTTP
    usual = Right.READ if scope["method"] in {"GET", "HEAD", "OPTIONS"} else Right.WRITE
    if scope["route_handler"].opt.get("right", usual) not in caller.scopes:
        raise ScopeRequired


def must_take_query(scope: Scope) -> None:
    """A route that takes no parameter refuses all, as the others refuse those they do not know."""
    assert scope["type"] == ScopeType.HTTP
    described = scope["route_handler"].opt.get("described")
    if scope["query_string"] and isinstance(described, Described) and described.query is None:
        raise InvalidQuery
