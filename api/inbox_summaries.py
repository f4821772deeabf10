"""Alerts of which nobody was told one by one, counted per day: what imports and changes of rules bring to light."""

from datetime import date
from uuid import UUID

import msgspec
from litestar import get

from api.described import described
from api.freshness import shown
from api.queries import Cursor, Limit, Position, QueryReader, next_page
from api.reading import reading
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from projections.alert_board import AlertBoard
from projections.quiet_alerts import AFTER_ANY, QuietAlerts, summaries, summary_id_of


class SummariesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class SummaryView(msgspec.Struct, kw_only=True):
    """The quiet alerts of one day that concern the calling agency."""

    id: UUID
    """As the message of that day names it."""
    day: date
    alerts: int
    critical: int
    """How many of them were so when they were found."""
    still_open: int


class SummaryPage(msgspec.Struct, kw_only=True):
    """The latest day first."""

    items: list[SummaryView]
    next: str | None
    """`cursor` of the next page; null at the end."""


SUMMARIES_QUERY = QueryReader(SummariesQuery)
SHOWN = (QuietAlerts.name, AlertBoard.name)


@get("/summaries", name="list-alert-summaries", opt=described(answer=SummaryPage, query=SummariesQuery, waits=True))
async def list_summaries(request: ApiRequest) -> Reply:
    """Count, day by day, the alerts that an import or a change of rules or calendar made, of which nobody was told."""
    query, caller, cursors = SUMMARIES_QUERY.read(request), request.user, request.runtime.cursors
    path = request.scope["path"]
    before = AFTER_ANY if query.cursor is None else cursors.open(caller, path, query, query.cursor, date)
    headers = await shown(request, SHOWN, query.at_least, with_alerts=True)
    async with reading(request) as db:
        found = await summaries(db, caller.territory, caller.agency, before=before, limit=query.limit)
    place = cursors.seal(caller, path, query, found[-1].day) if len(found) == query.limit else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    items = [as_view(each, SummaryView, id=summary_id_of(caller.territory, caller.agency, each.day)) for each in found]
    return reply(SummaryPage(items=items, next=place), headers=headers)
