"""Credentials never stand in an address: addresses end up in logs, histories and referrers, whatever we answer."""

from urllib.parse import unquote_to_bytes

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from application.credentials import MARKS
from domain.errors import DomainError

KEY_MARKS = tuple(mark.encode() for mark in MARKS)


class KeyInUrl(DomainError):
    """An API key or a token must never stand in an address: revoke this one, and use the Authorization header."""

    code = "key_in_url"
    status = 400
    title_fr = (
        "Une clé d'API ou un jeton ne doit jamais figurer dans une adresse : révoquez-le et utilisez l'en-tête "
        "Authorization."
    )


class NoKeyInUrl(ASGIMiddleware):
    """For the routes that need no key."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if holds_key(scope):
            raise KeyInUrl
        await next_app(scope, receive, send)


def holds_key(scope: Scope) -> bool:
    """Whether the address holds what looks like a key, plain or percent-encoded."""
    address: bytes = scope["raw_path"] + b"?" + scope["query_string"]
    if b"%" in address:
        address = unquote_to_bytes(address)
    return any(mark in address for mark in KEY_MARKS)
