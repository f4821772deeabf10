"""What is nearly due on the pathways of the calling agency: in its work list, before there is any alert."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import get

from api.described import described
from api.freshness import shown
from api.queries import Cursor, Limit, Position, QueryReader, next_page
from api.reading import reading
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from projections.desynchronisation import Desynchronisation
from projections.due_soon import BEFORE_ANY, due_soon, pathways_at_work
from projections.pathway_timeline import PathwayTimeline


class DueSoonQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class DueSoonView(msgspec.Struct, kw_only=True):
    """What a rule still waits for, in the last fifth of its window or in its grace."""

    pathway_id: UUID
    alert_id: UUID
    """Of the alert that it would become."""
    rule: str
    rule_version: int
    opens: datetime | None
    closes: datetime
    alert_at: datetime | None
    """When it would be told, grace included; null: when it closes."""


class DueSoonPage(msgspec.Struct, kw_only=True):
    """The first to close first."""

    items: list[DueSoonView]
    next: str | None
    """`cursor` of the next page; null at the end."""


DUE_SOON_QUERY = QueryReader(DueSoonQuery)
SHOWN = (Desynchronisation.name, PathwayTimeline.name)


@get("/due-soon", name="list-due-soon", opt=described(answer=DueSoonPage, query=DueSoonQuery, waits=True))
async def list_due_soon(request: ApiRequest) -> Reply:
    """Read what is nearly due on the pathways that the calling agency takes part in. None of it is an alert yet."""
    query, caller, runtime = DUE_SOON_QUERY.read(request), request.user, request.runtime
    cursors, path = runtime.cursors, request.scope["path"]
    after = (
        BEFORE_ANY
        if query.cursor is None
        else cursors.open(caller, path, query, query.cursor, tuple[datetime, UUID, int])
    )
    headers = await shown(request, SHOWN, query.at_least)
    async with reading(request) as walled:
        pathways = await pathways_at_work(walled, caller.territory, caller.agency)
    async with runtime.pool.acquire() as db:
        found = await due_soon(db, caller.territory, pathways, runtime.clock.now(), after=after, limit=query.limit)
    place = cursors.seal(caller, path, query, found[-1].place) if len(found) == query.limit else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    items = [
        as_view(
            each,
            DueSoonView,
            pathway_id=each.pathway,
            alert_id=each.alert,
            rule_version=each.version,
            alert_at=each.raise_at,
        )
        for each in found
    ]
    return reply(DueSoonPage(items=items, next=place), headers=headers)
