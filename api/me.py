"""Who the API takes the caller for."""

from datetime import datetime

import msgspec
from litestar import Router, get

from api.described import described
from api.replies import Reply, reply
from api.request import ApiRequest
from api.role_names import RoleName
from application.access import Means, Scope


class Me(msgspec.Struct, kw_only=True):
    """The caller, as its credential tells."""

    territory: str
    agency: str
    agent: str | None
    """As given in X-Agent; of a person, who they are here."""
    means: Means
    key_id: str
    """Names the API key, the software, or the person."""
    roles: list[RoleName]
    """Of the person who acts, or on whose behalf software acts."""
    scopes: list[Scope]
    expires_at: datetime
    live: bool
    """False: a key of a sandbox."""


@get("/", name="read-me", opt=described(for_anyone=True, answer=Me))
async def read_me(request: ApiRequest) -> Reply:
    """Read whom the API takes you for, what you may do and until when."""
    caller, proof = request.user, request.auth
    return reply(
        Me(
            territory=caller.territory,
            agency=caller.agency,
            agent=caller.agent,
            means=caller.means,
            key_id=caller.key_id,
            roles=[role.value for role in sorted(caller.roles)],
            scopes=sorted(caller.scopes),
            expires_at=proof.expires_at,
            live=proof.live,
        )
    )


routes = Router("/me", route_handlers=[read_me], tags=["me"])
