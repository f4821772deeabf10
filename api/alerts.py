"""Alerts as each agency may see them: their content for who takes part in the pathway, a bare notice for the others."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.described import described
from api.freshness import shown
from api.queries import Cursor, Limit, Position, QueryReader, next_page
from api.reading import reading
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from domain.alert import AlertStatus, ClearedBecause, NearMiss, RaisedBecause, Recipient, Role, Sees
from domain.errors import DomainError
from projections.alert_board import BEFORE_ANY, AlertBoard, AlertRow, alert, alerts
from projections.pathway_timeline import PathwayTimeline

RuleName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,99}$(?!\\n)", description="A rule's slug.")]


class UnknownAlert(DomainError):
    """No alert with this id concerns you."""

    code = "unknown_alert"
    status = 404
    title_fr = "Aucune alerte portant cet identifiant ne vous concerne."


class AlertContent(msgspec.Struct, kw_only=True):
    """What was found out of step, in codes: enough to explain it."""

    pathway_id: UUID
    rule: str
    rule_version: int
    severity: str
    activation: str
    """Fact that made the rule expect something."""
    target: str | None
    """Fact that came, too late."""
    opens: datetime | None
    closes: datetime | None
    at: datetime | None
    """When it fell out of step."""
    calendar: str
    evidence: tuple[str, ...]
    """Facts that it rests on."""
    near_misses: tuple[NearMiss, ...]
    recipients: tuple[Recipient, ...]
    known_at: int
    """How much of the log was known."""
    raised_because: RaisedBecause | None
    """`rule_change`: the rules changed, and nobody was told. Null: an event of the pathway, or a deadline."""
    cleared_because: ClearedBecause | None


class AlertView(msgspec.Struct, kw_only=True):
    """An alert that concerns the calling agency."""

    id: UUID
    status: AlertStatus
    raised_at: datetime
    changed_at: datetime
    revision: int
    """How many times it was raised."""
    position: int
    role: Role
    """Why the agency is told."""
    sees: Sees
    content: AlertContent | None
    """Null for a bare notice."""


class AlertsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    status: AlertStatus | None = None
    rule: RuleName | None = None
    pathway_id: UUID | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class AlertPage(msgspec.Struct, kw_only=True):
    items: list[AlertView]
    next: str | None
    """`cursor` of the next page; null at the end."""


class AlertQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    at_least: Position | None = None


BOARD = (AlertBoard.name, PathwayTimeline.name)
"""Alerts, and who may still read what they are about."""
ALERTS_QUERY = QueryReader(AlertsQuery)
ALERT_QUERY = QueryReader(AlertQuery)


def view(row: AlertRow) -> AlertView:
    content = None
    if row.sees is Sees.CONTENT:
        cleared_because = None if row.reason is None else ClearedBecause(row.reason)
        content = as_view(
            row,
            AlertContent,
            pathway_id=row.pathway,
            rule_version=row.version,
            raised_because=row.because,
            cleared_because=cleared_because,
        )
    return as_view(row, AlertView, id=row.alert, content=content)


@get("/", name="list-alerts", opt=described(answer=AlertPage, query=AlertsQuery, waits=True))
async def list_alerts(request: ApiRequest) -> Reply:
    """List the alerts that concern the calling agency. Filters by rule or pathway leave bare notices out."""
    query, caller, cursors = ALERTS_QUERY.read(request), request.user, request.runtime.cursors
    path = request.scope["path"]
    after = BEFORE_ANY if query.cursor is None else cursors.open(caller, path, query, query.cursor, UUID)
    headers = await shown(request, BOARD, query.at_least, with_alerts=True)
    async with reading(request) as db:
        rows = await alerts(
            db,
            caller.territory,
            caller.agency,
            status=query.status,
            rule=query.rule,
            pathway=query.pathway_id,
            after=after,
            limit=query.limit,
        )
    place = cursors.seal(caller, path, query, rows[-1].alert) if len(rows) == query.limit else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    told = [row for row in rows if query.rule is None or row.sees is Sees.CONTENT]
    return reply(AlertPage(items=[view(row) for row in told], next=place), headers=headers)


@get(
    "/{alert_id:uuid}",
    name="read-alert",
    opt=described(answer=AlertView, query=AlertQuery, waits=True, refusals=(UnknownAlert,)),
)
async def read_alert(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
    """Read one alert, as far as the calling agency may see it."""
    headers = await shown(request, BOARD, ALERT_QUERY.read(request).at_least, with_alerts=True)
    async with reading(request) as db:
        row = await alert(db, request.user.territory, request.user.agency, alert_id)
    if row is None:
        raise UnknownAlert
    return reply(view(row), headers=headers)


routes = Router("/alerts", route_handlers=[list_alerts, read_alert], tags=["alerts"])
