"""One line of a batch: the address, the key and the body of a command, read as strictly as a request of its own."""

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from api.bodies import BodyReader, well_formed
from api.conditions import fingerprint_of, idempotency_key_of, version_of
from api.limits import BodyTooLarge, Limits
from api.pathways import UPDATES
from api.problems import NotFound
from application.access import Caller
from application.pathways import Order
from domain.catalogue import COMMANDS, CommandSpec

UUID_TEXT = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
ADDRESS = re.compile(
    rf"/v1/pathways(?:/(?P<pathway>{UUID_TEXT})(?P<noun>/[a-z-]+)(?:/(?P<entry>{UUID_TEXT})(?P<verb>/[a-z-]+))?)?",
    re.ASCII,
)


class BatchLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A command, as it would be sent to its own address."""

    path: Annotated[str, msgspec.Meta(max_length=200, description="Such as `/v1/pathways/{pathway_id}/contacts`.")]
    idempotency_key: Annotated[str, msgspec.Meta(max_length=255, description="As in `Idempotency-Key`.")]
    if_match: Annotated[str, msgspec.Meta(max_length=64, description='As in `If-Match`: `"v7"`, or `*`.')] | None = None
    body: msgspec.Raw
    """The body that the address takes."""


class Address(NamedTuple):
    spec: CommandSpec
    pathway_id: UUID | None
    """None for an opening."""
    entry_id: UUID | None


READERS: Mapping[str, BodyReader[msgspec.Struct]] = {spec.name: BodyReader(spec.body) for spec in COMMANDS}
SPECS: Mapping[str, CommandSpec] = {spec.path.replace("{entry_id}", "*"): spec for spec in COMMANDS}
LINE = BodyReader(BatchLine)


def read_line(raw: bytes, limits: Limits) -> BatchLine:
    """Raises what a body of its own would raise."""
    if len(raw) > limits.body_bytes:
        raise BodyTooLarge
    return LINE.decode(well_formed(raw, limits))


def address_of(path: str) -> Address:
    """Raises NotFound for all but the address of a command on a pathway."""
    match = ADDRESS.fullmatch(path)
    if match is None:
        raise NotFound
    pathway, noun, entry, verb = match.group("pathway", "noun", "entry", "verb")
    spec = SPECS.get("" if noun is None else noun if entry is None else f"{noun}/*{verb}")
    if spec is None:
        raise NotFound
    return Address(spec, None if pathway is None else UUID(pathway), None if entry is None else UUID(entry))


def order_of(line: BatchLine, address: Address, caller: Caller, correlation_id: UUID) -> Order:
    """The same order, with the same fingerprint, as its own address would make of it."""
    body, spec = bytes(line.body), address.spec
    return Order(
        caller=caller,
        command=spec.command(READERS[spec.name].decode(body), address.entry_id),
        idempotency_key=idempotency_key_of(line.idempotency_key),
        fingerprint=fingerprint_of("POST", line.path, body),
        if_match=version_of(line.if_match, required=spec.name in UPDATES),
        correlation_id=correlation_id,
    )
