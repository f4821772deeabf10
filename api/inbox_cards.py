"""The inbox as cards: one per pathway, with how many alerts it holds, so that ten alerts are not ten lines."""

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
from domain.alert import ClearedBecause
from domain.alert_escalation import EscalationLevel
from domain.rules.rule import Severity
from projections.agency_inbox import AgencyInbox
from projections.alert_board import AlertBoard
from projections.desynchronisation import Desynchronisation
from projections.due_soon import due_soon_counts
from projections.inbox_cards import BEFORE_ANY, Card, cards


class CardsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class CardTitle(msgspec.Struct, kw_only=True):
    fr: str
    en: str


class ClearedLine(msgspec.Struct, kw_only=True):
    """An alert that was cleared in the last seven days."""

    id: UUID
    cleared_at: datetime
    because: ClearedBecause | None
    """Null for a bare notice."""


class CardView(msgspec.Struct, kw_only=True):
    """One pathway that has alerts, open or cleared lately; or one bare notice."""

    id: UUID
    """Of the pathway; of the alert for a bare notice."""
    pathway_id: UUID | None
    """Null for a bare notice."""
    title: CardTitle
    severity: Severity | None
    """The worst of the alerts that are open; null: none is."""
    level: EscalationLevel | None
    """The highest to which one of them was escalated."""
    since: datetime
    """When the oldest of them was raised; else when the first of the others was cleared."""
    open: int
    due_soon: int
    """What is nearly due there, and no alert yet."""
    alerts: list[UUID]
    """The first twenty that are open."""
    cleared: list[ClearedLine]
    """The last twenty of the last seven days."""


class CardPage(msgspec.Struct, kw_only=True):
    """The gravest first, then the longest waiting; those with nothing open last."""

    items: list[CardView]
    next: str | None
    """`cursor` of the next page; null at the end."""


CARDS_QUERY = QueryReader(CardsQuery)
SHOWN = (AgencyInbox.name, AlertBoard.name, Desynchronisation.name)


@get("/cards", name="list-inbox-cards", opt=described(answer=CardPage, query=CardsQuery, waits=True))
async def list_cards(request: ApiRequest) -> Reply:
    """Read the alerts of the calling agency, one card per pathway: how many, the worst, what is nearly due."""
    query, caller, runtime = CARDS_QUERY.read(request), request.user, request.runtime
    cursors, path, now = runtime.cursors, request.scope["path"], runtime.clock.now()
    after = (
        BEFORE_ANY
        if query.cursor is None
        else cursors.open(caller, path, query, query.cursor, tuple[int, datetime, UUID])
    )
    headers = await shown(request, SHOWN, query.at_least, with_alerts=True)
    async with reading(request) as db:
        found = await cards(db, caller.territory, caller.agency, now, after=after, limit=query.limit)
    pathways = [card.pathway for card in found if card.pathway is not None]
    async with runtime.pool.acquire() as db:
        nearly = await due_soon_counts(db, caller.territory, pathways, now)
    place = cursors.seal(caller, path, query, found[-1].place) if len(found) == query.limit else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    items = [_view(card, 0 if card.pathway is None else nearly.get(card.pathway, 0)) for card in found]
    return reply(CardPage(items=items, next=place), headers=headers)


def _view(card: Card, due_soon: int) -> CardView:
    return as_view(
        card,
        CardView,
        pathway_id=card.pathway,
        title=_title(card.open),
        severity=None if card.severity is None else Severity(card.severity),
        level=None if card.level is None else EscalationLevel(card.level),
        due_soon=due_soon,
        alerts=list(card.alerts),
        cleared=[
            ClearedLine(
                id=each.id,
                cleared_at=each.cleared_at,
                because=None if each.because is None else ClearedBecause(each.because),
            )
            for each in card.cleared
        ],
    )


def _title(count: int) -> CardTitle:
    if not count:
        return CardTitle(fr="Plus aucun écart", en="Back in step")
    return CardTitle(fr=f"{count} écart{'s' if count > 1 else ''}", en=f"{count} out of step")
