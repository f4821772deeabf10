"""Who the API takes the caller for."""

from datetime import datetime

import msgspec
from litestar import Router, get

from api.described import described
from api.replies import Reply, reply
from api.request import ApiRequest
from application.access import Scope


class Me(msgspec.Struct, kw_only=True):
    """The caller, as its API key tells."""

    territory: str
    agency: str
    agent: str | None
    """As given in X-Agent."""
    key_id: str
    scopes: list[Scope]
    expires_at: datetime
    live: bool
    """False: a key of a sandbox."""


@get("/", name="read-me", opt=described(answer=Me))
async def read_me(request: ApiRequest) -> Reply:
    """Read which agency this API key speaks for, what it may do and until when."""
    caller = request.user
    key = await request.runtime.gatekeeper.key(caller.key_id)
    return reply(
        Me(
            territory=caller.territory,
            agency=caller.agency,
            agent=caller.agent,
            key_id=caller.key_id,
            scopes=sorted(caller.scopes),
            expires_at=key.expires_at,
            live=key.live,
        )
    )


routes = Router("/me", route_handlers=[read_me], tags=["me"])
