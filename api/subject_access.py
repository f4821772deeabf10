"""A person asks what is known of them: prepare the answer, read it over, release it; as JSON or as a page in French."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import idempotency_key
from api.described import described
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.access import Scope
from application.access_log import BudgetExceeded
from application.pathways import PersonErased
from application.subject_access import NothingToWithhold, UnknownSubjectAccess
from application.subject_document import Document, Nature
from application.subject_names import names_in
from application.subject_page import page_of
from domain.subject_access import AlreadyReleased, SubjectAccess, Withheld

HTML = "text/html"


class SubjectAccessView(msgspec.Struct, kw_only=True):
    """One answer to one person."""

    id: UUID
    pathway_id: UUID
    version_known: int
    """The pathway's last version that is in it."""
    released: bool
    withheld: tuple[Withheld, ...]


class FieldWithheld(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One field of one event."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    field: Annotated[str, msgspec.Meta(pattern="^[a-z_]{1,40}$(?!\\n)")]


class Release(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    withheld: Annotated[tuple[FieldWithheld, ...], msgspec.Meta(max_length=50)] = ()
    """What is about somebody else: fields of events, as the draft numbers them."""


class ItemView(msgspec.Struct, kw_only=True):
    field: str
    nature: Nature
    value: Any
    """Null when it is withheld, or was erased."""
    withheld: bool
    to_check: bool
    """In a draft: it may speak of somebody else."""


class HistoryLine(msgspec.Struct, kw_only=True):
    version: int
    type: str
    recorded_at: datetime
    agency: str
    items: list[ItemView]


class AlertTold(msgspec.Struct, kw_only=True):
    rule: str
    status: str
    on: datetime | None
    agencies: tuple[str, ...]


class Looker(msgspec.Struct, kw_only=True):
    at: datetime
    agency: str
    compartments: tuple[str, ...]
    purpose: str
    legal_basis: str | None
    refused: bool


class KeptView(msgspec.Struct, kw_only=True):
    last_contact: date
    used_until: date
    archived_since: date | None
    erased_on: date
    held: bool


class SubjectDocument(msgspec.Struct, kw_only=True):
    """All that is known of the person. No other person is named: not even who typed it."""

    id: UUID
    pathway_id: UUID
    reference: str
    territory: str
    known_at: datetime
    draft: bool
    """Not read over yet: not to be handed over."""
    identity: Mapping[str, Any]
    agencies: tuple[str, ...]
    contested: tuple[UUID, ...]
    restricted: bool
    kept: KeptView
    history: list[HistoryLine]
    alerts: list[AlertTold]
    accesses: list[Looker]


RELEASE = BodyReader(Release)


@post(
    "/pathways/{pathway_id:uuid}/subject-access",
    name="prepare-subject-access",
    opt=described(
        right=Scope.ERASE,
        answer=SubjectAccessView,
        status=201,
        repeatable=True,
        refusals=(PersonErased,),
        summary_fr="Préparer la réponse à une demande d'accès",
    ),
)
async def prepare(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Prepare the answer to a person who asks what is known of them."""
    key = idempotency_key(request)
    access = await request.runtime.subject_accesses.prepare(request.user, pathway_id, key)
    place = f"/v1/pathways/{pathway_id}/subject-access/{access.id}"
    return reply(view(access), status=201, headers={"Location": place})


@get(
    "/pathways/{pathway_id:uuid}/subject-access/{access_id:uuid}",
    name="read-subject-access",
    opt=described(
        right=Scope.ERASE,
        answer=SubjectDocument,
        also=(HTML,),
        refusals=(UnknownSubjectAccess, PersonErased, BudgetExceeded),
    ),
)
async def read(request: ApiRequest, pathway_id: FromPath[UUID], access_id: FromPath[UUID]) -> Reply:
    """Read the answer, as JSON or, with `Accept: text/html`, as a page in French. The access log keeps who read it."""
    runtime, caller = request.runtime, request.user
    document = await runtime.subject_accesses.read(caller, pathway_id, access_id, correlation_id(request.scope))
    if HTML in (request.header("accept") or ""):
        names = await names_in(caller.territory, runtime.log, runtime.rulebooks)
        page = page_of(document, runtime.calendars.of(caller.territory).tz, names)
        name = f"donnees-{document.reference}{'-projet' if document.draft else ''}.html"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Reply(page, 200, headers, b"text/html; charset=utf-8")
    return reply(document_view(document))


@post(
    "/pathways/{pathway_id:uuid}/subject-access/{access_id:uuid}/releases",
    name="release-subject-access",
    opt=described(
        right=Scope.ERASE,
        answer=SubjectAccessView,
        status=200,
        body=Release,
        repeatable=True,
        refusals=(UnknownSubjectAccess, AlreadyReleased, NothingToWithhold, PersonErased),
        summary_fr="Valider la réponse à une demande d'accès",
    ),
)
async def release(request: ApiRequest, pathway_id: FromPath[UUID], access_id: FromPath[UUID]) -> Reply:
    """Say that somebody read the draft over, and withhold what is about others: it may be handed over."""
    body, _ = await RELEASE.read(request)
    idempotency_key(request)
    withheld = [Withheld(each.version, each.field) for each in body.withheld]
    access = await request.runtime.subject_accesses.release(request.user, pathway_id, access_id, withheld)
    return reply(view(access))


def view(access: SubjectAccess) -> SubjectAccessView:
    return as_view(access, SubjectAccessView)


def document_view(document: Document) -> SubjectDocument:
    history = [
        as_view(each, HistoryLine, items=[as_view(item, ItemView) for item in each.items]) for each in document.history
    ]
    return as_view(
        document,
        SubjectDocument,
        kept=as_view(document.kept, KeptView),
        history=history,
        alerts=[as_view(alert, AlertTold) for alert in document.alerts],
        accesses=[as_view(access, Looker) for access in document.accesses],
    )


routes = Router("/", route_handlers=[prepare, read, release], tags=["rights"])
