"""Replays for auditors of cases: pathways, inboxes, alerts and verdicts as known at a moment, or as true on a day.

Only what a mandate names is opened, and the log says so first. Nothing of a person but codes, ids, dates and states.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.alerts import UnknownAlert
from api.described import described
from api.inbox import ToDo
from api.pathways import PathwayView, view
from api.queries import Cursor, Limit, Position, QueryReader, next_page, the_instant
from api.replayed import (
    Lens,
    MomentView,
    ReplayedAlert,
    Seen,
    WhyView,
    facts_view,
    moment_view,
    pictures,
    to_do_view,
    why_view,
)
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from api.runtime import Runtime
from api.timeline import FactNow, ObligationView, TimelineEvent, obligation_view, timeline_event
from application.access import Caller, Scope
from application.agency_sight import openings_to
from application.authorisation import Forbidden, authorise
from application.decision_table import Action, Relation
from application.differences import Difference, difference
from application.key_vault import KeyRestricted
from application.mandates import MandateRequired
from application.replay import PATHWAYS_AT_ONCE, Moment, UnknownMoment
from application.why import CannotBeJudgedAgain
from domain.alert import AlertStatus, Sees
from domain.alert import Role as AlertRole
from domain.command import AgencyId
from domain.pathway import NotAParticipant
from domain.shares import AccessPurpose
from projections.pathway_timeline import timeline_row

Instant = Annotated[datetime, msgspec.Meta(tz=True, description="An instant.")]
KnownAt = Position | Instant
Few = Annotated[int, msgspec.Meta(ge=1, le=PATHWAYS_AT_ONCE, description="Of at most so many pathways.")]


class MomentQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: KnownAt | None = None
    """As known when the log stood there, or at that instant; by default, now."""
    true_on: date | None = None
    """Only what was so on that day, in the light of what was known."""


class PageQuery(MomentQuery, kw_only=True, forbid_unknown_fields=True):
    limit: Few = PATHWAYS_AT_ONCE
    cursor: Cursor | None = None


class AlertsThenQuery(PageQuery, kw_only=True, forbid_unknown_fields=True):
    agency: AgencyId | None = None
    """Those that it was told of."""
    status: AlertStatus | None = None


class TimelineThenQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: KnownAt | None = None
    after: Position = 0
    limit: Limit = 100


class WhyQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: KnownAt | None = None


class SightQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: KnownAt | None = None
    limit: Few = PATHWAYS_AT_ONCE
    cursor: Cursor | None = None


class DifferenceQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    since: KnownAt
    until: KnownAt | None = None
    """By default, now."""


class DifferencesQuery(DifferenceQuery, kw_only=True, forbid_unknown_fields=True):
    limit: Few = PATHWAYS_AT_ONCE
    cursor: Cursor | None = None


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


class InboxThen(msgspec.Struct, kw_only=True):
    """What an agency had to do, pathway after pathway."""

    moment: MomentView
    items: list[ToDo]
    next: str | None
    """`cursor` of the next page; null at the end."""


class AlertsThen(msgspec.Struct, kw_only=True):
    """Alerts as they stood, pathway after pathway."""

    moment: MomentView
    items: list[ReplayedAlert]
    next: str | None
    """`cursor` of the next page; null at the end."""


class SightView(msgspec.Struct, kw_only=True):
    """Something that was open to somebody of the agency, and on what ground."""

    capacity: str
    """A key or software of the agency, or somebody in a role."""
    action: Action
    purposes: tuple[AccessPurpose, ...]
    """For which content was open; none for what needs no purpose."""
    relation: Relation
    legal_basis: str
    until: datetime | None
    reference: UUID | None
    """The share or the breaking of the glass that it rests on."""
    notes_of: tuple[str, ...] | None
    """Agencies whose notes were open; null: everybody's, or not about notes."""
    agent: str | None
    """Who broke the glass; null: anybody of that capacity."""


class AlertSeen(msgspec.Struct, kw_only=True):
    """An alert that the agency was told of."""

    id: UUID
    role: AlertRole
    sees: Sees
    """`notice`: that there was something to look at, and nothing that led to the pathway."""


class PathwaySeen(msgspec.Struct, kw_only=True):
    """What was open of one pathway."""

    pathway_id: UUID
    open: list[SightView]
    """By capacity; empty: the pathway was hidden from the agency."""
    alerts: list[AlertSeen]


class AgencySight(msgspec.Struct, kw_only=True):
    """What an agency could see, pathway after pathway."""

    moment: MomentView
    items: list[PathwaySeen]
    next: str | None
    """`cursor` of the next page; null at the end."""


class Altered(msgspec.Struct, kw_only=True):
    """One thing that came, went or changed. `before` or `after` is null where it was not there."""

    key: str
    """What it is: `pathways/<id>`, then `/facts/`, `/verdicts/`, `/alerts/`, `/inboxes/<agency>/` or `/entries/`."""
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class DifferencesView(msgspec.Struct, kw_only=True):
    """What differs between two moments. Applied to the first, it gives the second."""

    since: MomentView
    until: MomentView
    items: list[Altered]
    next: str | None
    """`cursor` of the next page; null at the end."""


MOMENT, PAGE, ALERTS = QueryReader(MomentQuery), QueryReader(PageQuery), QueryReader(AlertsThenQuery)
SIGHT = QueryReader(SightQuery)
TIMELINE, WHY = QueryReader(TimelineThenQuery), QueryReader(WhyQuery)
BETWEEN, BETWEEN_PAGES = QueryReader(DifferenceQuery), QueryReader(DifferencesQuery)
REFUSALS = (Forbidden, MandateRequired, UnknownMoment, KeyRestricted)


class Place(NamedTuple):
    """Which of the pathways that an auditor may open are on a page, and what leads to the next."""

    pathways: list[UUID]
    next: str | None
    headers: dict[str, str]


@get(
    "/pathways",
    name="replay-pathways",
    opt=described(Scope.AUDIT_CASE, answer=PathwaysThen, query=PageQuery, refusals=REFUSALS),
)
async def replay_pathways(request: ApiRequest) -> Reply:
    """List the pathways that one's mandate names, as they stood at a moment."""
    query = PAGE.read(request)
    moment = await moment_of(request, query.known_at, query.true_on)
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


@get(
    "/pathways/{pathway_id:uuid}/differences",
    name="compare-pathway",
    opt=described(Scope.AUDIT_CASE, answer=DifferencesView, query=DifferenceQuery, refusals=REFUSALS),
)
async def compare_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Compare a pathway at two moments: standing, entries, facts, verdicts, alerts, things to do."""
    query = BETWEEN.read(request)
    await request.runtime.mandates.open(request.user, [pathway_id])
    return await compared(request, query, Place([pathway_id], None, {}))


@get(
    "/differences",
    name="compare-pathways",
    opt=described(Scope.AUDIT_CASE, answer=DifferencesView, query=DifferencesQuery, refusals=REFUSALS),
)
async def compare_pathways(request: ApiRequest) -> Reply:
    """Compare all that one's mandate names at two moments, pathway after pathway."""
    query = BETWEEN_PAGES.read(request)
    return await compared(request, query, await page_of(request, query))


@get(
    "/inboxes/{agency:str}",
    name="replay-inbox",
    opt=described(Scope.AUDIT_CASE, answer=InboxThen, query=PageQuery, refusals=REFUSALS),
)
async def replay_inbox(request: ApiRequest, agency: FromPath[str]) -> Reply:
    """Read what an agency had to do at a moment, of the pathways that one's mandate names."""
    query = PAGE.read(request)
    moment = await moment_of(request, query.known_at, query.true_on)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [to_do_view(item) for each in seen for item in each.to_do if item.agency == agency]
    return reply(InboxThen(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


@get(
    "/agencies/{agency:str}/sight",
    name="replay-sight",
    opt=described(Scope.AUDIT_CASE, answer=AgencySight, query=SightQuery, refusals=REFUSALS),
)
async def replay_sight(request: ApiRequest, agency: FromPath[str]) -> Reply:
    """Read what an agency could see at a moment of the pathways that one's mandate names, and on what ground."""
    query = SIGHT.read(request)
    moment = await moment_of(request, query.known_at)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [sight_view(agency, each, moment) for each in seen]
    return reply(AgencySight(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


@get(
    "/alerts",
    name="replay-alerts",
    opt=described(Scope.AUDIT_CASE, answer=AlertsThen, query=AlertsThenQuery, refusals=REFUSALS),
)
async def replay_alerts(request: ApiRequest) -> Reply:
    """List the alerts of the pathways that one's mandate names, as they stood at a moment."""
    query = ALERTS.read(request)
    moment = await moment_of(request, query.known_at, query.true_on)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [alert for each in seen for alert in each.alerts if is_wanted(alert, query)]
    return reply(AlertsThen(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


@get(
    "/alerts/{alert_id:uuid}/why",
    name="judge-alert-again",
    opt=described(
        Scope.AUDIT_CASE, answer=WhyView, query=WhyQuery, refusals=(*REFUSALS, UnknownAlert, CannotBeJudgedAgain)
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


async def moment_of(request: ApiRequest, known_at: int | datetime | None, true_on: date | None = None) -> Moment:
    """Raises UnknownMoment."""
    at = the_instant("known_at", known_at) if isinstance(known_at, datetime) else known_at
    return await request.runtime.replay.moment(request.user.territory, at, true_on)


async def page_of(request: ApiRequest, query: PageQuery | SightQuery | DifferencesQuery) -> Place:
    """Opens nothing that is not on the page."""
    runtime, caller, path = request.runtime, request.user, request.scope["path"]
    after = UUID(int=0) if query.cursor is None else runtime.cursors.open(caller, path, query, query.cursor, UUID)
    later = sorted(pathway for pathway in await runtime.mandates.reach(caller) if pathway > after)
    page = later[: query.limit]
    if len(later) == len(page):
        place, headers = None, dict[str, str]()
    else:
        place = runtime.cursors.seal(caller, path, query, page[-1])
        headers = next_page(request, cursor=place)
    await runtime.mandates.open(caller, page)
    return Place(page, place, headers)


async def look_at(request: ApiRequest, pathway_id: UUID) -> tuple[Moment, Seen]:
    query = MOMENT.read(request)
    moment = await moment_of(request, query.known_at, query.true_on)
    return moment, await look_at_one(request, moment, pathway_id)


async def look_at_one(request: ApiRequest, moment: Moment, pathway_id: UUID) -> Seen:
    """Raises KeyRestricted; NotAParticipant before it was opened, as for one that no mandate names."""
    runtime, caller = request.runtime, request.user
    await runtime.mandates.open(caller, [pathway_id])
    seen = await look(request, moment, [pathway_id])
    if seen:
        return seen[0]
    if await runtime.replay.is_restricted(caller.territory, pathway_id):
        raise KeyRestricted
    raise NotAParticipant


async def look(request: ApiRequest, moment: Moment, pathways: Sequence[UUID]) -> list[Seen]:
    """Asks the decision table once more, now that each pathway is there."""
    runtime, caller = request.runtime, request.user
    lens = await Lens.at(runtime.replay, caller.territory, moment)
    seen = await lens.look(pathways)
    await must_be_open(runtime, caller, seen)
    return seen


async def must_be_open(runtime: Runtime, caller: Caller, seen: Sequence[Seen]) -> None:
    now = runtime.clock.now()
    warrants = await runtime.mandates.warrants(caller)
    for each in seen:
        warrant = next((one for one in warrants if each.pathway.id in one.pathways), None)
        authorise(caller, Action.AUDIT_REPLAY, each.history.pathway, at=now, warrant=warrant)


async def compared(request: ApiRequest, query: DifferenceQuery | DifferencesQuery, place: Place) -> Reply:
    since, until = await moment_of(request, query.since), await moment_of(request, query.until)
    before, after = await look(request, since, place.pathways), await look(request, until, place.pathways)
    answer = DifferencesView(
        since=moment_view(since),
        until=moment_view(until),
        items=[altered(each) for each in difference(pictures(before), pictures(after))],
        next=place.next,
    )
    return reply(answer, headers=place.headers)


def altered(one: Difference) -> Altered:
    return as_view(one, Altered)


def sight_view(agency: str, seen: Seen, moment: Moment) -> PathwaySeen:
    told = [row for alert in seen.told if (row := alert.told_to(agency)) is not None]
    return PathwaySeen(
        pathway_id=seen.pathway.id,
        open=[
            as_view(sight, SightView, capacity=sight.capacity.value)
            for sight in openings_to(agency, seen.pathway, moment.at)
        ],
        alerts=[as_view(row, AlertSeen, id=row.alert) for row in told],
    )


def is_wanted(alert: ReplayedAlert, query: AlertsThenQuery) -> bool:
    told = () if alert.told is None else alert.told.recipients
    concerned = query.agency is None or query.agency in {each.agency for each in told}
    return concerned and query.status in (None, alert.status)


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
