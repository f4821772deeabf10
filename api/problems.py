"""Refusals as RFC 9457 problems: a stable `code` for programs, a title and a detail in French or English for people.

Every refusal is a `DomainError`; those that only HTTP can have are declared here. `CATALOGUE` lists all of them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.types import Scope

import domain.catalogue  # noqa: F401 (loads every refusal of the domain)
from api.key_in_url import holds_key
from api.request import ApiRequest, correlation_id, trace_id
from domain.errors import DomainError
from infrastructure.vault_client import VaultUnreachable

MEDIA_TYPE = "application/problem+json"
LANGUAGES = ("fr", "en")
RETRY_AFTER_SECONDS = 2

log = structlog.get_logger()


class NotFound(DomainError):
    """There is nothing at this address."""

    code = "not_found"
    status = 404
    title_fr = "Il n'y a rien à cette adresse."


class MethodNotAllowed(DomainError):
    """This method cannot be used at this address."""

    code = "method_not_allowed"
    status = 405
    title_fr = "Cette méthode ne peut pas être utilisée à cette adresse."


class BadRequest(DomainError):
    """The request is not well-formed HTTP."""

    code = "bad_request"
    status = 400
    title_fr = "La requête n'est pas conforme à HTTP."


class InternalError(DomainError):
    """Something went wrong on our side. Quote the trace id when you report it."""

    code = "internal_error"
    status = 500
    title_fr = "Une erreur s'est produite de notre côté. Citez l'identifiant de trace si vous la signalez."


class KeysUnreachable(DomainError):
    """The key vault does not answer: what is about persons can be neither recorded nor opened; try again shortly."""

    code = "keys_unreachable"
    status = 503
    title_fr = (
        "Le coffre des clés ne répond pas : rien ne peut être enregistré ni ouvert sur une personne ; "
        "réessayez dans un instant."
    )


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    """Stable: programs may rely on it."""
    trace_id: str
    errors: list["Fault"] = []
    current_version: int | None = None
    """The pathway's version now, when the one expected is stale."""
    changed: list["Changed"] = []
    """What was recorded since the version expected, oldest first; at most 20."""


class Fault(msgspec.Struct, kw_only=True):
    """One thing that is wrong, and where."""

    pointer: str
    """JSON pointer in the body, or `?name` for a query parameter."""
    code: str
    message: str


class Changed(msgspec.Struct, kw_only=True):
    """An event that the client has not seen."""

    version: int
    type: str


def catalogue() -> dict[str, type[DomainError]]:
    """Every refusal there is, by code. Two with the same code must be one."""
    return {refusal.code: refusal for refusal in sorted(_subclasses(DomainError), key=lambda each: each.code)}


def _subclasses(refusal: type[DomainError]) -> Iterator[type[DomainError]]:
    for subclass in refusal.__subclasses__():
        if "code" in vars(subclass):
            yield subclass
        yield from _subclasses(subclass)


def title(refusal: type[DomainError], language: str) -> str:
    return refusal.title_fr if language == "fr" else refusal.title()


QUALITY = re.compile(
    r"^\s*([a-z]{2}|\*)(?:-[a-z0-9]+)*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$", re.ASCII | re.IGNORECASE
)


def language_of(accept_language: str | None) -> str:
    """French unless English is preferred."""
    best, best_quality = "fr", 0.0
    for choice in (accept_language or "")[:200].split(","):
        match = QUALITY.match(choice)
        if match and match[1].lower() in LANGUAGES and float(match[2] or 1) > best_quality:
            best, best_quality = match[1].lower(), float(match[2] or 1)
    return best


def describe(refusal: DomainError, request: ApiRequest) -> Problem:
    """A refusal as the client will read it. Where no precise detail was said in French, it is the title."""
    language = language_of(request.header("accept-language"))
    kind = type(refusal)
    detail = refusal.detail if language == "en" else refusal.detail_fr
    faults = [] if refusal.field is None else [Fault(pointer=refusal.field, code=kind.code, message=detail)]
    faults += [
        Fault(pointer=pointer, code=code, message=french if language == "fr" else english)
        for pointer, code, english, french in refusal.context.get("faults", ())
    ]
    return Problem(
        type=f"/problems/{kind.code}",
        title=title(kind, language),
        status=kind.status,
        detail=detail,
        instance=instance_of(request.scope),
        code=kind.code,
        trace_id=trace_id(request.scope),
        errors=faults,
        current_version=refusal.context.get("current_version"),
        changed=[Changed(version=version, type=topic) for version, topic in refusal.context.get("changed", ())],
    )


def instance_of(scope: Scope) -> str:
    """The path asked for; when it holds a key, nothing that would repeat it."""
    return f"urn:uuid:{correlation_id(scope)}" if holds_key(scope) else scope["path"]


def answer(refusal: DomainError, request: ApiRequest, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    described = describe(refusal, request)
    sent = {"Content-Language": language_of(request.header("accept-language")), "Vary": "Accept-Language"}
    if "retry_after_s" in refusal.context:
        sent["Retry-After"] = str(refusal.context["retry_after_s"])
    if refusal.status == 401:
        sent["WWW-Authenticate"] = 'Bearer realm="unisson"'
    if refusal.context.get("close"):
        sent["Connection"] = "close"
    return Response(
        msgspec.json.encode(described),
        status_code=described.status,
        headers=sent | dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def answer_refusal(request: ApiRequest, refusal: DomainError) -> Response[bytes]:
    return answer(refusal, request)


def answer_http(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    """The framework's own refusals: no route, no such method, an invalid Host header."""
    if isinstance(error, MethodNotAllowedException):
        return answer(MethodNotAllowed(), request, error.headers)
    if error.status_code == 404:
        return answer(NotFound(), request)
    if error.status_code >= 500:
        return answer_bug(request, error)
    return answer(BadRequest(), request)


def answer_bug(request: ApiRequest, error: Exception) -> Response[bytes]:
    """Nothing of the error reaches the client, and nothing of the request reaches the log."""
    log.error("http.failed", route=request.scope.get("path_template"), trace_id=trace_id(request.scope), exc_info=error)
    return answer(InternalError(), request)


def answer_without_vault(request: ApiRequest, error: VaultUnreachable) -> Response[bytes]:
    log.warning("vault.unreachable", trace_id=trace_id(request.scope), reason=str(error))
    return answer(KeysUnreachable(retry_after_s=RETRY_AFTER_SECONDS), request)


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    DomainError: answer_refusal,
    HTTPException: answer_http,
    VaultUnreachable: answer_without_vault,
    Exception: answer_bug,
}
