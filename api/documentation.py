"""What explains the API to people and to tools: the OpenAPI document, a page to try it, the problems, the schemas.

Served by us alone: no page asks anything of another host.
"""

from functools import cache
from html import escape
from importlib.resources import files

import msgspec
from litestar import Router, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from api import asyncapi, message_schemas, openapi, schemas
from api.problems import MEDIA_TYPE, NotFound, catalogue, language_of, title
from api.replies import encode
from api.request import ApiRequest
from domain.errors import DomainError
from domain.rules.schema import rule_schema as schema_of_rule

STATIC = files("api").joinpath("static")
STATIC_TYPES = {
    "swagger-ui/swagger-ui-bundle.js": "text/javascript",
    "swagger-ui/swagger-ui.css": "text/css",
    "docs.js": "text/javascript",
    "bootstrap.js": "text/javascript",
}
PUBLIC = {"Cache-Control": "public, max-age=3600"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Unisson API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/swagger-ui/swagger-ui.css">
</head>
<body>
<div id="documentation"></div>
<script src="/static/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/static/docs.js"></script>
</body>
</html>
"""


class ProblemKind(msgspec.Struct, kw_only=True):
    """One kind of refusal."""

    code: str
    status: int
    title: str
    title_fr: str
    type: str


@get("/v1/openapi.json", name="openapi")
async def read_openapi() -> ASGIResponse:
    """The OpenAPI document."""
    return ASGIResponse(body=_document(), headers=PUBLIC)


@cache
def _document() -> bytes:
    return encode(openapi.document())


@get("/asyncapi.json", name="asyncapi")
async def read_asyncapi() -> ASGIResponse:
    """The AsyncAPI document: what agencies are told, and by which channel."""
    return ASGIResponse(body=_messages_document(), headers=PUBLIC)


@cache
def _messages_document() -> bytes:
    return encode(asyncapi.document())


@get("/docs", name="docs")
async def docs() -> ASGIResponse:
    """A page to read the API and to try it."""
    return _html(PAGE, {"Content-Security-Policy": PAGE_POLICY})


@get(["/static/{name:str}", "/static/{folder:str}/{name:str}"], name="static")
async def static(name: FromPath[str], folder: FromPath[str] = "") -> ASGIResponse:
    """The files of the documentation page, and no other."""
    path = f"{folder}/{name}".removeprefix("/")
    if path not in STATIC_TYPES:
        raise NotFound
    return ASGIResponse(body=_file(path), media_type=STATIC_TYPES[path], headers=PUBLIC)


@cache
def _file(path: str) -> bytes:
    return STATIC.joinpath(path).read_bytes()


@get("/problems", name="problems")
async def problems(request: ApiRequest) -> ASGIResponse:
    """Every kind of refusal: a page for a browser, JSON for a program."""
    language = language_of(request.header("accept-language"))
    kinds = list(catalogue().values())
    if not _wants_page(request):
        return ASGIResponse(body=encode([_kind(kind) for kind in kinds]), headers=PUBLIC)
    heading = "Problèmes" if language == "fr" else "Problems"
    return _page(language, heading, f"<ul>{''.join(_line(kind, language) for kind in kinds)}</ul>")


def _line(kind: type[DomainError], language: str) -> str:
    link = f'<a href="/problems/{kind.code}"><code>{kind.code}</code></a>'
    return f"<li>{link} {kind.status} {escape(title(kind, language))}</li>"


@get("/problems/{code:str}", name="problem")
async def problem(request: ApiRequest, code: FromPath[str]) -> ASGIResponse:
    """One kind of refusal: what a problem's `type` leads to."""
    kind = catalogue().get(code)
    if kind is None:
        raise NotFound
    if not _wants_page(request):
        return ASGIResponse(body=encode(_kind(kind)), headers=PUBLIC)
    language = language_of(request.header("accept-language"))
    return _page(language, title(kind, language), f"<p><code>{kind.code}</code>, HTTP {kind.status}</p>")


@get("/schemas/events", name="event-schemas")
async def event_schemas() -> ASGIResponse:
    """Every type and version of event that has a schema."""
    return ASGIResponse(
        body=encode({"items": [f"/schemas/events/{each}" for each in schemas.all_names()]}), headers=PUBLIC
    )


@get("/schemas/events/{name:str}/{version:int}", name="event-schema")
async def event_schema(name: FromPath[str], version: FromPath[int]) -> ASGIResponse:
    """The JSON Schema of one version of one type of event."""
    schema = schemas.schema_of(name, version)
    if schema is None:
        raise NotFound
    return ASGIResponse(body=encode(schema), media_type="application/schema+json", headers=PUBLIC)


@get("/schemas/messages", name="message-schemas")
async def list_message_schemas() -> ASGIResponse:
    """Every type and version of message."""
    return ASGIResponse(
        body=encode({"items": [f"/schemas/messages/{each}" for each in message_schemas.all_keys()]}), headers=PUBLIC
    )


@get("/schemas/messages/{name:str}/{version:int}", name="message-schema")
async def message_schema(name: FromPath[str], version: FromPath[int]) -> ASGIResponse:
    """The JSON Schema of what one version of one type of message carries."""
    kind = message_schemas.kind_of(name, version)
    if kind is None:
        raise NotFound
    headers = PUBLIC | message_schemas.sunset_header(kind)
    return ASGIResponse(
        body=encode(message_schemas.schema(kind)), media_type="application/schema+json", headers=headers
    )


@get("/schemas/rule", name="rule-schema")
async def rule_schema() -> ASGIResponse:
    """The JSON Schema of a synchronisation rule, for forms and editors."""
    return ASGIResponse(body=encode(schema_of_rule()), media_type="application/schema+json", headers=PUBLIC)


def _kind(kind: type[DomainError]) -> ProblemKind:
    return ProblemKind(
        code=kind.code, status=kind.status, title=kind.title(), title_fr=kind.title_fr, type=f"/problems/{kind.code}"
    )


def _wants_page(request: ApiRequest) -> bool:
    accepted = request.header("accept") or ""
    return "text/html" in accepted and MEDIA_TYPE not in accepted


def _page(language: str, heading: str, body: str) -> ASGIResponse:
    head = f'<head><meta charset="utf-8"><title>{escape(heading)}</title></head>'
    page = f'<!doctype html><html lang="{language}">{head}<body><h1>{escape(heading)}</h1>{body}</body></html>'
    return _html(page, {"Vary": "Accept, Accept-Language", "Content-Language": language})


def _html(page: str, headers: dict[str, str]) -> ASGIResponse:
    return ASGIResponse(body=page, media_type="text/html", headers=PUBLIC | headers)


routes = Router(
    "/",
    route_handlers=[
        read_openapi,
        read_asyncapi,
        docs,
        static,
        problems,
        problem,
        event_schemas,
        event_schema,
        list_message_schemas,
        message_schema,
        rule_schema,
    ],
)
