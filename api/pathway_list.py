"""The list of the calling agency's pathways: filtered, in either order, as much of each as is asked for."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from litestar import get

from api.alerts import AlertView
from api.alerts import view as alert_view
from api.described import described
from api.freshness import shown
from api.queries import Cursor, InvalidQuery, Limit, Position, QueryReader, next_page, the_instant
from api.reading import reading
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from api.timeline import TimelineEvent, timeline_event
from application.access_log import BudgetExceeded
from application.key_vault import KeyRestricted
from domain.command import Instant
from domain.errors import DomainError
from domain.pathway import NotAParticipant
from domain.reference import Reference, opening_of, reference_of
from domain.zones import Zone
from projections.alert_board import AlertBoard, alerts_of
from projections.pathway_list import PathwaySummary, Place, Sort, Wanted, pathways_of
from projections.pathway_timeline import PathwayTimeline, latest

INCLUDED_EACH = 20
PATHWAYS_WITH_MORE = 50
"""A page that includes more of each pathway has at most so many."""

Status: TypeAlias = Literal["open", "suspended", "closed"]


class PathwayLine(msgspec.Struct, kw_only=True):
    """Where a pathway stands. With `fields`, the id and those asked for only."""

    id: UUID
    reference: str | msgspec.UnsetType = msgspec.UNSET
    """What people call it by, such as P-00412."""
    status: Literal["open", "suspended", "closed", "restricted", "erased"] | msgspec.UnsetType = msgspec.UNSET
    referent: str | msgspec.UnsetType | None = msgspec.UNSET
    participants: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    zone: str | msgspec.UnsetType | None = msgspec.UNSET
    """Where the person last moved to, as far as it is recorded."""
    version: int | msgspec.UnsetType = msgspec.UNSET
    position: int | msgspec.UnsetType = msgspec.UNSET
    """Of its last event."""
    opened_at: datetime | msgspec.UnsetType = msgspec.UNSET
    updated_at: datetime | msgspec.UnsetType = msgspec.UNSET
    alerts: list[AlertView] | msgspec.UnsetType = msgspec.UNSET
    """With `include=alerts`: the 20 that changed last, the latest first. Of nobody restricted, as the timeline."""
    timeline: list[TimelineEvent] | msgspec.UnsetType = msgspec.UNSET
    """With `include=timeline`: the 20 latest events, oldest first."""


INCLUDED = ("alerts", "timeline")
FIELDS = tuple(name for name in PathwayLine.__struct_fields__ if name not in INCLUDED)


def _names(names: Iterable[str], description: str) -> msgspec.Meta:
    """Some of these names, separated by commas."""
    one = f"({'|'.join(names)})"
    return msgspec.Meta(pattern=f"^{one}(,{one})*$(?!\\n)", max_length=200, description=description)


Fields = Annotated[str, _names(FIELDS, "Only these fields of each pathway, beside its id; separated by commas.")]
Include = Annotated[str, _names(INCLUDED, "Also, of each pathway, what is named here; separated by commas.")]


class PathwaysQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    status: Status | None = None
    zone: Zone | None = None
    opened_after: Instant | None = None
    """From this instant on."""
    opened_before: Instant | None = None
    reference: Reference | None = None
    sort: Sort = Sort.OPENED
    fields: Fields | None = None
    include: Include | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class PathwayPage(msgspec.Struct, kw_only=True):
    items: list[PathwayLine]
    next: str | None
    """`cursor` of the next page; null at the end."""


class ViewBeingRebuilt(DomainError):
    """This view is being rebuilt after an upgrade; try again shortly."""

    code = "view_being_rebuilt"
    status = 503
    title_fr = "Cette vue est en cours de reconstruction après une mise à jour ; réessayez dans un instant."

    def __init__(self) -> None:
        super().__init__(retry_after_s=5)


PATHWAYS_QUERY = QueryReader(PathwaysQuery)


@get(
    "/",
    name="list-pathways",
    opt=described(answer=PathwayPage, query=PathwaysQuery, waits=True, refusals=(ViewBeingRebuilt, BudgetExceeded)),
)
async def list_pathways(request: ApiRequest) -> Reply:
    """List the pathways that the calling agency takes part in, oldest first unless sorted otherwise."""
    query, caller, cursors = PATHWAYS_QUERY.read(request), request.user, request.runtime.cursors
    wanted, path = wanted_of(query), request.scope["path"]
    shape, included = shape_of(query)
    after = None if query.cursor is None else cursors.open(caller, path, query, query.cursor, Place)
    projections = [PathwayTimeline.name, *([AlertBoard.name] if "alerts" in included else ())]
    headers = await shown(request, projections, query.at_least, with_alerts="alerts" in included)
    async with reading(request) as db:
        try:
            found = await pathways_of(db, caller.territory, caller.agency, wanted, after=after, limit=query.limit)
        except asyncpg.UndefinedColumnError:
            raise ViewBeingRebuilt from None
    more = await _more(request, await _readable(request, found), included) if included else {}
    place = cursors.seal(caller, path, query, found[-1].place(wanted.sort)) if len(found) == query.limit else None
    if place is not None:
        headers |= next_page(request, cursor=place)
    items = [_line(line, shape, more.get(line.pathway, {})) for line in found]
    return reply(PathwayPage(items=items, next=place), headers=headers)


def wanted_of(query: PathwaysQuery) -> Wanted:
    """Raises InvalidQuery."""
    after = the_instant("opened_after", query.opened_after)
    before = the_instant("opened_before", query.opened_before)
    if after is not None and before is not None and after >= before:
        raise _invalid("opened_before", "out_of_range", "It must lie after opened_after.", "Doit suivre opened_after.")
    return Wanted(
        sort=query.sort,
        status=query.status,
        zone=query.zone,
        opened_after=after,
        opened_before=before,
        opened=None if query.reference is None else opening_of(query.reference),
    )


def shape_of(query: PathwaysQuery) -> tuple[frozenset[str], frozenset[str]]:
    """The fields to show, and what to include. Raises InvalidQuery."""
    fields = _once_each("fields", query.fields)
    included = _once_each("include", query.include)
    if included and query.limit > PATHWAYS_WITH_MORE:
        english = f"With include, a page has at most {PATHWAYS_WITH_MORE} pathways: give a limit."
        french = f"Avec include, une page compte au plus {PATHWAYS_WITH_MORE} parcours : donnez une limite."
        raise _invalid("limit", "out_of_range", english, french)
    return fields or frozenset(FIELDS), included


def _once_each(parameter: str, given: str | None) -> frozenset[str]:
    names = given.split(",") if given is not None else []
    if len(set(names)) < len(names):
        raise _invalid(parameter, "said_twice", "The same name is listed twice.", "Le même nom figure deux fois.")
    return frozenset(names)


def _invalid(parameter: str, code: str, english: str, french: str) -> InvalidQuery:
    return InvalidQuery(faults=[(f"?{parameter}", code, english, french)])


async def _readable(request: ApiRequest, found: Iterable[PathwaySummary]) -> list[UUID]:
    """Those of which more is shown: of nobody restricted, and to a person as if they had read each one by itself.

    Raises BudgetExceeded.
    """
    usable = [line.pathway for line in found if line.status != "restricted"]
    if not request.user.is_proved:
        return usable
    readable = []
    for pathway in usable:
        with suppress(NotAParticipant, KeyRestricted):
            await request.runtime.pathways.read(request.user, pathway)
            readable.append(pathway)
    return readable


async def _more(request: ApiRequest, pathways: list[UUID], included: frozenset[str]) -> dict[UUID, dict[str, Any]]:
    """What is included of each pathway, as the caller's agency may see it."""
    caller = request.user
    more: dict[UUID, dict[str, Any]] = {pathway: {} for pathway in pathways}
    async with reading(request) as db:
        if "alerts" in included:
            told = await alerts_of(db, caller.territory, caller.agency, pathways, each=INCLUDED_EACH)
            now = request.runtime.clock.now()
            for pathway, rows in told.items():
                more[pathway]["alerts"] = [alert_view(row, caller.agency, now) for row in rows]
        if "timeline" in included:
            for pathway, events in (await latest(db, caller.territory, pathways, each=INCLUDED_EACH)).items():
                more[pathway]["timeline"] = [timeline_event(event) for event in events]
    return more


def _line(summary: PathwaySummary, shape: frozenset[str], more: dict[str, Any]) -> PathwayLine:
    whole = as_view(
        summary, PathwayLine, id=summary.pathway, reference=reference_of(summary.opened), **dict.fromkeys(INCLUDED)
    )
    shown = {name: getattr(whole, name) for name in FIELDS if name in shape}
    return PathwayLine(**{"id": whole.id} | shown | more)
