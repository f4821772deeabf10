"""What a request asks beside its body: the version it expects, the key it is repeated under, what it prefers."""

import re
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from api.request import ApiRequest
from domain.errors import DomainError

ETAG = re.compile(r'"v(\d{1,9})"', re.ASCII)
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
PREFERENCE = re.compile(r"\s*(return|wait)\s*=\s*\"?([a-z0-9]{1,16})\"?\s*", re.ASCII | re.IGNORECASE)


class IdempotencyKeyRequired(DomainError):
    """The Idempotency-Key header is required: 1 to 255 visible ASCII characters."""

    code = "idempotency_key_required"
    status = 400
    title_fr = "L'en-tête Idempotency-Key est obligatoire : 1 à 255 caractères ASCII visibles."


class InvalidVersion(DomainError):
    """The expected version must be given as an ETag received before, such as "v7"."""

    code = "invalid_version"
    status = 400
    title_fr = 'La version attendue doit être un ETag déjà reçu, tel que "v7".'


class VersionRequired(DomainError):
    """This changes something recorded before: the If-Match header must say which version you have seen."""

    code = "version_required"
    status = 428
    title_fr = "Ceci modifie un enregistrement : l'en-tête If-Match doit dire quelle version vous avez vue."


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 7240; what is not understood is ignored."""

    representation: bool = False
    minimal: bool = False
    """What is answered anyway, and then said to be."""
    wait_seconds: float | None = None


def etag(version: int) -> str:
    return f'"v{version}"'


def idempotency_key(request: ApiRequest) -> str:
    return idempotency_key_of(request.header("idempotency-key"))


def idempotency_key_of(given: str | None) -> str:
    """Raises IdempotencyKeyRequired."""
    if given is None or not IDEMPOTENCY_KEY.fullmatch(given):
        raise IdempotencyKeyRequired
    return given


def fingerprint(request: ApiRequest, raw: bytes) -> bytes:
    return fingerprint_of(request.method, request.scope["path"], raw)


def fingerprint_of(method: str, path: str, raw: bytes) -> bytes:
    """What makes two requests under one key the same: method, path and body, to the byte."""
    return sha256(b"\n".join((method.encode(), path.encode(), raw))).digest()


def if_match(request: ApiRequest, *, required: bool = False) -> int | None:
    return version_of(request.header("if-match"), required=required)


def version_of(given: str | None, *, required: bool = False) -> int | None:
    """The one version expected; None when any will do (`*`, or none given). Raises VersionRequired, InvalidVersion."""
    if given is None:
        if required:
            raise VersionRequired
        return None
    if given.strip() == "*":
        return None
    match = ETAG.fullmatch(given.strip())
    if match is None:
        raise InvalidVersion
    return int(match[1])


def is_unchanged(request: ApiRequest, tag: str) -> bool:
    """The client already has what this ETag stands for."""
    given = request.header("if-none-match")
    return given is not None and (
        given.strip() == "*" or tag in [each.strip().removeprefix("W/") for each in given.split(",")]
    )


def preferences(request: ApiRequest) -> Preferences:
    found: Mapping[str, str] = {
        match[1].lower(): match[2].lower()
        for part in (request.header("prefer") or "")[:500].replace(";", ",").split(",")
        if (match := PREFERENCE.fullmatch(part))
    }
    wait = found.get("wait", "")
    return Preferences(
        representation=found.get("return") == "representation",
        minimal=found.get("return") == "minimal",
        wait_seconds=float(wait) if wait.isdecimal() and len(wait) < 6 else None,
    )
