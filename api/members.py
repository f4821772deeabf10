"""People of an agency: who asked for a role, who holds one, until when it must be reviewed, and who decides."""

from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import Router, get, put
from litestar.params import FromPath

from api.bodies import BodyReader
from api.described import described
from api.queries import QueryReader
from api.replies import Reply, nothing, reply
from api.request import ApiRequest
from api.role_names import RoleName
from application.access import Caller, Means
from application.memberships import UnknownMember
from domain.command import Act, AgencyId
from domain.errors import DomainError
from domain.membership import Member, Membership, MembershipState, NotAsked, NotHeld, NotOneself, NotYoursToGive
from domain.membership import WhoAnswers as Who
from domain.roles import Role


class PersonRequired(DomainError):
    """Only a person who signed in may do this: no API key, and no software by itself."""

    code = "person_required"
    status = 403
    title_fr = "Seule une personne identifiée peut faire ceci : ni une clé d'API, ni un logiciel de lui-même."


class RoleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role in the caller's own agency."""

    role: RoleName


class DecisionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role of somebody. Without an agency, in the caller's own."""

    role: RoleName
    agency: AgencyId | None = None


class MembershipView(msgspec.Struct, kw_only=True):
    """One role that somebody asked for or holds."""

    member_id: UUID
    name: str | None
    """As the identity provider tells it."""
    email: str | None
    agency: str
    role: RoleName
    state: MembershipState
    since: datetime
    review_due: date | None
    lapsed: bool
    """Its review is so late that it counts no more."""


class Memberships(msgspec.Struct, kw_only=True):
    items: list[MembershipView]


class MembersQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    agency: AgencyId | None = None
    """By default the caller's own; an operator may name another."""
    state: MembershipState | None = None


QUERY = QueryReader(MembersQuery)
ROLE = BodyReader(RoleBody)
DECISION = BodyReader(DecisionBody)
REFUSALS = (PersonRequired, NotOneself, NotYoursToGive, NotAsked, UnknownMember)


@get(
    "/", name="list-members", opt=described(for_anyone=True, answer=Memberships, query=MembersQuery, refusals=REFUSALS)
)
async def list_members(request: ApiRequest) -> Reply:
    """List the roles asked for and held in an agency, what waits for a decision first. For its lead, or an operator."""
    caller, asked, members = request.user, QUERY.read(request), request.runtime.members
    agency = asked.agency or caller.agency
    who = _who(request)
    if not (Role.OPERATOR in who.roles or (Role.LEAD in who.roles and agency == caller.agency)):
        raise NotYoursToGive
    found = await members.of_territory(caller.territory, agency)
    today = members.today()
    return reply(
        Memberships(items=[_view(member, held, today) for member, held in found if asked.state in {None, held.state}])
    )


@put("/requests", name="request-role", opt=described(for_anyone=True, status=204, body=RoleBody, refusals=REFUSALS))
async def request_role(request: ApiRequest) -> Reply:
    """Ask for a role in one's agency. Asked for already, or held, nothing changes."""
    body, _ = await ROLE.read(request)
    caller, who = request.user, _who(request)
    assert who.member_id is not None
    await request.runtime.members.request(caller.territory, who.member_id, caller.agency, Role(body.role))
    return nothing()


@put(
    "/{member_id:uuid}/approvals",
    name="approve-role",
    opt=described(for_anyone=True, status=204, body=DecisionBody, refusals=REFUSALS),
)
async def approve_role(request: ApiRequest, member_id: FromPath[UUID]) -> Reply:
    """Give a role that was asked for, until its next review. By the agency's lead, or an operator; never to oneself."""
    return await _decide(request, member_id, Member.approve)


@put(
    "/{member_id:uuid}/refusals",
    name="refuse-role",
    opt=described(for_anyone=True, status=204, body=DecisionBody, refusals=REFUSALS),
)
async def refuse_role(request: ApiRequest, member_id: FromPath[UUID]) -> Reply:
    """Refuse a role that was asked for."""
    return await _decide(request, member_id, Member.refuse)


@put(
    "/{member_id:uuid}/reviews",
    name="review-role",
    opt=described(for_anyone=True, status=204, body=DecisionBody, refusals=(*REFUSALS, NotHeld)),
)
async def review_role(request: ApiRequest, member_id: FromPath[UUID]) -> Reply:
    """Say that a role is still needed: it is due again in six months. Unreviewed, it counts no more a month later."""
    return await _decide(request, member_id, Member.review)


@put(
    "/{member_id:uuid}/endings",
    name="end-role",
    opt=described(for_anyone=True, status=204, body=DecisionBody, refusals=REFUSALS),
)
async def end_role(request: ApiRequest, member_id: FromPath[UUID]) -> Reply:
    """Take a role back, or give up one's own. It opens nothing a second later."""
    return await _decide(request, member_id, Member.end)


async def _decide(
    request: ApiRequest, member_id: UUID, decision: Callable[[Member, str, Role, Who, Act], None]
) -> Reply:
    body, _ = await DECISION.read(request)
    caller = request.user
    agency = body.agency or caller.agency
    await request.runtime.members.decide(caller.territory, member_id, agency, Role(body.role), decision, _who(request))
    return nothing()


def _who(request: ApiRequest) -> Who:
    """Raises PersonRequired."""
    caller: Caller = request.user
    if caller.means is not Means.PERSON:
        raise PersonRequired
    return Who(agency=caller.agency, roles=caller.roles, member_id=request.auth.member_id)


def _view(member: Member, held: Membership, today: date) -> MembershipView:
    return MembershipView(
        member_id=member.id,
        name=member.name,
        email=member.email,
        agency=held.agency,
        role=held.role.value,
        state=held.state,
        since=held.since,
        review_due=held.review_due,
        lapsed=held.is_lapsed(today),
    )


routes = Router(
    "/members",
    route_handlers=[list_members, request_role, approve_role, refuse_role, review_role, end_role],
    tags=["members"],
)
