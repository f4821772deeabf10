"""What happened on a pathway, in the order in which it was learnt; and what the rules see of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.conditions import etag, is_unchanged
from api.described import described
from api.freshness import shown
from api.moments import DayOrInstant, DayOrInstantOrNull
from api.queries import Limit, Position, QueryReader, next_page
from api.reading import reading
from api.replies import Reply, as_view, nothing, reply
from api.request import ApiRequest
from domain.facts import FactState, Precision
from domain.rules import Obligation, Status, evaluate
from domain.rules.obligation import Reason
from projections.pathway_timeline import PathwayTimeline, TimelineRow, timeline


class TimelineQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position = 0
    limit: Limit = 100
    at_least: Position | None = None


class TimelineEvent(msgspec.Struct, kw_only=True):
    """One event of a pathway: codes, ids, dates and states."""

    position: int
    version: int
    type: str
    recorded_at: datetime
    """When we learnt it."""
    occurred: DayOrInstantOrNull
    """When it became true; null where the event says nothing of it."""
    agency: str
    actor: str | None
    summary: Mapping[str, Any]


class TimelinePage(msgspec.Struct, kw_only=True):
    items: list[TimelineEvent]
    next_after: int | None
    """`after` of the next page; null at the end."""


TIMELINE_QUERY = QueryReader(TimelineQuery)


@get(
    "/{pathway_id:uuid}/timeline",
    name="read-timeline",
    opt=described(answer=TimelinePage, query=TimelineQuery, waits=True),
)
async def read_timeline(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read what happened on a pathway, oldest first."""
    query = TIMELINE_QUERY.read(request)
    await request.runtime.pathways.read(request.user, pathway_id)
    headers = await shown(request, [PathwayTimeline.name], query.at_least)
    async with reading(request) as db:
        rows = await timeline(db, request.user.territory, pathway_id, after=query.after, limit=query.limit)
    items = [timeline_event(row) for row in rows]
    next_after = items[-1].position if len(items) == query.limit else None
    if next_after is not None:
        headers |= next_page(request, after=next_after)
    return reply(TimelinePage(items=items, next_after=next_after), headers=headers)


def timeline_event(row: TimelineRow) -> TimelineEvent:
    return as_view(row, TimelineEvent, type=row.topic)


class FactsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: Position | None = None
    """As known when the log stood there; by default, now."""


class FactView(msgspec.Struct, kw_only=True):
    """One thing that is so, or is planned. A correction is a new version under the same id."""

    fact_id: str
    type: str
    agency: str
    actor: str | None
    start: DayOrInstant
    end: DayOrInstantOrNull
    precision: Precision
    state: FactState
    attrs: Mapping[str, Any]
    recorded_at: datetime
    position: int


class FactNow(FactView, kw_only=True):
    """A fact as it stands, and whether the person says that it is not right."""

    contested: bool


class Facts(msgspec.Struct, kw_only=True):
    pathway_id: UUID
    version: int
    items: list[FactNow]


FACTS_QUERY = QueryReader(FactsQuery)


@get("/{pathway_id:uuid}/facts", name="read-facts", opt=described(answer=Facts, query=FactsQuery, cached=True))
async def read_facts(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read what the rules see of a pathway, now or as it was known at a position."""
    known_at = FACTS_QUERY.read(request).known_at
    pathways = request.runtime.pathways
    if known_at is None:
        pathway = await pathways.read(request.user, pathway_id)
    else:
        pathway = await pathways.read_as_known(request.user, pathway_id, known_at)
    headers = {"ETag": etag(pathway.version)}
    if is_unchanged(request, headers["ETag"]):
        return nothing(status=304, headers=headers)
    contested = {str(entry_id) for entry_id in pathway.rights.contested}
    items = [as_view(fact, FactNow, contested=fact.fact_id in contested) for fact in pathway.facts()]
    return reply(Facts(pathway_id=pathway.id, version=pathway.version, items=items), headers=headers)


class AlmostCounted(msgspec.Struct, kw_only=True):
    """A fact that would have counted, had it not failed exactly one test."""

    fact_id: str
    failed: str
    detail: str


class ObligationView(msgspec.Struct, kw_only=True):
    """What a rule expects after one fact, and how that stands now. Instants are in UTC."""

    rule: str
    version: int
    status: Status
    activation: str
    """The fact that made the rule expect something."""
    target: str | None
    """The fact that answers it."""
    open: datetime | None
    close: datetime | None
    at: datetime | None
    late_by: str | None
    """ISO 8601 duration."""
    raised: bool
    """Out of step, and its grace is over: an alert says so, unless `shadow`."""
    shadow: bool
    """The rule is tried in shadow: nobody is told."""
    reason: Reason | None
    """Why it was cancelled."""
    evidence: tuple[str, ...]
    near_misses: list[AlmostCounted]


def obligation_view(obligation: Obligation) -> ObligationView:
    near = [as_view(miss, AlmostCounted) for miss in obligation.near_misses]
    return as_view(obligation, ObligationView, near_misses=near)


class Obligations(msgspec.Struct, kw_only=True):
    pathway_id: UUID
    version: int
    now: datetime
    items: list[ObligationView]


@get("/{pathway_id:uuid}/obligations", name="read-obligations", opt=described(answer=Obligations))
async def read_obligations(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read what the rules expect of a pathway and how each expectation stands, judged now on what is recorded."""
    runtime = request.runtime
    pathway = await runtime.pathways.read(request.user, pathway_id)
    now = runtime.clock.now()
    rules = await runtime.rulebooks.in_force(request.user.territory)
    judged = evaluate(pathway.facts(), rules, runtime.calendars, now).obligations
    items = [obligation_view(obligation) for obligation in judged]
    return reply(Obligations(pathway_id=pathway.id, version=pathway.version, now=now, items=items))


routes = Router("/pathways", route_handlers=[read_timeline, read_facts, read_obligations], tags=["pathways"])
