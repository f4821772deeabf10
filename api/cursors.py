"""Cursors of pages: opaque, signed, and good for one caller, one route and one set of filters only."""

import base64
import binascii
import hmac
from hashlib import sha256
from typing import TypeVar

import msgspec

from application.access import Caller
from domain.errors import DomainError

T = TypeVar("T")

SIGNATURE_BYTES = 16
MAY_VARY = frozenset({"cursor", "limit", "at_least"})


class InvalidCursor(DomainError):
    """This cursor was not given by the page before, or the filters have changed."""

    code = "invalid_cursor"
    status = 400
    title_fr = "Ce curseur ne vient pas de la page précédente, ou les filtres ont changé."


class Cursors:
    """Signs where a page ended."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"unisson page cursors v1", "sha256")

    def seal(self, caller: Caller, path: str, filters: msgspec.Struct, place: object) -> str:
        body = msgspec.json.encode(place)
        return base64.urlsafe_b64encode(body + self._signature(caller, path, filters, body)).decode().rstrip("=")

    def open(self, caller: Caller, path: str, filters: msgspec.Struct, cursor: str, type_: type[T]) -> T:
        """Raises InvalidCursor."""
        try:
            token = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidCursor from None
        body, signature = token[:-SIGNATURE_BYTES], token[-SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(caller, path, filters, body)):
            raise InvalidCursor
        return msgspec.json.decode(body, type=type_)

    def _signature(self, caller: Caller, path: str, filters: msgspec.Struct, body: bytes) -> bytes:
        """Over everything that the place depends on: whose, of what, filtered how. Where and how much may vary."""
        kept = {name: value for name, value in msgspec.structs.asdict(filters).items() if name not in MAY_VARY}
        bound = msgspec.json.encode([path, caller.territory, caller.agency, kept], order="sorted")
        return hmac.new(self._secret, bound + b"\n" + body, sha256).digest()[:SIGNATURE_BYTES]
