"""Pathways over HTTP: opening one, every command of the catalogue, and reading back."""

from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from api.bodies import BodyReader
from api.conditions import etag, idempotency_key, if_match, is_unchanged, preferences
from api.replies import nothing, reply
from api.request import ApiRequest, correlation_id
from application.pathways import Order, Receipt
from domain.catalogue import COMMANDS, OPENING, CommandSpec
from domain.command import Command
from domain.facts import FactState, Precision
from domain.ledger import Current
from domain.opening import OpenPathway
from domain.pathway import Pathway, UnknownEntry


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
    start: date | datetime
    end: date | datetime | None
    precision: Precision
    state: FactState
    attrs: dict[str, Any]
    version: int
    recorded_at: datetime
    position: int


class PathwayView(msgspec.Struct, kw_only=True):
    """What is coded of a pathway: no name, no note."""

    id: UUID
    version: int
    status: str
    referent: str | None
    participants: list[str]
    opened_at: datetime
    updated_at: datetime
    entries: list[EntryView]


def view(pathway: Pathway) -> PathwayView:
    entries = (pathway.ledger.current(entry_id) for entry_id in pathway.ledger.entries)
    return PathwayView(
        id=pathway.id,
        version=pathway.version,
        status="closed" if pathway.is_closed else "suspended" if pathway.is_suspended else "open",
        referent=pathway.referent,
        participants=sorted(pathway.participants),
        opened_at=pathway.created_on,
        updated_at=pathway.modified_on,
        entries=[entry_view(entry) for entry in entries if entry is not None],
    )


def entry_view(current: Current) -> EntryView:
    return EntryView(
        id=current.entry.id,
        type=current.entry.type,
        agency=current.entry.agency,
        start=current.start,
        end=current.end,
        precision=current.precision,
        state=current.state,
        attrs=current.attrs,
        version=current.version,
        recorded_at=current.recorded_at,
        position=current.position,
    )


def order(request: ApiRequest, command: Command, raw: bytes, *, update: bool = False) -> Order:
    """The command, in the caller's name, with the conditions that the headers set."""
    return Order(
        caller=request.user,
        command=command,
        idempotency_key=idempotency_key(request),
        fingerprint=sha256(b"\n".join((request.method.encode(), request.scope["path"].encode(), raw))).digest(),
        if_match=if_match(request, required=update),
        correlation_id=correlation_id(request.scope),
    )


async def answer(request: ApiRequest, receipt: Receipt) -> ASGIResponse:
    """201 when something was recorded under an id, else 200; the whole pathway when the client prefers it."""
    place = f"/v1/pathways/{receipt.pathway_id}"
    headers = {"ETag": etag(receipt.version), "X-Position": str(receipt.position)}
    if receipt.created:
        own_place = receipt.id == receipt.pathway_id
        headers["Location"] = place if own_place else f"{place}/entries/{receipt.id}"
    if receipt.replayed:
        headers["Idempotency-Replayed"] = "true"
    status = 201 if receipt.created else 200
    if preferences(request).representation:
        pathway = await request.runtime.pathways.read(request.user, receipt.pathway_id)
        headers |= {"ETag": etag(pathway.version), "Preference-Applied": "return=representation"}
        return reply(view(pathway), status=status, headers=headers)
    recorded = Recorded(
        id=receipt.id, pathway_id=receipt.pathway_id, version=receipt.version, position=receipt.position
    )
    return reply(recorded, status=status, headers=headers)


OPENING_BODY = BodyReader(OpenPathway)


@post("/", name=OPENING.name, opt={"command": OPENING})
async def open_pathway(request: ApiRequest) -> ASGIResponse:
    """Open a pathway for a person."""
    command, raw = await OPENING_BODY.read(request)
    return await answer(request, await request.runtime.pathways.open(order(request, command, raw)))


@get("/{pathway_id:uuid}", name="read-pathway")
async def read_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> ASGIResponse:
    """Read the coded state of a pathway."""
    pathway = await request.runtime.pathways.read(request.user, pathway_id)
    headers = {"ETag": etag(pathway.version)}
    if is_unchanged(request, headers["ETag"]):
        return nothing(status=304, headers=headers)
    return reply(view(pathway), headers=headers)


@get("/{pathway_id:uuid}/entries/{entry_id:uuid}", name="read-entry")
async def read_entry(request: ApiRequest, pathway_id: FromPath[UUID], entry_id: FromPath[UUID]) -> ASGIResponse:
    """Read one thing recorded in a pathway, as it stands now."""
    pathway = await request.runtime.pathways.read(request.user, pathway_id)
    current = pathway.ledger.current(entry_id)
    if current is None:
        raise UnknownEntry
    return reply(entry_view(current), headers={"ETag": etag(pathway.version)})


UPDATES = frozenset({"correct-identity", "correct-entry", "retract-entry", "request-transfer", "close-pathway"})
"""Commands that change what others recorded, or all of the pathway: their client must say which version it has seen."""


def command_route(spec: CommandSpec) -> HTTPRouteHandler:
    """The route of one command of the catalogue."""
    reader = BodyReader(spec.body)
    update = spec.name in UPDATES

    async def carry_out(request: ApiRequest, pathway_id: UUID, entry_id: UUID | None = None) -> ASGIResponse:
        body, raw = await reader.read(request)
        ordered = order(request, spec.command(body, entry_id), raw, update=update)
        return await answer(request, await request.runtime.pathways.act(pathway_id, ordered))

    async def on_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> ASGIResponse:
        return await carry_out(request, pathway_id)

    async def on_entry(request: ApiRequest, pathway_id: FromPath[UUID], entry_id: FromPath[UUID]) -> ASGIResponse:
        return await carry_out(request, pathway_id, entry_id)

    path = f"/{{pathway_id:uuid}}{spec.path}".replace("{entry_id}", "{entry_id:uuid}")
    handler = on_pathway if spec.entry_field is None else on_entry
    return post(path, name=spec.name, opt={"command": spec})(handler)


routes = Router(
    "/pathways",
    route_handlers=[
        open_pathway,
        read_pathway,
        read_entry,
        *(command_route(spec) for spec in COMMANDS if spec is not OPENING),
    ],
    tags=["pathways"],
)
