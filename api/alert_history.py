"""What was done about an alert, step by step: who, when, how it stood before and after."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.alerts import ResponseView
from api.described import described
from api.queries import Limit, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.authorisation import Forbidden, PurposeRequired
from application.event_log import Stored
from domain.aggregate import Event
from domain.alert import Alert, AlertCleared, AlertStatus, Sees
from domain.alert_escalation import EscalationLevel, level_of
from domain.alert_pause import AlertWaived, AlertWaiverEnded, AlertWoken
from domain.alert_refusals import NoticeOnly, RightEnded, UnknownAlert
from domain.alert_steps import AlertAnswered, AlertDelivered, AlertDisputed
from domain.pathway import SYSTEM
from domain.shares import AccessPurpose


class HistoryQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Annotated[int, msgspec.Meta(ge=0, le=1_000_000, description="A version: what came later.")] = 0
    notes_for: Annotated[
        AccessPurpose | None,
        msgspec.Meta(description="Open what agencies wrote, for this purpose; logged first."),
    ] = None
    limit: Limit = 100


class AlertState(msgspec.Struct, kw_only=True):
    """How an alert stood."""

    status: AlertStatus
    revision: int
    severity: str
    escalation: EscalationLevel | None
    taken: bool
    taken_by: str | None
    """Null for a bare notice."""
    waived_until: datetime | None
    response: ResponseView | None
    """Of the agency that the step is about; null when it is about none."""


class AlertTransition(msgspec.Struct, kw_only=True):
    """One step. `on` is when it was done or due, `recorded_at` when we learnt it."""

    version: int
    position: int
    type: str
    on: datetime
    recorded_at: datetime
    agency: str
    """`unisson` for what the rules find and what time does."""
    actor: str | None
    about: str | None
    """The agency that was reached or woken, or that acted."""
    before: AlertState | None
    after: AlertState
    reason: str | None
    """A code: why it was cleared, waived or disputed, what was answered, why a snooze or a waiver ended.

    Of a bare notice, not why it was cleared.
    """
    note: str | None
    """Only when asked for, with `notes_for`."""


class AlertHistory(msgspec.Struct, kw_only=True):
    items: list[AlertTransition]
    next_after: int | None
    """`after` of the next page; null at the end."""


HISTORY_QUERY = QueryReader(HistoryQuery)


@get(
    "/{alert_id:uuid}/history",
    name="read-alert-history",
    opt=described(
        answer=AlertHistory,
        query=HistoryQuery,
        refusals=(UnknownAlert, RightEnded, NoticeOnly, Forbidden, PurposeRequired),
        summary_fr="Lire ce qui a été fait d'une alerte",
    ),
)
async def read_alert_history(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
    """Read what was done about an alert, oldest first: of a bare notice, what its own agency did and what time did."""
    query, caller = HISTORY_QUERY.read(request), request.user
    runtime = request.runtime
    case = await runtime.alert_desk.read(caller, alert_id)
    notes: dict[int, str] = {}
    if query.notes_for is not None:
        notes = await runtime.alert_notes.open(caller, alert_id, query.notes_for, correlation_id(request.scope))
    shown = [each for each in transitions(case.history, case.sees, caller.agency, notes) if each.version > query.after]
    items, headers = shown[: query.limit], {}
    next_after = items[-1].version if len(shown) > query.limit else None
    if next_after is not None:
        headers = next_page(request, after=next_after)
    return reply(AlertHistory(items=items, next_after=next_after), headers=headers)


def transitions(
    history: Sequence[Stored], sees: Sees, agency: str, notes: Mapping[int, str]
) -> Iterator[AlertTransition]:
    """As far as an agency may see them."""
    alert: Alert | None = None
    for stored in history:
        about = _about(stored.event)
        before = None if alert is None else _state(alert, about, sees)
        alert = stored.event.mutate(alert)
        assert alert is not None, "nothing ends an alert"
        if sees is Sees.CONTENT or about in (None, agency):
            yield AlertTransition(
                version=stored.event.originator_version,
                position=stored.position,
                type=stored.topic,
                on=getattr(stored.event, "on", stored.event.timestamp),
                recorded_at=stored.event.timestamp,
                agency=stored.event.agency,
                actor=stored.event.actor,
                about=about,
                before=before,
                after=_state(alert, about, sees),
                reason=_reason(stored.event, sees),
                note=notes.get(stored.event.originator_version),
            )


def _about(event: Event) -> str | None:
    """The agency concerned; None: all of them."""
    match event:
        case AlertDelivered(to=agency) | AlertWoken(of=agency):
            return agency
    return None if event.agency == SYSTEM else event.agency


def _state(alert: Alert, about: str | None, sees: Sees) -> AlertState:
    return as_view(
        alert,
        AlertState,
        escalation=level_of(alert),
        taken=alert.taken_by is not None,
        taken_by=alert.taken_by if sees is Sees.CONTENT else None,
        response=None if about is None else as_view(alert.response_of(about), ResponseView, agency=about),
    )


def _reason(event: Event, sees: Sees) -> str | None:
    match event:
        case AlertCleared() if sees is not Sees.CONTENT:
            return None  # It says what became of the pathway.
        case (
            AlertCleared(reason=code) | AlertDisputed(reason=code) | AlertWaived(code=code) | AlertAnswered(answer=code)
        ):
            return code.value
        case AlertWoken(because=code) | AlertWaiverEnded(because=code):
            return code.value
    return None


routes = Router("/alerts", route_handlers=[read_alert_history], tags=["alerts"])
