"""What differs between two moments, for auditors of cases: of one pathway, or of all that a mandate names."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import FromPath

from api.audit import REFUSALS, BetweenPages, BetweenQuery, Place, look, moment_of, page_of
from api.described import described
from api.queries import QueryReader
from api.replayed import MomentView, moment_view, pictures
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Scope
from application.differences import difference


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


BETWEEN, PAGES = QueryReader(BetweenQuery), QueryReader(BetweenPages)


@get(
    "/pathways/{pathway_id:uuid}/differences",
    name="compare-pathway",
    opt=described(Scope.AUDIT_CASE, answer=DifferencesView, query=BetweenQuery, refusals=REFUSALS),
)
async def compare_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Compare a pathway at two moments: standing, entries, facts, verdicts, alerts, things to do."""
    query = BETWEEN.read(request)
    await request.runtime.mandates.open(request.user, [pathway_id])
    return await compared(request, query, Place([pathway_id], None, {}))


@get(
    "/differences",
    name="compare-pathways",
    opt=described(Scope.AUDIT_CASE, answer=DifferencesView, query=BetweenPages, refusals=REFUSALS),
)
async def compare_pathways(request: ApiRequest) -> Reply:
    """Compare all that one's mandate names at two moments, pathway after pathway."""
    query = PAGES.read(request)
    return await compared(request, query, await page_of(request, query))


async def compared(request: ApiRequest, query: BetweenQuery | BetweenPages, place: Place) -> Reply:
    since, until = await moment_of(request, query.since), await moment_of(request, query.until)
    before, after = await look(request, since, place.pathways), await look(request, until, place.pathways)
    answer = DifferencesView(
        since=moment_view(since),
        until=moment_view(until),
        items=[as_view(each, Altered) for each in difference(pictures(before), pictures(after))],
        next=place.next,
    )
    return reply(answer, headers=place.headers)
