"""Alerts as each agency may see them: their content for who takes part in the pathway, a bare notice for the others."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.described import described
from api.freshness import shown
from api.queries import Cursor, Limit, Position, QueryReader, next_page, the_instant
from api.reading import reading
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from domain.alert import AlertStatus, ClearedBecause, NearMiss, RaisedBecause, Recipient, Sees
from domain.alert import Role as AlertRole
from domain.alert_escalation import EscalationLevel
from domain.alert_pause import WaiverCode
from domain.alert_refusals import UnknownAlert
from domain.alert_response import NO_RESPONSE, AlertChannel, Answer, Wrong
from domain.command import Instant
from domain.roles import Role
from projections.alert_board import BEFORE_ANY, AlertBoard, AlertRow, Listed, Wanted, alert, alerts
from projections.pathway_timeline import PathwayTimeline

RuleName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,99}$(?!\\n)", description="A rule's slug.")]


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
    not_answered: list[str]
    """Agencies that have not said what they do about it."""
    waived_by: str | None
    waiver_code: WaiverCode | None
    known_at: int
    """How much of the log was known."""
    raised_because: RaisedBecause | None
    """`rule_change`: the rules changed, and nobody was told. Null: an event of the pathway, or a deadline."""
    cleared_because: ClearedBecause | None


class ResponseView(msgspec.Struct, kw_only=True):
    """Where one agency stands, to the present revision."""

    agency: str
    delivered_at: datetime | None
    delivered_by: AlertChannel | None
    """The first channel that reached it."""
    read_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_until: datetime | None
    """Until then its silence does not escalate."""
    answer: Answer | None
    answered_at: datetime | None
    snoozed_until: datetime | None
    disputed: Wrong | None


class AlertView(msgspec.Struct, kw_only=True):
    """An alert that concerns the calling agency."""

    id: UUID
    status: AlertStatus
    raised_at: datetime
    changed_at: datetime
    revision: int
    """How many times it was raised."""
    position: int
    role: AlertRole
    """Why the agency is told."""
    sees: Sees
    severity: str
    """That of the rule, then as it was escalated."""
    escalation: EscalationLevel | None
    """How high it has come."""
    waived_until: datetime | None
    """A justified exception, for all concerned."""
    snoozed_until: datetime | None
    """Put aside by the calling agency, for itself."""
    taken: bool
    """Some agency has taken it."""
    responses: list[ResponseView]
    """Of every agency that responded or was reached, by name; the calling agency's own alone for a bare notice."""
    content: AlertContent | None
    """Null for a bare notice."""


LISTED = msgspec.Meta(
    description="`open`: neither waived nor put aside by the calling agency; `snoozed`: put aside by it."
)
CHANGED_AFTER = msgspec.Meta(description="Raised, cleared, answered, escalated or put aside since.")
RECENT = msgspec.Meta(description="The open ones, and what was cleared in the last seven days.")


class AlertsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[Listed | None, LISTED] = None
    rule: RuleName | None = None
    pathway_id: UUID | None = None
    changed_after: Annotated[Instant | None, CHANGED_AFTER] = None
    recent: Annotated[bool, RECENT] = False
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


def view(row: AlertRow, agency: str, now: datetime) -> AlertView:
    own = row.responses.get(agency)
    waived = row.waived_until if row.waived_until is not None and row.waived_until > now else None
    snoozed = own.snoozed_until if own is not None and own.snoozed_until is not None else None
    sees_all = row.sees is Sees.CONTENT
    return as_view(
        row,
        AlertView,
        id=row.alert,
        changed_at=row.changed_at if sees_all else row.news_at,
        position=row.position if sees_all else row.news_position,
        escalation=row.level,
        waived_until=waived,
        snoozed_until=snoozed if snoozed is not None and snoozed > now else None,
        taken=any(response.answer is Answer.TAKING for response in row.responses.values()),
        responses=[
            as_view(response, ResponseView, agency=name)
            for name, response in sorted(row.responses.items())
            if sees_all or name == agency
        ],
        content=_content(row) if sees_all else None,
    )


def _content(row: AlertRow) -> AlertContent:
    answered = {name for name, response in row.responses.items() if response.answer is not None}
    return as_view(
        row,
        AlertContent,
        pathway_id=row.pathway,
        rule_version=row.version,
        not_answered=[one.agency for one in row.recipients if one.agency not in answered],
        raised_because=row.because,
        cleared_because=None if row.reason is None else ClearedBecause(row.reason),
    )


def coordinates(request: ApiRequest) -> bool:
    """Whether a coordinator asks: they also read what came to the coordinators."""
    return Role.COORDINATOR in request.user.roles


@get("/", name="list-alerts", opt=described(answer=AlertPage, query=AlertsQuery, waits=True))
async def list_alerts(request: ApiRequest) -> Reply:
    """List the alerts that concern the calling agency. Filters by rule or pathway leave bare notices out."""
    query, caller, cursors = ALERTS_QUERY.read(request), request.user, request.runtime.cursors
    path = request.scope["path"]
    after = BEFORE_ANY if query.cursor is None else cursors.open(caller, path, query, query.cursor, UUID)
    headers = await shown(request, BOARD, query.at_least, with_alerts=True)
    now = request.runtime.clock.now()
    wanted = Wanted(
        now=now,
        status=query.status,
        rule=query.rule,
        pathway=query.pathway_id,
        changed_after=the_instant("changed_after", query.changed_after),
        recent=query.recent,
    )
    async with reading(request) as db:
        rows = await alerts(
            db,
            caller.territory,
            caller.agency,
            wanted,
            after=after,
            limit=query.limit,
            coordinates=coordinates(request),
        )
    place = cursors.seal(caller, path, query, rows[-1].alert) if len(rows) == query.limit else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    return reply(AlertPage(items=[view(row, caller.agency, now) for row in rows], next=place), headers=headers)


@get(
    "/{alert_id:uuid}",
    name="read-alert",
    opt=described(answer=AlertView, query=AlertQuery, waits=True, refusals=(UnknownAlert,)),
)
async def read_alert(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
    """Read one alert, as far as the calling agency may see it."""
    headers = await shown(request, BOARD, ALERT_QUERY.read(request).at_least, with_alerts=True)
    caller, now = request.user, request.runtime.clock.now()
    async with reading(request) as db:
        row = await alert(db, caller.territory, caller.agency, alert_id, coordinates=coordinates(request))
    if row is None:
        raise UnknownAlert
    if row.status is AlertStatus.OPEN and row.responses.get(caller.agency, NO_RESPONSE).read_at is None:
        await request.runtime.alert_desk.note_read(caller, alert_id)
    return reply(view(row, caller.agency, now), headers=headers)


routes = Router("/alerts", route_handlers=[list_alerts, read_alert], tags=["alerts"])
