"""What lets anyone check that the log only grew: checkpoints, receipts, proofs, and the tree's tiles."""

import re

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.described import described
from api.problems import NotFound
from api.queries import Position, QueryReader
from api.replies import Reply, reply
from api.request import ApiRequest
from application.access import Scope
from application.log_proofs import NoSuchTree, NothingSealed, NotSealedYet, Receipt, UnknownReceipt
from application.tree_tiles import WIDTH

POSITION_MAX = 2**62
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
_TILE = re.compile(r"/(entries|[0-7])/((?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class InclusionQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    position: Position
    """Of the event, from 1."""
    size: Position
    """Of the tree: that of a checkpoint."""


class ConsistencyQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    old_size: Position
    size: Position


class Proof(msgspec.Struct, kw_only=True):
    """Hashes of RFC 6962, in order."""

    hashes: list[bytes]


INCLUSION_QUERY = QueryReader(InclusionQuery)
CONSISTENCY_QUERY = QueryReader(ConsistencyQuery)


@get(
    "/checkpoint",
    name="read-log-checkpoint",
    opt=described(for_anyone=True, also=("text/plain",), refusals=(NothingSealed,)),
)
async def read_checkpoint(request: ApiRequest) -> Reply:
    """Read the last signed checkpoint of the territory's log: its size and the root of its Merkle tree.

    A C2SP checkpoint: keep it, and no event that it covers can be changed any more without your noticing.
    """
    note = await request.runtime.proofs.checkpoint(request.user.territory)
    return Reply(note.encode(), 200, {}, TEXT.encode())


@get(
    "/receipts/{position:int}",
    name="read-log-receipt",
    opt=described(answer=Receipt, refusals=(UnknownReceipt, NotSealedYet)),
)
async def read_receipt(request: ApiRequest, position: FromPath[int]) -> Reply:
    """Read the proof that an event of one's own agency is in the log, at the position that X-Position told."""
    if not 0 < position <= POSITION_MAX:
        raise UnknownReceipt
    caller = request.user
    return reply(await request.runtime.proofs.receipt(caller.territory, caller.agency, position))


@get(
    "/proofs/inclusion",
    name="prove-inclusion",
    opt=described(Scope.AUDIT_INTEGRITY, answer=Proof, query=InclusionQuery, refusals=(NoSuchTree,)),
)
async def prove_inclusion(request: ApiRequest) -> Reply:
    """Prove that an event is in the log of a given size."""
    asked = INCLUSION_QUERY.read(request)
    if asked.position == 0:
        raise NoSuchTree
    proofs = request.runtime.proofs
    return reply(Proof(hashes=await proofs.inclusion(request.user.territory, asked.position - 1, asked.size)))


@get(
    "/proofs/consistency",
    name="prove-consistency",
    opt=described(Scope.AUDIT_INTEGRITY, answer=Proof, query=ConsistencyQuery, refusals=(NoSuchTree,)),
)
async def prove_consistency(request: ApiRequest) -> Reply:
    """Prove that the log of a given size begins with the log of an earlier size."""
    asked = CONSISTENCY_QUERY.read(request)
    proofs = request.runtime.proofs
    return reply(Proof(hashes=await proofs.consistency(request.user.territory, asked.old_size, asked.size)))


@get("/tile/{place:path}", name="read-log-tile", opt=described(Scope.AUDIT_INTEGRITY, also=(BYTES,)))
async def read_tile(request: ApiRequest, place: FromPath[str]) -> Reply:
    """Read a tile of the tree, `<level>/<number>[.p/<width>]`, or with `entries` for a level what its leaves are of.

    As C2SP tlog-tiles: 256 hashes of 32 bytes. An entry is a header followed by the hash of the sealed payload.
    """
    match = _TILE.fullmatch(f"/{place.lstrip('/')}")
    if match is None or int(match[3] or 1) >= WIDTH:
        raise NotFound
    level, number, width = match[1], int(re.sub("[x/]", "", match[2])), int(match[3] or WIDTH)
    proofs, territory = request.runtime.proofs, request.user.territory
    if level == "entries":
        found = await proofs.entries(territory, number, width)
    else:
        found = await proofs.tile(territory, int(level), number, width)
    if found is None:
        raise NotFound
    return Reply(found, 200, {}, BYTES.encode())


routes = Router(
    "/log",
    route_handlers=[read_checkpoint, read_receipt, prove_inclusion, prove_consistency, read_tile],
    tags=["log"],
)
