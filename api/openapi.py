"""The OpenAPI 3.1 document, made from the routes and from what each says of itself (`api.described`).

The framework's own generator leaks module paths, defaults and examples, and does not know that bodies are strict.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, get_args

import msgspec
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from api import authentication, bodies, conditions, cursors, limits, problems, queries
from api.browser import CrossSite
from api.described import Described
from api.key_in_url import KeyInUrl
from api.replies import NDJSON
from api.request import ApiRequest
from api.stream_frames import EVENT_STREAM, PLACE
from application.access import Scope, ScopeRequired
from application.api_keys import InvalidKey
from application.authorisation import Forbidden
from application.event_log import AppendInDoubt, IdempotencyKeyReused, LogBusy, StaleVersion
from application.key_vault import KeyRestricted
from application.pathways import InFlight, PersonErased
from application.service_clients import SERVICE_SCOPES
from application.sessions import SessionOver
from application.tokens import InvalidToken
from domain.errors import DomainError
from domain.pathway import NotAParticipant

Json = dict[str, Any]

TAGS = {
    "log": "Proof that history was not rewritten: checkpoints, receipts and proofs of the log's Merkle tree.",
    "pathways": "A person's pathway: what the services of a territory record, and what follows from it.",
    "need-to-know": "Who may read a pathway without taking part in it: shares, and breaking the glass.",
    "contents": "What names a person, says something of their health or was noted; and who looked at it.",
    "rights": "The rights of persons: being told what is known, restricting it, having it erased.",
    "alerts": "Interventions found out of step.",
    "inbox": "What an agency has to do.",
    "calendars": "An agency's appointments, in its people's own calendars.",
    "events": "The history, as a feed.",
    "batches": "Many commands in one request.",
    "exports": "The history, as a file.",
    "agencies": "The directory of partner services.",
    "rules": "What being in step means in a territory.",
    "webhooks": "Being told.",
    "mail": "Being told by mail.",
    "mandates": "What auditors may look at, and until when.",
    "audit": "The past as it was known, for auditors of cases.",
    "members": "People, and their roles.",
    "persons": "Whether somebody is known already.",
    "me": "The caller.",
}
SCOPE_MEANINGS: dict[Scope, str] = {
    Scope.READ: "Read coded facts.",
    Scope.WRITE: "Record what happens.",
    Scope.MANAGE: "Webhook endpoints and the agency's own description.",
    Scope.STEER: "The rules of the whole territory.",
    Scope.IDENTITY: "Open names and ways to reach the person.",
    Scope.HEALTH: "Open health content.",
    Scope.NOTES: "Open free text.",
    Scope.SHARE: "Let another agency read.",
    Scope.MATCH: "Ask whether a person is known.",
    Scope.ERASE: "Ask for an erasure.",
}
DESCRIPTION = """\
Unisson keeps the services around a person in step. Each service records what it does; interventions that have fallen
out of step are found and told to every service concerned.

Every request carries a credential, which tells who calls, for which agency and in which territory: an access token of a
partner's software, a person's session, or an API key. Every
POST carries an `Idempotency-Key`: sent again, it is answered the same and recorded once. Errors are RFC 9457 problems
with a stable `code`, in French or English (`Accept-Language`). `X-Agent` names, under a pseudonym, who acts.
"""
ALWAYS: tuple[type[DomainError], ...] = (
    InvalidKey,
    InvalidToken,
    SessionOver,
    CrossSite,
    KeyInUrl,
    authentication.InvalidAgent,
    ScopeRequired,
    Forbidden,
    queries.InvalidQuery,
    limits.TooManyRequests,
    limits.Overloaded,
    problems.BadRequest,
    problems.InternalError,
)
WITH_PATH: tuple[type[DomainError], ...] = (problems.NotFound,)
WITH_PATHWAY: tuple[type[DomainError], ...] = (NotAParticipant, KeyRestricted)
WITH_CURSOR: tuple[type[DomainError], ...] = (cursors.InvalidCursor,)
WITH_BODY: tuple[type[DomainError], ...] = (
    bodies.UnsupportedMediaType,
    bodies.MalformedJson,
    bodies.TooDeep,
    bodies.TooComplex,
    bodies.DuplicateName,
    bodies.NulCharacter,
    bodies.UnknownField,
    bodies.InvalidBody,
    limits.BodyTooLarge,
    limits.BodyTooSlow,
    limits.BodyCutShort,
)
WITH_KEY: tuple[type[DomainError], ...] = (
    conditions.IdempotencyKeyRequired,
    IdempotencyKeyReused,
    InFlight,
    LogBusy,
    AppendInDoubt,
)
WITH_VERSION: tuple[type[DomainError], ...] = (conditions.InvalidVersion, StaleVersion, PersonErased)
REQUIRING_VERSION: tuple[type[DomainError], ...] = (conditions.VersionRequired,)


def document(app: Litestar | None = None) -> Json:
    """The whole document. Without an app, of the routes that a process with the `api` role answers."""
    routes = list(_routes(app or _bare()))
    described = [route.described for route in routes]
    types = [problems.Problem, *(each.answer for each in described), *(each.body for each in described)]
    types += [each.preferred for each in described]
    types += [each.query for each in described if each.query is not None]
    references, components = msgspec.json.schema_components(
        [type_ for type_ in dict.fromkeys(types) if type_ is not None], ref_template="#/components/schemas/{name}"
    )
    schemas = dict(zip((type_ for type_ in dict.fromkeys(types) if type_ is not None), references, strict=True))
    queries_ = {each.query.__name__ for each in described if each.query is not None}
    paths: dict[str, Json] = {}
    for route in routes:
        operation = _operation(route, schemas, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Unisson",
            "version": version("unisson"),
            "summary": "Keeps the services around a person in step.",
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "security": [{"accessToken": []}, {"session": []}, {"apiKey": []}],
        "paths": {path: dict(sorted(item.items())) for path, item in sorted(paths.items())},
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "schemas": {name: _tidy(schema) for name, schema in sorted(components.items()) if name not in queries_},
        },
    }


SECURITY_SCHEMES: Json = {
    "accessToken": {
        "type": "oauth2",
        "description": "Of a partner's software: ten minutes long, given for a statement signed with its key "
        "(private_key_jwt). With `DPoP` in place of `Bearer`, bound to a key.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "/oauth/token",
                "scopes": {scope.value: SCOPE_MEANINGS[scope] for scope in sorted(SERVICE_SCOPES)},
            }
        },
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-unisson-session",
        "description": "Of a person who signed in at /login. All but GET also need `X-Unisson-Request: 1`.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "un_live_<key id>_<secret>_<checksum>",
        "description": "An agency's API key, for software too simple for the rest. Never in an address; opens nothing "
        "that names a person.",
    },
}


SERVER_SENT: Json = {
    "description": "One event of the stream; `/asyncapi.json` says what each type carries.",
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": f"^{PLACE.pattern}$"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}
OTHERWISE = {EVENT_STREAM: SERVER_SENT}
"""What a success says in another media type, where it is more than text."""


class Route(msgspec.Struct, frozen=True):
    path: str
    method: str
    handler: Any
    described: Described
    tag: str
    path_names: tuple[str, ...]


def _bare() -> Litestar:
    from api.app import routes  # Here, since the application also serves this document.

    return Litestar(route_handlers=routes(), request_class=ApiRequest, openapi_config=None, logging_config=None)


def _routes(app: Litestar) -> Iterator[Route]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            described = handler.opt.get("described")
            if isinstance(described, Described):
                names = tuple(parameter.name for parameter in route.path_parameters.values())
                for method in sorted(handler.http_methods):
                    yield Route(route.path_format, str(method), handler, described, _tag(handler), names)


def _tag(handler: HTTPRouteHandler) -> str:
    return next(tag for layer in handler.ownership_layers if isinstance(layer, Router) for tag in layer.tags or ())


def _operation(route: Route, schemas: dict[Any, Any], components: Json) -> Json:
    described = route.described
    first, _, rest = (route.handler.fn.__doc__ or "").strip().partition("\n")
    operation: Json = {
        "operationId": camel_case(route.handler.name),
        "tags": [route.tag],
        "summary": described.summary or first.rstrip("."),
        "description": " ".join((first if described.summary else rest).split()) or first,
        "parameters": list(_parameters(route, components)),
        "responses": _responses(route, schemas),
    }
    if described.summary_fr:
        operation["x-summary-fr"] = described.summary_fr
    if described.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(described.body, described, schemas)}
    return operation


def _content(type_: Any, described: Described, schemas: dict[Any, Any], schema: Json | None = None) -> Json:
    """Of lines the document can only name the schema: no keyword of OpenAPI 3.1 says that each is of it."""
    schema = schema or schemas[type_]
    if described.lines:
        return {
            NDJSON: {"schema": {"type": "string", "description": "NDJSON: a JSON object a line.", "x-line": schema}}
        }
    return {"application/json": {"schema": schema}}


def _parameters(route: Route, components: Json) -> Iterator[Json]:
    described = route.described
    for name in route.path_names:
        schema = {"type": "string", "format": "uuid"} if name.endswith("_id") else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if described.query is not None:
        query = components[described.query.__name__]
        for name, schema in query["properties"].items():
            required = name in query.get("required", ())
            yield {"name": name, "in": "query", "required": required, "schema": _tidy(_not_null(schema))}
    names = ["Agent", "RequestId", "AcceptLanguage"]
    names += ["IdempotencyKey"] if described.repeatable else []
    if described.versioned:
        names.append("IfMatchRequired" if described.version_required else "IfMatch")
    names += ["IfNoneMatch"] if described.cached else []
    names += ["LastEventId"] if described.resumed else []
    names += ["Prefer"] if described.waits or described.repeatable else []
    yield from ({"$ref": f"#/components/parameters/{name}"} for name in names)


def _not_null(schema: Json) -> Json:
    """A parameter left out is not a null one."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    rest: Json = {name: value for name, value in schema.items() if name != "default" or value is not None}
    if len(choices) == 1:
        del rest["anyOf"]
        rest.update(choices[0])
    return rest


def _responses(route: Route, schemas: dict[Any, Any]) -> Json:
    described = route.described
    headers = ["XRequestId"]
    headers += ["ETag"] if described.cached or described.versioned or described.repeatable else []
    headers += ["XPosition", "Location", "IdempotencyReplayed"] if described.repeatable else []
    headers += ["XProjectionLag"] if described.waits else []
    headers += ["PreferenceApplied"] if described.waits or described.preferred is not None else []
    headers += ["Link"] if _is_paged(described) else []
    success: Json = {
        "description": "Done." if described.repeatable else "What was asked for.",
        "headers": {_header_name(name): {"$ref": f"#/components/headers/{name}"} for name in headers},
    }
    if described.answer is not None:
        schema = schemas[described.answer]
        if described.preferred is not None:
            schema = {"anyOf": [schema, schemas[described.preferred]]}
        success["content"] = _content(described.answer, described, schemas, schema)
    if described.also:
        others = {
            media_type: {"schema": OTHERWISE.get(media_type, {"type": "string"})} for media_type in described.also
        }
        success["content"] = success.get("content", {}) | others
    responses: Json = {str(described.status): success}
    if described.cached:
        responses["304"] = {"description": "Unchanged since the ETag sent in If-None-Match."}
    for status, refusals in _by_status(refusals_of(route)).items():
        codes = ", ".join(f"`{code}`" for code in sorted({refusal.code for refusal in refusals}))
        responses[str(status)] = {
            "description": f"Refused: {codes}.",
            "content": {problems.MEDIA_TYPE: {"schema": schemas[problems.Problem]}},
        }
    return dict(sorted(responses.items()))


def _is_paged(described: Described) -> bool:
    """Its answer says where the next page is, or that there is none. The feed has no last page."""
    fields = {field.name: field.type for field in msgspec.structs.fields(described.answer or problems.Problem)}
    return any(type(None) in get_args(fields.get(name)) for name in ("next", "next_after"))


def refusals_of(route: Route) -> Iterable[type[DomainError]]:
    """What a route may refuse. A command may also be refused by any invariant of the pathway."""
    described = route.described
    found = [*ALWAYS, *described.refusals]
    found += WITH_PATH if route.path_names else ()
    found += WITH_PATHWAY if "pathway_id" in route.path_names else ()
    found += WITH_CURSOR if described.query is not None and "cursor" in described.query.__struct_fields__ else ()
    found += WITH_BODY if described.body is not None else ()
    found += WITH_KEY if described.repeatable else ()
    found += WITH_VERSION if described.versioned else ()
    found += REQUIRING_VERSION if described.version_required else ()
    if route.tag in {"pathways", "agencies"} and described.body is not None:
        found += [refusal for refusal in problems.catalogue().values() if refusal.__module__.startswith("domain.")]
    return dict.fromkeys(found)


def _by_status(refusals: Iterable[type[DomainError]]) -> dict[int, list[type[DomainError]]]:
    by_status: dict[int, list[type[DomainError]]] = {}
    for refusal in refusals:
        by_status.setdefault(refusal.status, []).append(refusal)
    return by_status


def _tidy(schema: Any) -> Any:
    """Titles repeat names; an enumeration's own component carries no default of whoever uses it."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _tidy(value) for key, value in part.items()} if name == "properties" else _tidy(part)
        for name, part in schema.items()
        if not (name == "title" and isinstance(part, str))
    }


def camel_case(slug: str) -> str:
    return re.sub(r"-([a-z0-9])", lambda match: match[1].upper(), slug)


def _header_name(name: str) -> str:
    return {"ETag": "ETag"}.get(name) or "-".join(re.findall(r"[A-Z][a-z]*", name))


def _header_parameter(name: str, description: str, *, required: bool = False, **schema: Any) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"} | schema,
    }


VERSION = '^"v[0-9]{1,9}"$'
PARAMETERS: Json = {
    "Agent": _header_parameter(
        "X-Agent", "Pseudonym of the person acting within the agency.", pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
    ),
    "RequestId": _header_parameter(
        "X-Request-Id",
        "Echoed, and kept with the events.",
        pattern="^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
    ),
    "AcceptLanguage": _header_parameter(
        "Accept-Language", "Language of problems: `fr` (default) or `en`.", examples=["fr", "en"]
    ),
    "IdempotencyKey": _header_parameter(
        "Idempotency-Key",
        "Of the client's choice, one per request to be carried out once; kept at least 24 hours.",
        required=True,
        pattern="^[!-~]{1,255}$",
    ),
    "IfMatch": _header_parameter(
        "If-Match", "The ETag seen: refused when the pathway has changed since.", pattern=f"^\\*$|{VERSION}"
    ),
    "IfMatchRequired": _header_parameter(
        "If-Match",
        "The ETag seen: refused when the pathway has changed since. `*` for any.",
        required=True,
        pattern=f"^\\*$|{VERSION}",
    ),
    "IfNoneMatch": _header_parameter("If-None-Match", "The ETag already held."),
    "LastEventId": _header_parameter(
        "Last-Event-ID", "The id of the last event that came: go on from there.", pattern=f"^{PLACE.pattern}$"
    ),
    "Prefer": _header_parameter(
        "Prefer",
        "`wait=<seconds>` for a read to show what was just recorded; `return=representation` or `return=minimal`, "
        "the usual answer, for a command.",
    ),
}


def _header(description: str, **schema: Any) -> Json:
    return {"description": description, "schema": {"type": "string"} | schema}


HEADERS: Json = {
    "XRequestId": _header("The request's id."),
    "ETag": _header("The pathway's version.", pattern=VERSION),
    "XPosition": _header("Where the territory's log stood after the command.", pattern="^[0-9]+$"),
    "Location": _header("Where what was recorded can be read."),
    "IdempotencyReplayed": _header("`true` when the request had been carried out before.", enum=["true"]),
    "XProjectionLag": _header("How many events the answer does not show yet.", pattern="^[0-9]+$"),
    "PreferenceApplied": _header("The preference that was respected."),
    "Link": _header('The next page, `rel="next"`; none at the end.'),
}
