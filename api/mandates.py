"""Auditors' mandates over HTTP: proposed by one person, signed by the data-protection officer, revoked at any time."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import fingerprint, idempotency_key
from api.described import described
from api.moments import moment
from api.queries import Limit, Position, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.authorisation import Forbidden
from application.mandates import Order, Receipt
from domain.mandate import (
    Mandate,
    MandateCommand,
    MandateDates,
    MandateKind,
    MandateNamesPathways,
    MandateNeedsAnother,
    MandateOver,
    MandateRegisterFull,
    MandateState,
    MandateTooLong,
    ProposeMandate,
    RevokeMandate,
    SignMandate,
    UnknownMandate,
)
from domain.rulebook import Author


class MandateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing more to say."""


class Who(msgspec.Struct, kw_only=True):
    """A person, under a pseudonym."""

    agency: str
    agent: str | None


class MandateView(msgspec.Struct, kw_only=True):
    """A mandate as it stands."""

    id: UUID
    kind: MandateKind
    state: MandateState
    auditor: Who
    pathways: tuple[UUID, ...]
    """Of a case mandate: all that it opens."""
    begins_at: datetime
    ends_at: datetime
    """From then on it opens nothing."""
    reference: str
    proposed_by: Who
    proposed_at: datetime
    signed_by: Who | None
    signed_at: datetime | None
    revoked_by: Who | None
    revoked_at: datetime | None


class MandatePage(msgspec.Struct, kw_only=True):
    """The first proposed first."""

    items: list[MandateView]
    next_after: int | None
    """`after` of the next page; null at the end."""


class MandateUseView(msgspec.Struct, kw_only=True):
    """On that day the auditor opened that pathway."""

    pathway_id: UUID
    day: str
    first_at: datetime


class MandateUses(msgspec.Struct, kw_only=True):
    """What was opened under a mandate, oldest first."""

    items: list[MandateUseView]
    next_after: int | None
    """`after` of the next page; null at the end."""


class MandateRecorded(msgspec.Struct, kw_only=True):
    """The register says so; durable."""

    id: UUID
    position: int
    """Of the last event; 0 when nothing changed."""


class ListQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position = 0
    """How many were on the pages before."""
    limit: Limit = 100


LIST = QueryReader(ListQuery)
PROPOSAL, NOTHING = BodyReader(ProposeMandate), BodyReader(MandateBody)


@get("/", name="list-mandates", opt=described(for_anyone=True, answer=MandatePage, query=ListQuery))
async def list_mandates(request: ApiRequest) -> Reply:
    """List mandates: all for those who propose or sign them, one's own for an auditor."""
    query, runtime = LIST.read(request), request.runtime
    mandates = await runtime.mandates.seen_by(request.user)
    page, now = mandates[query.after : query.after + query.limit], runtime.clock.now()
    next_after = query.after + len(page) if query.after + len(page) < len(mandates) else None
    headers = {} if next_after is None else next_page(request, after=next_after)
    return reply(MandatePage(items=[view(each, now) for each in page], next_after=next_after), headers=headers)


@get(
    "/{mandate_id:uuid}",
    name="read-mandate",
    opt=described(for_anyone=True, answer=MandateView, refusals=(UnknownMandate,)),
)
async def read_mandate(request: ApiRequest, mandate_id: FromPath[UUID]) -> Reply:
    """Read a mandate that one may propose, sign or use."""
    return reply(view(await seen(request, mandate_id), request.runtime.clock.now()))


@get(
    "/{mandate_id:uuid}/uses",
    name="list-mandate-uses",
    opt=described(for_anyone=True, answer=MandateUses, query=ListQuery, refusals=(UnknownMandate,)),
)
async def list_mandate_uses(request: ApiRequest, mandate_id: FromPath[UUID]) -> Reply:
    """List which pathways an auditor opened under a mandate, and on which days."""
    query, mandate = LIST.read(request), await seen(request, mandate_id)
    uses = await request.runtime.mandates.uses(request.user.territory, mandate)
    page = uses[query.after : query.after + query.limit]
    next_after = query.after + len(page) if query.after + len(page) < len(uses) else None
    headers = {} if next_after is None else next_page(request, after=next_after)
    items = [MandateUseView(pathway_id=use.pathway, day=use.day, first_at=use.at) for use in page]
    return reply(MandateUses(items=items, next_after=next_after), headers=headers)


@post(
    "/",
    name="propose-mandate",
    opt=described(
        for_anyone=True,
        answer=MandateRecorded,
        status=201,
        body=ProposeMandate,
        repeatable=True,
        refusals=(Forbidden, MandateDates, MandateTooLong, MandateNamesPathways, MandateRegisterFull),
    ),
)
async def propose_mandate(request: ApiRequest) -> Reply:
    """Propose to let an auditor in. It opens nothing until the data-protection officer has signed."""
    body, raw = await PROPOSAL.read(request)
    command = msgspec.structs.replace(
        body, begins_at=moment("/begins_at", body.begins_at), ends_at=moment("/ends_at", body.ends_at)
    )
    receipt = await carry_out(request, command, raw)
    return answer(receipt, status=201, headers={"Location": f"/v1/mandates/{receipt.mandate_id}"})


@post(
    "/{mandate_id:uuid}/signatures",
    name="sign-mandate",
    status_code=200,
    opt=described(
        for_anyone=True,
        answer=MandateRecorded,
        body=MandateBody,
        repeatable=True,
        refusals=(Forbidden, UnknownMandate, MandateNeedsAnother, MandateOver),
    ),
)
async def sign_mandate(request: ApiRequest, mandate_id: FromPath[UUID]) -> Reply:
    """Sign a mandate that somebody else proposed, for somebody else to use."""
    _, raw = await NOTHING.read(request)
    return answer(await carry_out(request, SignMandate(mandate_id=mandate_id), raw))


@post(
    "/{mandate_id:uuid}/revocations",
    name="revoke-mandate",
    status_code=200,
    opt=described(
        for_anyone=True,
        answer=MandateRecorded,
        body=MandateBody,
        repeatable=True,
        refusals=(Forbidden, UnknownMandate),
    ),
)
async def revoke_mandate(request: ApiRequest, mandate_id: FromPath[UUID]) -> Reply:
    """Take a mandate back. It opens nothing from the next request on."""
    _, raw = await NOTHING.read(request)
    return answer(await carry_out(request, RevokeMandate(mandate_id=mandate_id), raw))


async def seen(request: ApiRequest, mandate_id: UUID) -> Mandate:
    """Raises UnknownMandate for those of others too."""
    mandates = await request.runtime.mandates.seen_by(request.user)
    found = next((each for each in mandates if each.id == mandate_id), None)
    if found is None:
        raise UnknownMandate
    return found


async def carry_out(request: ApiRequest, command: MandateCommand, raw: bytes) -> Receipt:
    order = Order(
        caller=request.user,
        command=command,
        idempotency_key=idempotency_key(request),
        fingerprint=fingerprint(request, raw),
        correlation_id=correlation_id(request.scope),
    )
    return await request.runtime.mandates.carry_out(order)


def answer(receipt: Receipt, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    sent = {"X-Position": str(receipt.position)} | (headers or {})
    if receipt.replayed:
        sent["Idempotency-Replayed"] = "true"
    recorded = MandateRecorded(id=receipt.mandate_id, position=receipt.position)
    return reply(recorded, status=status, headers=sent)


def view(mandate: Mandate, now: datetime) -> MandateView:
    return as_view(
        mandate,
        MandateView,
        state=mandate.state(now),
        auditor=_who(mandate.auditor),
        proposed_by=_who(mandate.proposed_by),
        signed_by=None if mandate.signed_by is None else _who(mandate.signed_by),
        revoked_by=None if mandate.revoked_by is None else _who(mandate.revoked_by),
    )


def _who(author: Author) -> Who:
    return Who(agency=author.agency, agent=author.agent)


routes = Router(
    "/mandates",
    route_handlers=[
        list_mandates,
        read_mandate,
        list_mandate_uses,
        propose_mandate,
        sign_mandate,
        revoke_mandate,
    ],
    tags=["mandates"],
)
