"""Is this person known? Searching by a full identity, confirming, and finding one's own duplicates."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post, put

from api.bodies import BodyReader
from api.described import described
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.access import Scope
from application.identity_terms import Identity, Kind
from application.matching import TooManySearches, UnknownSearch
from application.sight import sight_of
from domain.command import Label
from domain.recognition import SearchReason, Sureness

TWINS_MOST = 100


class SoughtPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A full identity: nobody is found by less."""

    given_name: Label
    family_name: Label
    birth_date: date
    phone: Label | None = None
    email: Label | None = None


class SearchMade(msgspec.Struct, kw_only=True):
    """The same, whether the person is known or not."""

    token: str
    expires_at: datetime
    searches_left: int
    """Within the hour."""


class SearchConfirmation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The person is before the one who searched, and agrees, or it is an emergency."""

    token: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{32}$")]
    reason: SearchReason


class SearchAnswer(msgspec.Struct, kw_only=True):
    known: bool
    """By another agency, which has been told that you asked, or by your own."""
    sureness: Sureness | None
    yours: list[UUID]
    """Pathways that you may read already."""


class Twins(msgspec.Struct, kw_only=True):
    pathway_id: UUID
    other_pathway_id: UUID
    agree: Kind
    """Which fields agree."""


class TwinsList(msgspec.Struct, kw_only=True):
    """At most a hundred."""

    items: list[Twins]


SOUGHT = BodyReader(SoughtPerson)
CONFIRMATION = BodyReader(SearchConfirmation)


@post(
    "/matches",
    name="search-person",
    status_code=200,
    opt=described(Scope.MATCH, answer=SearchMade, body=SoughtPerson, refusals=(TooManySearches,)),
)
async def search_person(request: ApiRequest) -> Reply:
    """Look whether a person is known in the territory; the answer comes with the confirmation."""
    sought, _ = await SOUGHT.read(request)
    identity = as_view(sought, Identity)
    searched = await request.runtime.matching.search(request.user, identity, correlation_id(request.scope))
    return reply(as_view(searched, SearchMade))


@put(
    "/matches/confirmations",
    name="confirm-search",
    opt=described(Scope.MATCH, answer=SearchAnswer, body=SearchConfirmation, refusals=(UnknownSearch,)),
)
async def confirm_search(request: ApiRequest) -> Reply:
    """Answer for a search: the agencies that know the person are told, then you are. The same again changes nothing."""
    confirmed, _ = await CONFIRMATION.read(request)
    answer = await request.runtime.matching.confirm(
        request.user, confirmed.token, confirmed.reason, correlation_id(request.scope)
    )
    return reply(as_view(answer, SearchAnswer))


@get("/duplicates", name="list-duplicates", opt=described(answer=TwinsList))
async def list_duplicates(request: ApiRequest) -> Reply:
    """Read which of your agency's pathways may be one and the same person's."""
    runtime = request.runtime
    agency = sight_of(request.user, runtime.clock.now()).agency
    found = [] if agency is None else await runtime.blind_index.twins(request.user.territory, agency, TWINS_MOST)
    items = [Twins(pathway_id=one, other_pathway_id=other, agree=kind) for one, other, kind in found]
    return reply(TwinsList(items=items))


routes = Router("/persons", route_handlers=[search_person, confirm_search, list_duplicates], tags=["persons"])
