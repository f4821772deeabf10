"""The acts that would clear an alert, over HTTP: ready to send but for what only people know."""

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.alert_content import seen_whole
from api.alerts import ALERT_QUERY, AlertQuery
from api.conditions import etag
from api.described import described
from api.explanations import rule_of
from api.pathways import UPDATES
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Caller, Scope
from application.acts.aside import PATHS, aside
from application.acts.proposed import Proposal, proposals
from application.acts.sketch import Asks, Blank, Way
from application.acts.words import label_of
from application.authorisation import Forbidden, authorise, may_ever
from application.decision_table import Action
from application.key_vault import KeyRestricted
from domain.alert import AlertStatus, Finding, Role
from domain.alert_refusals import UnknownAlert
from domain.catalogue import BY_NAME
from domain.pathway import Pathway
from projections.alert_board import AlertRow

FORMATS = {Asks.DAY: "date", Asks.INSTANT: "date-time"}


class BlankView(msgspec.Struct, kw_only=True):
    """A value that the body lacks and only people know. Every one of them is a JSON string."""

    pointer: str
    """Where it goes in `body` (RFC 6901); what it passes through is there already."""
    asks: Asks
    type: str
    format: str | None
    """`date` or `date-time`, for days and instants."""
    required: bool
    choices: tuple[str, ...]
    """Empty: any value of its kind."""
    is_closed: bool
    """Nothing but one of the choices will do; else they are suggestions."""
    not_before: date | None
    not_after: date | None
    """Days between which the act puts things right, both included; null: no bound of the alert's own."""


class ActView(msgspec.Struct, kw_only=True):
    """One act: fill the blanks in, and send it."""

    command: str
    way: Way
    label_fr: str
    label_en: str
    method: str
    url: str
    if_match: str | None
    """Send it as If-Match where it is not null: what the act was worked out from."""
    body: dict[str, Any]
    blanks: list[BlankView]
    clears: bool
    """Tried on a copy of the pathway, it cleared the alert. False: a first step, or it depends on the day given."""
    agencies: tuple[str, ...]
    """Whose it is to do."""
    permitted: bool
    """Whether it is the caller's to do."""


class AlertActs(msgspec.Struct, kw_only=True):
    """What may be done about an alert, best first. Empty once it is cleared."""

    alert_id: UUID
    items: list[ActView]


@get(
    "/{alert_id:uuid}/acts",
    name="list-alert-acts",
    opt=described(answer=AlertActs, query=AlertQuery, waits=True, refusals=(UnknownAlert, KeyRestricted)),
)
async def list_alert_acts(request: ApiRequest, alert_id: FromPath[UUID]) -> Reply:
    """Read which acts would clear an alert: each with its address, its body, what is missing, and whose it is to do."""
    row, pathway, headers = await seen_whole(request, alert_id, ALERT_QUERY.read(request).at_least)
    items = await _items(request, row, pathway) if row.status is AlertStatus.OPEN else []
    return reply(AlertActs(alert_id=alert_id, items=items), headers=headers)


async def _items(request: ApiRequest, row: AlertRow, pathway: Pathway) -> list[ActView]:
    runtime, caller = request.runtime, request.user
    may_write = _may_write(caller, pathway, request)
    acts = [
        _act_view(each, pathway, permitted=may_write and _is_of(caller, each))
        for each in await _proposals(request, row, pathway)
    ]
    may_answer = Scope.WRITE in caller.scopes and may_ever(caller, Action.ANSWER_ALERT)
    beside = aside(row.recipients, runtime.clock.now(), runtime.calendars.of(caller.territory).tz)
    return acts + [
        _view(each, f"/v1/alerts/{row.alert}/{PATHS[each.command]}", permitted=may_answer and _is_of(caller, each))
        for each in beside
    ]


def _is_of(caller: Caller, proposal: Proposal) -> bool:
    return caller.agency in proposal.agencies


async def _proposals(request: ApiRequest, row: AlertRow, pathway: Pathway) -> list[Proposal]:
    """None when the rule that raised it is known to nobody any more."""
    runtime, territory = request.runtime, request.user.territory
    rule = await rule_of(runtime, territory, row.rule, row.version)
    if rule is None:
        return []
    return await asyncio.to_thread(  # A long pathway takes a tenth of a second: nobody else waits for it.
        proposals,
        rule,
        as_view(row, Finding),
        pathway,
        runtime.calendars,
        runtime.clock.now(),
        await runtime.log.head(territory),
        able=[one.agency for one in row.recipients if one.role is Role.ABLE_TO_ACT],
    )


def _may_write(caller: Caller, pathway: Pathway, request: ApiRequest) -> bool:
    if Scope.WRITE not in caller.scopes:
        return False
    try:
        authorise(caller, Action.WRITE_CASE, pathway, at=request.runtime.clock.now())
    except Forbidden:
        return False
    return True


def _act_view(proposal: Proposal, pathway: Pathway, *, permitted: bool) -> ActView:
    spec = BY_NAME[proposal.command]
    place = spec.path.replace("{entry_id}", str(proposal.entry))
    if_match = etag(pathway.version) if spec.name in UPDATES else None
    return _view(proposal, f"/v1/pathways/{pathway.id}{place}", permitted=permitted, if_match=if_match)


def _view(proposal: Proposal, url: str, *, permitted: bool, if_match: str | None = None) -> ActView:
    label = label_of(proposal.command, proposal.body.get("status"), proposal.way)
    return as_view(
        proposal,
        ActView,
        label_fr=label.fr,
        label_en=label.en,
        method="POST",
        url=url,
        if_match=if_match,
        blanks=_blank_views(proposal.blanks),
        permitted=permitted,
    )


def _blank_views(blanks: Iterable[Blank]) -> list[BlankView]:
    return [as_view(blank, BlankView, type="string", format=FORMATS.get(blank.asks)) for blank in blanks]


routes = Router("/alerts", route_handlers=[list_alert_acts], tags=["alerts"])
