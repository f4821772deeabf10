"""Behind the door of /v1: no key takes more than its share of what one process can answer at once."""

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from api.runtime import Runtime


class Share(ASGIMiddleware):
    """Counts the requests of each key while they are answered."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        runtime: Runtime = scope["litestar_app"].state.runtime
        key_id = scope["user"].key_id
        runtime.crowd.join(key_id)
        try:
            await next_app(scope, receive, send)
        finally:
            runtime.crowd.part(key_id)
