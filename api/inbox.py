"""What the calling agency has to do."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import Router, get

from api.described import described
from api.freshness import shown
from api.inbox_cards import list_cards
from api.inbox_due_soon import list_due_soon
from api.inbox_notices import list_notices
from api.inbox_summaries import list_summaries
from api.queries import Cursor, Limit, Position, QueryReader, next_page
from api.reading import reading
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from domain.alert_escalation import EscalationLevel
from domain.rules.rule import Severity
from projections.agency_inbox import BEFORE_ANY, AgencyInbox, InboxItem, ItemKind, inbox


class InboxQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    kind: ItemKind | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class ToDo(msgspec.Struct, kw_only=True):
    """One thing to do. It leaves the inbox when it is done, here or in the agency's own software."""

    id: UUID
    """Of the entry of the pathway, or of the alert."""
    kind: ItemKind
    pathway_id: UUID | None
    """Null for a bare notice."""
    code: str
    """What it is about: a kind of intervention, a rule; empty for a bare notice."""
    since: datetime
    due: datetime | None
    severity: Severity | None = None
    """Of an alert."""
    level: EscalationLevel | None = None
    """Up to where an alert was escalated, as nobody answered it."""


class InboxPage(msgspec.Struct, kw_only=True):
    """Longest waiting first."""

    items: list[ToDo]
    next: str | None
    """`cursor` of the next page; null at the end."""


def to_do_view(item: InboxItem) -> ToDo:
    return as_view(
        item,
        ToDo,
        id=item.item,
        pathway_id=item.pathway,
        kind=ItemKind(item.kind),
        severity=None if item.severity is None else Severity(item.severity),
        level=None if item.level is None else EscalationLevel(item.level),
    )


INBOX_QUERY = QueryReader(InboxQuery)


@get("/", name="read-inbox", opt=described(answer=InboxPage, query=InboxQuery, waits=True))
async def read_inbox(request: ApiRequest) -> Reply:
    """Read what the calling agency has to do: referrals to answer, appointments to conclude, alerts to look at."""
    query, caller, runtime = INBOX_QUERY.read(request), request.user, request.runtime
    cursors, path = runtime.cursors, request.scope["path"]
    after = BEFORE_ANY
    if query.cursor is not None:
        after = cursors.open(caller, path, query, query.cursor, tuple[datetime, UUID])
    headers = await shown(request, [AgencyInbox.name], query.at_least, with_alerts=True)
    async with reading(request) as db:
        found = await inbox(
            db,
            caller.territory,
            caller.agency,
            runtime.clock.now(),
            kind=query.kind,
            after=after,
            limit=query.limit,
        )
    items = [to_do_view(each) for each in found]
    full = len(found) == query.limit
    place = cursors.seal(caller, path, query, (found[-1].since, found[-1].item)) if full else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    return reply(InboxPage(items=items, next=place), headers=headers)


routes = Router(
    "/inbox", route_handlers=[read_inbox, list_cards, list_due_soon, list_notices, list_summaries], tags=["inbox"]
)
