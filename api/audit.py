"""What an auditor of cases looks at, and at which moment: asked alike by every route of /v1/audit.

Only what a mandate names is opened, and the log says so first. Nothing of a person but codes, ids, dates and states.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from api.queries import Cursor, Position, next_page, the_instant
from api.replayed import Lens, Seen
from api.request import ApiRequest
from application.authorisation import Forbidden, authorise
from application.decision_table import Action
from application.key_vault import KeyRestricted
from application.mandates import MandateRequired
from application.replay import PATHWAYS_AT_ONCE, Moment, UnknownMoment
from domain.pathway import NotAParticipant

Instant = Annotated[datetime, msgspec.Meta(tz=True, description="An instant.")]
KnownAt = Position | Instant
Few = Annotated[int, msgspec.Meta(ge=1, le=PATHWAYS_AT_ONCE, description="Of at most so many pathways.")]
REFUSALS = (Forbidden, MandateRequired, UnknownMoment, KeyRestricted)


class KnownQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    known_at: KnownAt | None = None
    """As known when the log stood there, or at that instant; by default, now."""


class MomentQuery(KnownQuery, kw_only=True, forbid_unknown_fields=True):
    true_on: date | None = None
    """Only what was so on that day, in the light of what was known."""


class KnownPages(KnownQuery, kw_only=True, forbid_unknown_fields=True):
    limit: Few = PATHWAYS_AT_ONCE
    cursor: Cursor | None = None


class MomentPages(KnownPages, kw_only=True, forbid_unknown_fields=True):
    true_on: date | None = None
    """Only what was so on that day, in the light of what was known."""


class BetweenQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    since: KnownAt
    until: KnownAt | None = None
    """By default, now."""


class BetweenPages(BetweenQuery, kw_only=True, forbid_unknown_fields=True):
    limit: Few = PATHWAYS_AT_ONCE
    cursor: Cursor | None = None


class Place(NamedTuple):
    """Which of the pathways that an auditor may open are on a page, and what leads to the next."""

    pathways: list[UUID]
    next: str | None
    headers: dict[str, str]


async def moment_asked(request: ApiRequest, query: MomentQuery | MomentPages) -> Moment:
    """Raises UnknownMoment."""
    return await moment_of(request, query.known_at, query.true_on)


async def moment_of(request: ApiRequest, known_at: int | datetime | None, true_on: date | None = None) -> Moment:
    at = the_instant("known_at", known_at) if isinstance(known_at, datetime) else known_at
    return await request.runtime.replay.moment(request.user.territory, at, true_on)


async def page_of(request: ApiRequest, query: KnownPages | BetweenPages) -> Place:
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
    seen, now, warrants = await lens.look(pathways), runtime.clock.now(), await runtime.mandates.warrants(caller)
    for each in seen:
        warrant = next((one for one in warrants if each.pathway.id in one.pathways), None)
        authorise(caller, Action.AUDIT_REPLAY, each.history.pathway, at=now, warrant=warrant)
    return seen
