"""Why an alert is there, over HTTP: worked out again, for who sees its content."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.alert_content import seen_whole
from api.alerts import ALERT_QUERY, AlertQuery
from api.described import described
from api.explanations import explanation_of
from api.moments import DayOrInstant
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from api.timeline import AlmostCounted
from application.key_vault import KeyRestricted
from domain.alert_refusals import UnknownAlert
from domain.errors import DomainError
from domain.facts import FactState
from domain.rules.explain import Explanation, WindowExplained
from domain.rules.obligation import Status


class CannotBeExplained(DomainError):
    """What this alert rests on can no longer be read, or the rule that raised it is no longer known."""

    code = "cannot_be_explained"
    status = 410
    title_fr = "Ce sur quoi repose cette alerte ne peut plus être lu, ou la règle qui l'a levée n'est plus connue."


class FactExcerpt(msgspec.Struct, kw_only=True):
    """A fact it rests on: what it is, whose and when; nothing of what it says."""

    fact_id: str
    type: str
    agency: str
    start: DayOrInstant
    state: FactState
    position: int


class AlertExplanation(msgspec.Struct, kw_only=True):
    """The rule applied to what was known then. The same facts, rule and calendar give the same."""

    alert_id: UUID
    rule: str
    """slug@version"""
    calendar: str
    status: Status
    activation: FactExcerpt
    """The fact that made the rule expect something."""
    window: WindowExplained
    """When it was expected, in words and in days."""
    matched: list[FactExcerpt]
    near_misses: list[AlmostCounted]
    known_at: int
    """How much of the log was known."""
    fr: str
    en: str


@get(
    "/{alert_id:uuid}/explanation",
    name="explain-alert",
    opt=described(
        answer=AlertExplanation, query=AlertQuery, waits=True, refusals=(UnknownAlert, CannotBeExplained, KeyRestricted)
    ),
)
async def explain_alert(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
    """Read why an alert is there: what the rule expected, until when, what counted and what nearly did."""
    row, _, headers = await seen_whole(request, alert_id, ALERT_QUERY.read(request).at_least)
    found = await explanation_of(request.runtime, msgspec.structs.asdict(row) | {"territory": request.user.territory})
    if found is None:
        raise CannotBeExplained
    return reply(_view(alert_id, found), headers=headers)


def _view(alert_id: UUID, found: Explanation) -> AlertExplanation:
    return as_view(
        found,
        AlertExplanation,
        alert_id=alert_id,
        activation=excerpt_view(found.activation),
        matched=[excerpt_view(fact) for fact in found.matched],
        near_misses=[as_view(miss, AlmostCounted) for miss in found.near_misses],
    )


def excerpt_view(fact: Any) -> FactExcerpt:
    return msgspec.convert(dict(fact), FactExcerpt)


routes = Router("/alerts", route_handlers=[explain_alert], tags=["alerts"])
