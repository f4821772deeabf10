"""Replays of what an agency had to do, and of what it could see, for auditors of cases."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath

from api.audit import REFUSALS, KnownPages, MomentPages, look, moment_asked, moment_of, page_of
from api.described import described
from api.inbox import ToDo, to_do_view
from api.queries import QueryReader
from api.replayed import MomentView, Seen, moment_view
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Scope
from application.agency_sight import openings_to
from application.decision_table import Action, Relation
from application.replay import Moment
from domain.alert import Role as AlertRole
from domain.alert import Sees
from domain.shares import AccessPurpose


class InboxThen(msgspec.Struct, kw_only=True):
    """What an agency had to do, pathway after pathway."""

    moment: MomentView
    items: list[ToDo]
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


INBOX, SIGHT = QueryReader(MomentPages), QueryReader(KnownPages)


@get(
    "/inboxes/{agency:str}",
    name="replay-inbox",
    opt=described(Scope.AUDIT_CASE, answer=InboxThen, query=MomentPages, refusals=REFUSALS),
)
async def replay_inbox(request: ApiRequest, agency: FromPath[str]) -> Reply:
    """Read what an agency had to do at a moment, of the pathways that one's mandate names."""
    query = INBOX.read(request)
    moment = await moment_asked(request, query)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [to_do_view(item) for each in seen for item in each.to_do if item.agency == agency]
    return reply(InboxThen(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


@get(
    "/agencies/{agency:str}/sight",
    name="replay-sight",
    opt=described(Scope.AUDIT_CASE, answer=AgencySight, query=KnownPages, refusals=REFUSALS),
)
async def replay_sight(request: ApiRequest, agency: FromPath[str]) -> Reply:
    """Read what an agency could see at a moment of the pathways that one's mandate names, and on what ground."""
    query = SIGHT.read(request)
    moment = await moment_of(request, query.known_at)
    place = await page_of(request, query)
    seen = await look(request, moment, place.pathways)
    items = [sight_view(agency, each, moment) for each in seen]
    return reply(AgencySight(moment=moment_view(moment), items=items, next=place.next), headers=place.headers)


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
