"""What an agency must know of its own set-up: which of its webhook endpoints was disabled by itself."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import get

from api.described import described
from api.replies import Reply, reply
from api.request import ApiRequest
from application.webhooks import DisabledReason


class DisabledNotice(msgspec.Struct, kw_only=True):
    """Nothing is sent there any more. It leaves the list when somebody enables the endpoint."""

    endpoint_id: UUID
    reason: DisabledReason
    since: datetime | None


class Notices(msgspec.Struct, kw_only=True):
    """Oldest endpoint first."""

    disabled_endpoints: list[DisabledNotice]


@get("/notices", name="list-inbox-notices", opt=described(answer=Notices))
async def list_notices(request: ApiRequest) -> Reply:
    """List what the calling agency must mend: webhook endpoints that were disabled because they failed."""
    endpoints = await request.runtime.webhooks.endpoints(request.user.territory, request.user.agency)
    found = [
        DisabledNotice(endpoint_id=each.endpoint_id, reason=each.disabled_reason, since=each.disabled_at)
        for each in endpoints
        if each.disabled_reason is not None and each.disabled_reason is not DisabledReason.ASKED
    ]
    return reply(Notices(disabled_endpoints=found))
