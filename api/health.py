"""Is the process alive; may it be sent work."""

from typing import Literal

import msgspec
from litestar import Router, get
from litestar.response.base import ASGIResponse

from api.replies import reply
from api.request import ApiRequest


class Health(msgspec.Struct, kw_only=True):
    status: Literal["live", "ready", "late", "down"]


@get("/live", name="live")
async def live() -> ASGIResponse:
    """The process answers. Says nothing of what it depends on."""
    return reply(Health(status="live"))


@get("/ready", name="ready")
async def ready(request: ApiRequest) -> ASGIResponse:
    """Work may be sent here: the log answers."""
    await request.runtime.log.territories()
    return reply(Health(status="ready"))


routes = Router("/health", route_handlers=[live, ready], tags=["health"])
