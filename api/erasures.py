"""Erasing a person over HTTP, and the measures that come before: restricting, holding; the retention clock's report."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import fingerprint, idempotency_key
from api.described import described
from api.freshness import shown
from api.queries import Limit, Position, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.access import Scope
from application.certificates import Certificate, NotErasedYet, certificate_of
from application.decision_table import Action
from application.erasure import UnknownErasure
from application.pathways import PersonErased
from application.retention import Due
from application.rights import Measured
from domain.errors import DomainError
from domain.person_erasure import Erasure, ErasureGround, Level, Step
from domain.restriction import AlreadyRestricted, LiftRestriction, NotRestricted, RestrictPathway
from domain.retention import AlreadyHeld, LegalHold, LiftHold, NotHeld, PlaceHold, Stage
from domain.rights import Measure
from projections.erasures import ErasureList, ErasureRow, erasures, notices


class ErasureRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    ground: ErasureGround


class StepView(msgspec.Struct, kw_only=True):
    step: Step
    at: datetime
    position: int
    """Of the event that says so."""
    count: int
    """How many rows, messages, payloads or keys it was about."""


class ErasureView(msgspec.Struct, kw_only=True):
    """How one erasure stands."""

    id: UUID
    pathway_id: UUID
    ground: ErasureGround
    level: Level | None
    """What may be certified by now: `unusable` here, then `unreadable` in any copy."""
    next_step: Step | None
    """Null once certified, or refused."""
    refused_for: UUID | None
    """The legal hold that keeps the data."""
    unreadable_due: datetime | None
    """When no copy may be readable any more."""
    recipients: tuple[str, ...]
    """Agencies that knew of the person, and are told."""
    steps: list[StepView]


class ErasureLine(msgspec.Struct, kw_only=True):
    id: UUID
    pathway_id: UUID
    position: int
    requested_at: datetime
    changed_at: datetime
    ground: str
    step: Step
    """The last that was taken."""
    refused: bool


class ErasurePage(msgspec.Struct, kw_only=True):
    items: list[ErasureLine]
    next_after: int | None
    """`after` of the next page; null at the end."""


class ErasuresQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position = 0
    limit: Limit = 100
    at_least: Position | None = None


class NoticeView(msgspec.Struct, kw_only=True):
    """A pathway that the calling agency knew of is gone: its own copies are to be deleted too."""

    position: int
    pathway_id: UUID
    at: datetime


class NoticePage(msgspec.Struct, kw_only=True):
    items: list[NoticeView]
    next_after: int | None


class MeasureView(msgspec.Struct, kw_only=True):
    pathway_id: UUID
    id: UUID | None
    """Of the measure that began; null when one ended."""
    version: int
    position: int


class DueView(msgspec.Struct, kw_only=True):
    pathway_id: UUID
    stage: Stage
    last_contact: date
    archived_on: date | None


class RetentionView(msgspec.Struct, kw_only=True):
    """What the retention clock calls for today; the night's work does it."""

    today: date
    to_archive: list[DueView]
    to_erase: list[DueView]
    held: list[DueView]
    """A legal hold stops these."""


REQUEST = BodyReader(ErasureRequest)
QUERY = QueryReader(ErasuresQuery)


@post(
    "/pathways/{pathway_id:uuid}/erasures",
    name="request-erasure",
    opt=described(
        right=Scope.ERASE,
        answer=ErasureView,
        status=202,
        body=ErasureRequest,
        repeatable=True,
        refusals=(LegalHold, PersonErased),
        summary_fr="Demander l'effacement d'une personne",
    ),
)
async def request_erasure(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Ask for a person's erasure. Asked for again, it is the same one; it cannot be undone."""
    body, _ = await REQUEST.read(request)
    idempotency_key(request)
    runtime, caller = request.runtime, request.user
    pathway = await runtime.pathways.read(caller, pathway_id, Action.ERASE)
    if pathway.erased:
        raise PersonErased
    erasure = await runtime.erasures.request(pathway, body.ground, agency=caller.agency, agent=caller.agent)
    runtime.erasure_asked.set()
    return reply(view(erasure), status=202, headers={"Location": f"/v1/erasures/{erasure.id}"})


@get(
    "/erasures",
    name="list-erasures",
    opt=described(right=Scope.ERASE, answer=ErasurePage, query=ErasuresQuery, waits=True),
)
async def list_erasures(request: ApiRequest) -> Reply:
    """List the erasures of the territory, in the order of their last change."""
    query, caller = QUERY.read(request), request.user
    headers = await shown(request, [ErasureList.name], query.at_least)
    async with request.runtime.pool.acquire() as db:
        rows = await erasures(db, caller.territory, after=query.after, limit=query.limit)
    next_after = rows[-1].position if len(rows) == query.limit else None
    if next_after is not None:
        headers |= next_page(request, after=next_after)
    return reply(ErasurePage(items=[line(row) for row in rows], next_after=next_after), headers=headers)


@get(
    "/erasures/{erasure_id:uuid}",
    name="read-erasure",
    opt=described(right=Scope.ERASE, answer=ErasureView, refusals=(UnknownErasure,)),
)
async def read_erasure(request: ApiRequest, erasure_id: FromPath[UUID]) -> Reply:
    """Read how an erasure stands, step by step."""
    return reply(view(await request.runtime.erasures.read(request.user.territory, erasure_id)))


@get(
    "/erasures/{erasure_id:uuid}/certificate",
    name="read-erasure-certificate",
    opt=described(right=Scope.ERASE, answer=Certificate, refusals=(UnknownErasure, NotErasedYet)),
)
async def read_certificate(request: ApiRequest, erasure_id: FromPath[UUID]) -> Reply:
    """Read the certificate of an erasure: what was done, where the log says so, and a digest of it all."""
    territory = request.user.territory
    return reply(certificate_of(territory, await request.runtime.erasures.read(territory, erasure_id)))


@get(
    "/erasure-notices",
    name="list-erasure-notices",
    opt=described(answer=NoticePage, query=ErasuresQuery, waits=True),
)
async def list_notices(request: ApiRequest) -> Reply:
    """List the pathways that your agency knew of and whose persons were erased, in order."""
    query, caller = QUERY.read(request), request.user
    headers = await shown(request, [ErasureList.name], query.at_least)
    async with request.runtime.pool.acquire() as db:
        rows = await notices(db, caller.territory, caller.agency, after=query.after, limit=query.limit)
    next_after = rows[-1].position if len(rows) == query.limit else None
    if next_after is not None:
        headers |= next_page(request, after=next_after)
    items = [as_view(row, NoticeView, pathway_id=row.pathway) for row in rows]
    return reply(NoticePage(items=items, next_after=next_after), headers=headers)


def measure_options(body: type[Measure], *refusals: type[DomainError], **fields: Any) -> dict[str, Any]:
    return described(
        right=Scope.ERASE,
        answer=MeasureView,
        status=201,
        body=body,
        repeatable=True,
        refusals=(PersonErased, *refusals),
        **fields,
    )


RESTRICT, LIFT_RESTRICTION = BodyReader(RestrictPathway), BodyReader(LiftRestriction)
PLACE_HOLD, LIFT_HOLD = BodyReader(PlaceHold), BodyReader(LiftHold)


@post(
    "/pathways/{pathway_id:uuid}/restrictions",
    name="restrict-pathway",
    opt=measure_options(RestrictPathway, AlreadyRestricted, summary_fr="Limiter le traitement d'un parcours"),
)
async def restrict(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Keep a person's data without using them: nobody reads or adds anything, no rule looks at them."""
    return await _measured(request, pathway_id, *await RESTRICT.read(request))


@post(
    "/pathways/{pathway_id:uuid}/restrictions/liftings",
    name="lift-restriction",
    opt=measure_options(LiftRestriction, NotRestricted, summary_fr="Lever la limitation d'un parcours"),
)
async def lift_restriction(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Let a person's data be used again. Tell the person before."""
    return await _measured(request, pathway_id, *await LIFT_RESTRICTION.read(request))


@post(
    "/pathways/{pathway_id:uuid}/legal-holds",
    name="place-hold",
    opt=measure_options(PlaceHold, AlreadyHeld, summary_fr="Placer un parcours sous gel légal"),
)
async def place_hold(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Keep a person's data from being erased while the law asks for it."""
    return await _measured(request, pathway_id, *await PLACE_HOLD.read(request))


@post(
    "/pathways/{pathway_id:uuid}/legal-holds/liftings",
    name="lift-hold",
    opt=measure_options(LiftHold, NotHeld, summary_fr="Lever le gel légal d'un parcours"),
)
async def lift_hold(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Let a person's data be erased again."""
    return await _measured(request, pathway_id, *await LIFT_HOLD.read(request))


@get("/retention", name="read-retention", opt=described(right=Scope.ERASE, answer=RetentionView))
async def read_retention(request: ApiRequest) -> Reply:
    """Read whom the retention clock would have archived or erased today. Nothing is done."""
    report = await request.runtime.retention.report(request.user.territory)
    return reply(
        RetentionView(
            today=report.today,
            to_archive=due_views(report.to_archive),
            to_erase=due_views(report.to_erase),
            held=due_views(report.held),
        )
    )


def due_views(some: tuple[Due, ...]) -> list[DueView]:
    return [as_view(due, DueView) for due in some]


async def _measured(request: ApiRequest, pathway_id: UUID, measure: Measure, raw: bytes) -> Reply:
    measured: Measured = await request.runtime.rights.ask(
        request.user,
        pathway_id,
        measure,
        key=idempotency_key(request),
        fingerprint=fingerprint(request, raw),
        cause=correlation_id(request.scope),
    )
    headers = {"X-Position": str(measured.position)}
    if measured.replayed:
        headers["Idempotency-Replayed"] = "true"
    return reply(as_view(measured, MeasureView), status=201, headers=headers)


def view(erasure: Erasure) -> ErasureView:
    steps = [StepView(step=step, at=d.at, position=d.position, count=d.count) for step, d in erasure.done.items()]
    return as_view(erasure, ErasureView, pathway_id=erasure.pathway, steps=steps)


def line(row: ErasureRow) -> ErasureLine:
    return as_view(row, ErasureLine, id=row.erasure)


routes = Router(
    "/",
    route_handlers=[
        request_erasure,
        list_erasures,
        read_erasure,
        read_certificate,
        list_notices,
        restrict,
        lift_restriction,
        place_hold,
        lift_hold,
        read_retention,
    ],
    tags=["rights"],
)
