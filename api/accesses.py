"""Who looked: at one person's content, for their data-protection officer and the agency in charge; and at anybody's."""

from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.described import described
from api.queries import Limit, Position, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.accesses import Access
from application.decision_table import Action
from domain.agency import Code
from domain.compartments import Compartment
from domain.roles import Role
from domain.shares import AccessPurpose


class OpenedView(msgspec.Struct, kw_only=True):
    """A compartment, and why it was opened."""

    compartment: Compartment
    relation: str
    legal_basis: str
    reference: UUID | None
    """The share, the breaking of the glass or the mandate that it rests on."""


class AccessView(msgspec.Struct, kw_only=True):
    """One time that somebody was shown content of a person, or was refused it."""

    position: int
    at: datetime
    person: str
    """A pseudonym that changes every month."""
    agency: str
    agent: str | None
    means: str
    roles: tuple[str, ...]
    compartments: tuple[Compartment, ...]
    purpose: AccessPurpose
    opened: list[OpenedView]
    """Why each compartment was opened; empty when it was refused."""
    refused: str | None
    """Code of the refusal; null when it was allowed."""


class Accesses(msgspec.Struct, kw_only=True):
    pathway_id: UUID
    items: list[AccessView]


class BudgetSpentView(msgspec.Struct, kw_only=True):
    """A user, or a whole agency, looked at as many different persons as allowed in a day, and was stopped."""

    position: int
    at: datetime
    agency: str
    agent: str | None
    """Null: the agency as a whole."""
    day: date
    persons_most: int


class AccessesPage(msgspec.Struct, kw_only=True):
    items: list[AccessView]
    budgets_spent: list[BudgetSpentView]
    next_after: int | None
    """`after` of the next page; null at the end."""


class AccessesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position = 0
    limit: Limit = 100
    agency: Code | None = None
    """Accesses by this agency only."""


ACCESSES_QUERY = QueryReader(AccessesQuery)


@get("/pathways/{pathway_id:uuid}/accesses", name="list-accesses", opt=described(answer=Accesses))
async def list_accesses(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """List who looked at a person's content in the last twelve months, or tried to, oldest first."""
    pathway = await request.runtime.pathways.read(request.user, pathway_id, Action.READ_ACCESSES)
    accesses = await request.runtime.accesses.of_pathway(pathway)
    return reply(Accesses(pathway_id=pathway_id, items=[access_view(access) for access in accesses]))


@get("/accesses", name="list-all-accesses", opt=described(answer=AccessesPage, query=AccessesQuery))
async def list_all_accesses(request: ApiRequest) -> Reply:
    """List who looked at anybody's content: in the whole territory, or in the caller's agency alone."""
    query, caller = ACCESSES_QUERY.read(request), request.user
    agency = query.agency if Role.DPO in caller.roles else caller.agency
    page = await request.runtime.accesses.page(caller.territory, after=query.after, limit=query.limit, agency=agency)
    headers = {} if page.next_after is None else next_page(request, after=page.next_after)
    shown = AccessesPage(
        items=[access_view(access) for access in page.accesses],
        budgets_spent=[as_view(spent, BudgetSpentView) for spent in page.spent],
        next_after=page.next_after,
    )
    return reply(shown, headers=headers)


def access_view(access: Access) -> AccessView:
    return as_view(access, AccessView, opened=[as_view(each, OpenedView) for each in access.opened])


routes = Router("/", route_handlers=[list_accesses, list_all_accesses], tags=["contents"])
