"""Replays of alerts for auditors of cases: the board as it stood, and why an alert was raised, worked out again."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath

from api.alert_explanations import FactExcerpt, excerpt_view
from api.audit import REFUSALS, KnownQuery, MomentPages, look, look_at_one, moment_asked, moment_of, page_of
from api.described import described
from api.queries import QueryReader
from api.replayed import MomentView, ReplayedAlert, moment_view
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from api.timeline import AlmostCounted
from application.access import Scope
from application.event_log import Stored
from application.why import CannotBeJudgedAgain, Why
from domain.alert import AlertStatus
from domain.alert_refusals import UnknownAlert
from domain.command import AgencyId
from domain.rules.explain import WindowExplained
from domain.rules.obligation import Status


class AlertsThenQuery(MomentPages, kw_only=True, forbid_unknown_fields=True):
    agency: AgencyId | None = None
    """Those that it was told of."""
    status: AlertStatus | None = None


class AlertsThen(msgspec.Struct, kw_only=True):
    """Alerts as they stood, pathway after pathway."""

    moment: MomentView
    items: list[ReplayedAlert]
    next: str | None
    """`cursor` of the next page; null at the end."""


class WhyEvent(msgspec.Struct, kw_only=True):
    """One event of those that made the facts what they were."""

    position: int
    version: int
    type: str
    recorded_at: datetime
    agency: str


class WhyView(msgspec.Struct, kw_only=True):
    """Why an alert had been raised, worked out again: the same events, the rules and the calendar of then."""

    alert_id: UUID
    pathway_id: UUID
    rule: str
    """slug@version"""
    rule_digest: str | None
    """SHA-256 of its document; null for a rule that came with the product."""
    rule_document: dict[str, Any]
    rulebook_version: int
    """Of the territory's rulebook then; 0: it had none of its own."""
    calendar: str
    status: Status
    raised_at: datetime
    """Logical time: that of the deadline, or of the event that changed the situation."""
    recorded_at: datetime
    known_at: int
    """How much of the log was known then."""
    activation: FactExcerpt
    window: WindowExplained
    matched: list[FactExcerpt]
    near_misses: list[AlmostCounted]
    events: list[WhyEvent]
    """What was recorded of the facts that it rests on."""
    differs_in: tuple[str, ...]
    """Where this verdict is not the one recorded then; empty: it is the same."""
    fr: str
    en: str


ALERTS, WHY = QueryReader(AlertsThenQuery), QueryReader(KnownQuery)


@get(
    "/alerts",
    name="replay-alerts",
    opt=described(Scope.AUDIT_CASE, answer=AlertsThen, query=AlertsThenQuery, refusals=REFUSALS),
)
async def replay_alerts(request: ApiRequest) -> Reply:
    """List the alerts of the pathways that one's mandate names, as they stood at a moment."""
    query = ALERTS.read(request)
    moment = await moment_asked(request, query)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [alert for each in seen for alert in each.alerts if is_wanted(alert, query)]
    return reply(AlertsThen(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


@get(
    "/alerts/{alert_id:uuid}/why",
    name="judge-alert-again",
    opt=described(
        Scope.AUDIT_CASE, answer=WhyView, query=KnownQuery, refusals=(*REFUSALS, UnknownAlert, CannotBeJudgedAgain)
    ),
)
async def judge_alert_again(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
    """Work out again why an alert had been raised: the events, the rule and the calendar of then."""
    runtime, territory = request.runtime, request.user.territory
    moment = await moment_of(request, WHY.read(request).known_at)
    reach = await runtime.mandates.reach(request.user)
    pathway_id = await runtime.replay.pathway_of(territory, alert_id)
    if pathway_id is None or pathway_id not in reach:
        raise UnknownAlert
    await runtime.mandates.open(request.user, [pathway_id])
    seen = await look_at_one(request, moment, pathway_id)
    if alert_id not in seen.history.alerts:
        raise UnknownAlert
    return reply(why_view(await runtime.whys.why(territory, seen.history.alerts[alert_id])))


def is_wanted(alert: ReplayedAlert, query: AlertsThenQuery) -> bool:
    told = () if alert.told is None else alert.told.recipients
    concerned = query.agency is None or query.agency in {each.agency for each in told}
    return concerned and query.status in (None, alert.status)


def why_view(why: Why) -> WhyView:
    explanation = why.explanation
    return as_view(
        explanation,
        WhyView,
        alert_id=why.alert,
        pathway_id=why.recorded.pathway,
        rule_digest=why.digest,
        rule_document=dict(why.rule.source),
        rulebook_version=why.rulebook_version,
        raised_at=why.raised_at,
        recorded_at=why.recorded_at,
        activation=excerpt_view(explanation.activation),
        matched=[excerpt_view(fact) for fact in explanation.matched],
        near_misses=[as_view(miss, AlmostCounted) for miss in explanation.near_misses],
        events=[_why_event(stored) for stored in why.events],
        differs_in=why.differs_in,
    )


def _why_event(stored: Stored) -> WhyEvent:
    event = stored.event
    return WhyEvent(
        position=stored.position,
        version=event.originator_version,
        type=stored.topic,
        recorded_at=event.timestamp,
        agency=event.agency,
    )
