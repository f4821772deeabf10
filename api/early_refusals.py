"""Refusals of what never becomes a request that the application sees: the bytes of a whole answer."""

from collections.abc import Iterable
from http import HTTPStatus

import msgspec

from api.problems import MEDIA_TYPE, Problem, title
from api.security_headers import SECURITY_HEADERS
from domain.errors import DomainError
from domain.ids import uuid7


def early_refusal(refusal: DomainError, headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Ends the connection. In French, and without an address: neither the language nor the address may be known yet."""
    identifier, kind = str(uuid7()), type(refusal)
    problem = Problem(
        type=f"/problems/{kind.code}",
        title=title(kind, "fr"),
        status=kind.status,
        detail=title(kind, "fr"),
        instance=f"urn:uuid:{identifier}",
        code=kind.code,
        trace_id=identifier,
    )
    body = msgspec.json.encode(problem)
    sent = [
        *headers,
        *SECURITY_HEADERS,
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-language", b"fr"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", identifier.encode()),
        (b"connection", b"close"),
    ]
    if "retry_after_s" in refusal.context:
        sent.append((b"retry-after", b"%d" % refusal.context["retry_after_s"]))
    status = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}".encode()
    return b"\r\n".join([status, *(b"%s: %s" % header for header in sent), b"", body])
