"""Which pages of other sites may read our answers in a browser: none, unless the installation names their origin.

No credential travels by itself: a page must send a token of its own, and a cookie never counts for another site.
"""

from collections.abc import Collection, Mapping

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send

from api.request import headers_of

Header = tuple[bytes, bytes]

ASKED = (
    "Accept-Language, Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    "Prefer, traceparent, X-Agent, X-Request-Id"
)
SHOWN = (
    "Content-Language, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, Retry-After, "
    "WWW-Authenticate, X-Position, X-Projection-Lag, X-Request-Id"
)
PREFLIGHT_SECONDS = 600
ON_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"DELETE, GET, PATCH, POST, PUT"),
    (b"access-control-allow-headers", ASKED.encode()),
    (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
)
ON_ANSWER: tuple[Header, ...] = ((b"access-control-expose-headers", SHOWN.encode()),)


class Preflight(ASGIMiddleware):
    """Answers the question that a browser asks for a page of a named origin; the others go the way of any request."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if not is_preflight(scope) or headers_of(scope).get("origin") not in self._origins:
            await next_app(scope, receive, send)
            return
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": 204, "headers": list(ON_PREFLIGHT)}
        await send(start)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def is_preflight(scope: Scope) -> bool:
    return (
        scope["type"] == ScopeType.HTTP
        and scope["method"] == "OPTIONS"
        and "access-control-request-method" in headers_of(scope)
    )


def permit(scope: Scope, origins: Collection[str], present: Mapping[bytes, bytes]) -> tuple[Header, ...]:
    """What an answer to a page of a named origin carries, beside the headers that it already has."""
    origin = headers_of(scope).get("origin")
    if origin is None or origin not in origins:
        return ()
    vary = present.get(b"vary")
    return (
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"vary", b"Origin" if vary is None else vary + b", Origin"),
        *(() if is_preflight(scope) else ON_ANSWER),
    )
