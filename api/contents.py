"""The one route that opens who a person is, their health and what was noted: it is logged before it answers."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.described import described
from api.queries import QueryReader
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.access_log import BudgetExceeded
from application.authorisation import PurposeRequired
from application.contents import Content
from application.key_vault import KeyRestricted
from application.pathways import PersonErased
from domain.compartments import Compartment
from domain.shares import AccessPurpose

Compartments = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(identity|health|notes)(,(identity|health|notes)){0,2}$(?!\n)",
        description="What to open, separated by commas: `identity`, `health`, `notes`. All of it is opened, or none.",
    ),
]


class ContentsQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    compartments: Compartments
    purpose: AccessPurpose
    """What it is needed for: the access log keeps it."""


class IdentityView(msgspec.Struct, kw_only=True):
    """Who the person is and how to reach them."""

    given_name: str | None
    family_name: str | None
    birth_date: date | None
    phone: str | None
    email: str | None
    address: str | None
    contested: bool
    """The person says that it is not right."""


class HealthThemeView(msgspec.Struct, kw_only=True):
    theme: str
    need_id: UUID | None


class HealthView(msgspec.Struct, kw_only=True):
    """What an event says of the person's health."""

    version: int
    """The event's, as in the timeline."""
    type: str
    agency: str
    actor: str | None
    recorded_at: datetime
    contested: bool
    """The person says that what was recorded there is not right."""
    themes: list[HealthThemeView]


class NoteView(msgspec.Struct, kw_only=True):
    """A text that goes with an event."""

    version: int
    """The event's, as in the timeline."""
    type: str
    agency: str
    actor: str | None
    recorded_at: datetime
    contested: bool
    """The person says that what was recorded there is not right."""
    text: str


class ContentsView(msgspec.Struct, kw_only=True):
    """What was asked for; null where it was not."""

    pathway_id: UUID
    version: int
    position: int
    """Of this access in the territory's log."""
    identity: IdentityView | None
    health: list[HealthView] | None
    notes: list[NoteView] | None
    erased: list[Compartment]
    """Of which something was recorded that can no longer be read."""


CONTENTS_QUERY = QueryReader(ContentsQuery)


@get(
    "/{pathway_id:uuid}/contents",
    name="open-contents",
    opt=described(
        answer=ContentsView,
        query=ContentsQuery,
        refusals=(PersonErased, PurposeRequired, BudgetExceeded, KeyRestricted),
    ),
)
async def open_contents(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Open what names a person, says something of their health, or was noted. The access log keeps who did, and why."""
    query = CONTENTS_QUERY.read(request)
    content = await request.runtime.contents.open(
        request.user,
        pathway_id,
        frozenset(map(Compartment, query.compartments.split(","))),
        query.purpose,
        correlation_id(request.scope),
    )
    return reply(view(content))


def view(content: Content) -> ContentsView:
    identity, health, notes = content.identity, content.health, content.notes
    return ContentsView(
        pathway_id=content.pathway_id,
        version=content.version,
        position=content.position,
        identity=None if identity is None else as_view(identity, IdentityView),
        health=None
        if health is None
        else [
            as_view(each, HealthView, type=each.topic, themes=[as_view(one, HealthThemeView) for one in each.themes])
            for each in health
        ],
        notes=None if notes is None else [as_view(each, NoteView, type=each.topic) for each in notes],
        erased=list(content.erased),
    )


routes = Router("/pathways", route_handlers=[open_contents], tags=["contents"])
