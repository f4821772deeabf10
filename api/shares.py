"""Who may read a pathway without taking part in it: shares, and the breaking of the glass with its reviews."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import etag
from api.described import described
from api.pathways import Recorded, carried_out, order
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Scope
from application.authorisation import Forbidden
from application.break_glass import ReviewsOverdue
from application.pathways import Receipt
from domain.break_glass import BreakGlass, BreakTheGlass
from domain.catalogue import ACCESS_COMMANDS, CommandSpec
from domain.pathway import UnknownEntry
from domain.shares import AccessPurpose, Basis, Share, SharedContent, live_shares

SCOPES = {"review-break-glass": Scope.READ}
"""What the credential of a person who reviews holds; the other commands share."""


class ShareView(msgspec.Struct, kw_only=True):
    id: UUID
    by_agency: str
    to_agency: str
    contents: tuple[SharedContent, ...]
    purpose: AccessPurpose
    basis: Basis
    consent_id: UUID | None
    until: datetime
    live: bool
    """False once revoked, past its date, or without its consent."""


class BreakGlassView(msgspec.Struct, kw_only=True):
    """Somebody read in an emergency what nobody had shared. The motive is for its review."""

    id: UUID
    agency: str
    agent: str
    until: datetime
    review_due: datetime
    justified: bool | None
    """Null: not reviewed yet."""


class Viewers(msgspec.Struct, kw_only=True):
    """All who could ever read the pathway beside those that take part in it."""

    pathway_id: UUID
    shares: list[ShareView]
    break_glass: list[BreakGlassView]


class Review(msgspec.Struct, kw_only=True):
    """A breaking of the glass to be reviewed."""

    break_glass_id: UUID
    pathway_id: UUID
    agency: str
    agent: str
    until: datetime
    review_due: datetime


class Reviews(msgspec.Struct, kw_only=True):
    """The earliest due first, at most a hundred."""

    items: list[Review]


@get("/{pathway_id:uuid}/shares", name="list-shares", opt=described(answer=Viewers))
async def list_shares(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
    """Read with whom a pathway was shared, and who broke the glass on it."""
    runtime = request.runtime
    pathway = await runtime.pathways.read(request.user, pathway_id)
    live = {share.share_id for share in live_shares(pathway, runtime.clock.now())}
    shares = [_share(share, live=share.share_id in live) for share in pathway.shares.values()]
    broken = [_break_glass(each) for each in pathway.break_glass.values()]
    return reply(
        Viewers(pathway_id=pathway.id, shares=shares, break_glass=broken), headers={"ETag": etag(pathway.version)}
    )


def _share(share: Share, *, live: bool) -> ShareView:
    return as_view(share, ShareView, id=share.share_id, live=live)


def _break_glass(broken: BreakGlass) -> BreakGlassView:
    return as_view(broken, BreakGlassView, id=broken.break_glass_id)


@get("/", name="list-break-glass", opt=described(answer=Reviews))
async def list_break_glass(request: ApiRequest) -> Reply:
    """Read which breakings of the glass wait for their review in the territory."""
    found = await request.runtime.break_glasses.pending(request.user.territory)
    return reply(Reviews(items=[as_view(each, Review) for each in found]))


def _options(spec: CommandSpec) -> dict[str, Any]:
    refusals = (Forbidden, ReviewsOverdue) if spec.command_type is BreakTheGlass else (Forbidden, UnknownEntry)
    return described(
        SCOPES.get(spec.name, Scope.SHARE),
        answer=Recorded,
        status=201 if spec.creates else 200,
        body=spec.body,
        repeatable=True,
        versioned=True,
        refusals=refusals,
        summary=spec.summary,
        summary_fr=spec.summary_fr,
    )


def _answer(receipt: Receipt) -> Reply:
    place = f"/v1/pathways/{receipt.pathway_id}"
    headers = {"ETag": etag(receipt.version), "X-Position": str(receipt.position)}
    if receipt.created:
        headers["Location"] = f"{place}/shares"
    if receipt.replayed:
        headers["Idempotency-Replayed"] = "true"
    recorded = Recorded(
        id=receipt.id, pathway_id=receipt.pathway_id, version=receipt.version, position=receipt.position
    )
    return reply(recorded, status=201 if receipt.created else 200, headers=headers)


def command_route(spec: CommandSpec) -> HTTPRouteHandler:
    """The route of one command about who may read."""
    reader = BodyReader(spec.body)

    async def carry_out(request: ApiRequest, pathway_id: UUID, entry_id: UUID | None = None) -> Reply:
        body, raw = await reader.read(request)
        ordered = order(request, spec.command(body, entry_id), raw)
        if isinstance(ordered.command, BreakTheGlass):
            return _answer(await request.runtime.break_glasses.open(pathway_id, ordered))
        return _answer(await carried_out(request.runtime.pathways, pathway_id, ordered))

    async def on_pathway(request: ApiRequest, pathway_id: FromPath[UUID]) -> Reply:
        return await carry_out(request, pathway_id)

    async def on_entry(request: ApiRequest, pathway_id: FromPath[UUID], entry_id: FromPath[UUID]) -> Reply:
        return await carry_out(request, pathway_id, entry_id)

    on_pathway.__doc__ = on_entry.__doc__ = spec.command_type.__doc__
    path = f"/{{pathway_id:uuid}}{spec.path}".replace("{entry_id}", "{entry_id:uuid}")
    return post(path, name=spec.name, opt=_options(spec))(on_pathway if spec.entry_field is None else on_entry)


routes = Router(
    "/pathways", route_handlers=[list_shares, *(command_route(spec) for spec in ACCESS_COMMANDS)], tags=["need-to-know"]
)
reviews = Router("/break-glass", route_handlers=[list_break_glass], tags=["need-to-know"])
