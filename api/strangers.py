"""Whoever shows no good credential is known by the address of the connection only: what one address may cost.

Forwarded addresses count for nothing: anyone can write that header. A proxy on this machine stands for all its clients,
so it must bound them itself (deploy/nginx.conf does).
"""

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.limits import counted_address
from api.runtime import Runtime
from domain.errors import DomainError


class OpenToAll(ASGIMiddleware):
    """For routes that ask for no credential: each request counts."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        charge(scope)
        await next_app(scope, receive, send)


class Guesses(ASGIMiddleware):
    """Before the door of /v1: each refused credential counts. Good ones from the same address are never held up."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        try:
            await next_app(scope, receive, send)
        except DomainError as refusal:
            if refusal.status == 401:
                charge(scope)
            raise


def charge(scope: Scope) -> None:
    """Raises TooManyRequests."""
    runtime: Runtime = scope["litestar_app"].state.runtime
    address = counted_address(scope["client"], runtime.limits)
    if address is not None:
        runtime.strangers.take(address)
