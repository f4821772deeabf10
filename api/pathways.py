"""Pathways over HTTP: opening one, every command of the catalogue, and reading back."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import etag, fingerprint, idempotency_key, if_match, is_unchanged, preferences
from api.described import described
from api.moments import DayOrInstant, DayOrInstantOrNull
from api.pathway_list import list_pathways
from api.replies import Reply, as_view, nothing, reply
from api.request import ApiRequest, correlation_id
from application.event_log import StaleVersion
from application.pathways import Order, Pathways, Receipt
from domain.catalogue import COMMANDS, OPENING, CommandSpec
from domain.command import Command
from domain.facts import FactState, Precision
from domain.ledger import Current
from domain.opening import OpenPathway
from domain.pathway import Pathway, UnknownEntry
from projections.pathway_timeline import status_of


class Recorded(msgspec.Struct, kw_only=True):
    """A command was carried out and is durable."""

    id: UUID | None
    """What was recorded; null where nothing new has an id."""
    pathway_id: UUID
    version: int
    position: int
    """Where the territory's log stood after it."""


class EntryView(msgspec.Struct, kw_only=True):
    """One thing recorded in a pathway, as it stands after corrections and later steps."""

    id: UUID
    type: str | None
    agency: str
    start: DayOrInstant
    end: DayOrInstantOrNull
    precision: Precision
    state: FactState
    attrs: dict[str, Any]
    contested: bool
    """The person says that it is not right."""
    version: int
    recorded_at: datetime
    position: int


class PathwayView(msgspec.Struct, kw_only=True):
    """What is coded of a pathway: no name, no note."""

    id: UUID
    reference: str
    """What people call it by, such as P-00412."""
    version: int
    status: str
    referent: str | None
    participants: list[str]
    zone: str | None
    """Where the person last moved to, as far as it is recorded."""
    opened_at: datetime
    updated_at: datetime
    entries: list[EntryView]


def view(pathway: Pathway) -> PathwayView:
    entries = (pathway.ledger.current(entry_id) for entry_id in pathway.ledger.entries)
    return PathwayView(
        id=pathway.id,
        reference=pathway.reference,
        version=pathway.version,
        status=status_of(pathway),
        referent=pathway.referent,
        participants=sorted(pathway.participants),
        zone=pathway.zone,
        opened_at=pathway.created_on,
        updated_at=pathway.modified_on,
        entries=[entry_view(pathway, entry) for entry in entries if entry is not None],
    )


def entry_view(pathway: Pathway, current: Current) -> EntryView:
    entry, contested = current.entry, current.id in pathway.rights.contested
    return as_view(current, EntryView, id=entry.id, type=entry.type, agency=entry.agency, contested=contested)


def order(request: ApiRequest, command: Command, raw: bytes, *, update: bool = False) -> Order:
    """The command, in the caller's name, with the conditions that the headers set."""
    return Order(
        caller=request.user,
        command=command,
        idempotency_key=idempotency_key(request),
        fingerprint=fingerprint(request, raw),
        if_match=if_match(request, required=update),
        correlation_id=correlation_id(request.scope),
    )


async def answer(request: ApiRequest, receipt: Receipt) -> Reply:
    """201 when something was recorded under an id, else 200; the whole pathway when the client prefers it."""
    place = f"/v1/pathways/{receipt.pathway_id}"
    headers = {"ETag": etag(receipt.version), "X-Position": str(receipt.position)}
    if receipt.created:
        own_place = receipt.id == receipt.pathway_id
        headers["Location"] = place if own_place else f"{place}/entries/{receipt.id}"
    if receipt.replayed:
        headers["Idempotency-Replayed"] = "true"
    status = 201 if receipt.created else 200
    preferred = preferences(request)
    if preferred.representation:
        pathway = await request.runtime.pathways.read(request.user, receipt.pathway_id)
        headers |= {"ETag": etag(pathway.version), "Preference-Applied": "return=representation"}
        return reply(view(pathway), status=status, headers=headers)
    if preferred.minimal:
        headers["Preference-Applied"] = "return=minimal"
    recorded = Recorded(
        id=receipt.id, pathway_id=receipt.pathway_id, version=receipt.version, position=receipt.position
    )
    return reply(recorded, status=status, headers=headers)


OPENING_BODY = BodyReader(OpenPathway)


def command_options(spec: CommandSpec, *, update: bool = False) -> dict[str, Any]:
    return described(
        answer=Recorded,
        preferred=PathwayView,
        status=201 if spec.creates else 200,
        body=spec.body,
        repeatable=True,
        versioned=spec is not OPENING,
        version_required=update,
        summary=spec.summary,
        summary_fr=spec.summary_fr,
    )


@post("/", name=OPENING.name, opt=command_options(OPENING))
async def open_pathway(request: ApiRequest) -> Reply:
    """Open a pathway for a person."""
    command, raw = await OPENING_BODY.read(request)
    return await answer(request, await request.runtime.pathways.open(order(request, command, raw)))


@get("/{pathway_id:uuid}", name="read-pathway", opt=described(answer=PathwayView, cached=True))
async def read_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read the coded state of a pathway."""
    pathway = await request.runtime.pathways.read(request.user, pathway_id)
    headers = {"ETag": etag(pathway.version)}
    if is_unchanged(request, headers["ETag"]):
        return nothing(status=304, headers=headers)
    return reply(view(pathway), headers=headers)


@get(
    "/{pathway_id:uuid}/entries/{entry_id:uuid}",
    name="read-entry",
    opt=described(answer=EntryView, refusals=(UnknownEntry,)),
)
async def read_entry(request: ApiRequest, pathway_id: FromPath[UUID], entry_id: FromPath[UUID]) -> Reply:
    """Read one thing recorded in a pathway, as it stands now."""
    pathway = await request.runtime.pathways.read(request.user, pathway_id)
    current = pathway.ledger.current(entry_id)
    if current is None:
        raise UnknownEntry
    return reply(entry_view(pathway, current), headers={"ETag": etag(pathway.version)})


CHANGES_MOST = 20
UPDATES = frozenset({"correct-identity", "correct-entry", "retract-entry", "request-transfer", "close-pathway"})
"""Commands that change what others recorded, or all of the pathway: their client must say which version it has seen."""


async def carried_out(pathways: Pathways, pathway_id: UUID, ordered: Order) -> Receipt:
    """A refusal for a stale version says what has changed since."""
    try:
        return await pathways.act(pathway_id, ordered)
    except StaleVersion as refusal:
        changes = await pathways.changes(ordered.caller, pathway_id, after_version=ordered.if_match or 0)
        refusal.context["changed"] = [(each.event.originator_version, each.topic) for each in changes[:CHANGES_MOST]]
        raise


def command_route(spec: CommandSpec) -> HTTPRouteHandler:
    """The route of one command of the catalogue."""
    reader = BodyReader(spec.body)
    update = spec.name in UPDATES

    async def carry_out(request: ApiRequest, pathway_id: UUID, entry_id: UUID | None = None) -> Reply:
        body, raw = await reader.read(request)
        ordered = order(request, spec.command(body, entry_id), raw, update=update)
        return await answer(request, await carried_out(request.runtime.pathways, pathway_id, ordered))

    async def on_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
        return await carry_out(request, pathway_id)

    async def on_entry(request: ApiRequest, pathway_id: FromPath[UUID], entry_id: FromPath[UUID]) -> Reply:
        return await carry_out(request, pathway_id, entry_id)

    on_pathway.__doc__ = on_entry.__doc__ = spec.command_type.__doc__
    path = f"/{{pathway_id:uuid}}{spec.path}".replace("{entry_id}", "{entry_id:uuid}")
    handler = on_pathway if spec.entry_field is None else on_entry
    return post(path, name=spec.name, opt=command_options(spec, update=update))(handler)


routes = Router(
    "/pathways",
    route_handlers=[
        open_pathway,
        list_pathways,
        read_pathway,
        read_entry,
        *(command_route(spec) for spec in COMMANDS if spec is not OPENING),
    ],
    tags=["pathways"],
)
