"""Replays of pathways for auditors of cases: as known at a moment, or as true on a day."""

from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.agency_replays import replay_inbox, replay_sight
from api.alert_replays import judge_alert_again, replay_alerts
from api.audit import REFUSALS, KnownAt, MomentPages, MomentQuery, look, look_at_one, moment_asked, moment_of, page_of
from api.comparisons import compare_pathway, compare_pathways
from api.described import described
from api.pathways import PathwayView, view
from api.queries import Limit, Position, QueryReader, next_page
from api.replayed import MomentView, Seen, facts_view, moment_view
from api.replies import Reply, reply
from api.request import ApiRequest
from api.timeline import FactNow, ObligationView, TimelineEvent, obligation_view, timeline_event
from application.access import Scope
from application.replay import Moment
from projections.pathway_timeline import timeline_row


class TimelineThenQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: KnownAt | None = None
    after: Position = 0
    limit: Limit = 100


class PathwayThen(msgspec.Struct, kw_only=True):
    """A pathway as it stood."""

    moment: MomentView
    pathway: PathwayView


class PathwaysThen(msgspec.Struct, kw_only=True):
    """Pathways as they stood, without their entries; those not yet opened are left out."""

    moment: MomentView
    items: list[PathwayView]
    next: str | None
    """`cursor` of the next page; null at the end."""


class TimelineThen(msgspec.Struct, kw_only=True):
    """What had been recorded of a pathway, oldest first."""

    moment: MomentView
    items: list[TimelineEvent]
    next_after: int | None
    """`after` of the next page; null at the end."""


class FactsThen(msgspec.Struct, kw_only=True):
    """What the rules saw; on a given day, what lasted or took place on that day."""

    moment: MomentView
    items: list[FactNow]


class VerdictsThen(msgspec.Struct, kw_only=True):
    """What the rules of then said, at that time or at the end of the day that is asked about."""

    moment: MomentView
    items: list[ObligationView]


MOMENT, PAGES, TIMELINE = QueryReader(MomentQuery), QueryReader(MomentPages), QueryReader(TimelineThenQuery)


@get(
    "/pathways",
    name="replay-pathways",
    opt=described(Scope.AUDIT_CASE, answer=PathwaysThen, query=MomentPages, refusals=REFUSALS),
)
async def replay_pathways(request: ApiRequest) -> Reply:
    """List the pathways that one's mandate names, as they stood at a moment."""
    query = PAGES.read(request)
    moment = await moment_asked(request, query)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [msgspec.structs.replace(view(each.pathway), entries=[]) for each in seen]
    return reply(PathwaysThen(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


@get(
    "/pathways/{pathway_id:uuid}",
    name="replay-pathway",
    opt=described(Scope.AUDIT_CASE, answer=PathwayThen, query=MomentQuery, refusals=REFUSALS),
)
async def replay_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read a pathway as it stood at a moment."""
    moment, seen = await look_at(request, pathway_id)
    return reply(PathwayThen(moment=moment_view(moment), pathway=view(seen.pathway)))


@get(
    "/pathways/{pathway_id:uuid}/timeline",
    name="replay-timeline",
    opt=described(Scope.AUDIT_CASE, answer=TimelineThen, query=TimelineThenQuery, refusals=REFUSALS),
)
async def replay_timeline(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read what had been recorded of a pathway by a moment, oldest first."""
    query = TIMELINE.read(request)
    moment = await moment_of(request, query.known_at)
    seen = await look_at_one(request, moment, pathway_id)
    later = [stored for stored in seen.history.events if stored.position > query.after]
    items = [timeline_event(timeline_row(stored)) for stored in later[: query.limit]]
    next_after = items[-1].position if len(items) == query.limit else None
    headers = {} if next_after is None else next_page(request, after=next_after)
    return reply(TimelineThen(moment=moment_view(moment), items=items, next_after=next_after), headers=headers)


@get(
    "/pathways/{pathway_id:uuid}/facts",
    name="replay-facts",
    opt=described(Scope.AUDIT_CASE, answer=FactsThen, query=MomentQuery, refusals=REFUSALS),
)
async def replay_facts(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read what the rules saw of a pathway at a moment."""
    moment, seen = await look_at(request, pathway_id)
    return reply(FactsThen(moment=moment_view(moment), items=facts_view(seen)))


@get(
    "/pathways/{pathway_id:uuid}/verdicts",
    name="replay-verdicts",
    opt=described(Scope.AUDIT_CASE, answer=VerdictsThen, query=MomentQuery, refusals=REFUSALS),
)
async def replay_verdicts(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read what the rules of then said of a pathway, judged again."""
    moment, seen = await look_at(request, pathway_id)
    return reply(VerdictsThen(moment=moment_view(moment), items=[obligation_view(each) for each in seen.verdicts]))


async def look_at(request: ApiRequest, pathway_id: UUID) -> tuple[Moment, Seen]:
    query = MOMENT.read(request)
    moment = await moment_asked(request, query)
    return moment, await look_at_one(request, moment, pathway_id)


routes = Router(
    "/audit",
    route_handlers=[
        replay_pathways,
        replay_pathway,
        replay_timeline,
        replay_facts,
        replay_verdicts,
        compare_pathway,
        compare_pathways,
        replay_inbox,
        replay_sight,
        replay_alerts,
        judge_alert_again,
    ],
    tags=["audit"],
)
