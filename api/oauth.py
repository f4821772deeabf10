"""Tokens for partners' software: /oauth/token, /oauth/revoke, and where a client library finds them.

Bodies are forms and refusals are those of RFC 6749, as every library of OAuth 2.0 expects. No cookie counts here.
"""

import re
from urllib.parse import parse_qsl

import msgspec
from litestar import Response, Router, get, post

from api.limits import read_body
from api.replies import Reply, encode, reply
from api.request import ApiRequest
from application.service_clients import ALGORITHMS, SERVICE_SCOPES, ServiceClient
from application.token_grants import MalformedRequest, OAuthRefusal, UnsupportedGrant
from domain.errors import DomainError

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARAMETERS_MOST = 16
PRINTABLE = re.compile(r"[ -~]*", re.ASCII)


class FormRequired(DomainError):
    """The body must be a form (Content-Type: application/x-www-form-urlencoded)."""

    code = "form_required"
    status = 415
    title_fr = "Le corps doit être un formulaire (Content-Type: application/x-www-form-urlencoded)."


class TokenAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    access_token: str
    token_type: str
    expires_in: int
    scope: str
    agent: str | None = None
    """The member on whose behalf it may be used."""


class Refusal(msgspec.Struct, kw_only=True):
    error: str
    error_description: str


@post("/oauth/token", name="give-token", status_code=200)
async def give_token(request: ApiRequest) -> Reply:
    """Give software that proves who it is an access token for ten minutes."""
    form = await read_form(request)
    if form.get("grant_type") != "client_credentials":
        raise UnsupportedGrant if "grant_type" in form else MalformedRequest("grant_type is required")
    client = await authenticated(request, form)
    grants, proof = request.runtime.grants, request.header("dpop")
    bound_to = None
    if proof is not None:
        bound_to = await grants.key_behind(client, proof, f"{grants.issuer}/oauth/token")
    token, shown = await grants.grant(client, form.get("scope"), agent=form.get("agent_assertion"), bound_to=bound_to)
    return reply(
        TokenAnswer(
            access_token=shown,
            token_type="Bearer" if bound_to is None else "DPoP",
            expires_in=int((token.expires_at - token.issued_at).total_seconds()),
            scope=" ".join(sorted(token.scopes)),
            agent=None if token.member_id is None else str(token.member_id),
        ),
        headers={"Cache-Control": "no-store"},
    )


@post("/oauth/revoke", name="revoke-token", status_code=200)
async def revoke_token(request: ApiRequest) -> Reply:
    """Take a token back at once. One that is not the client's own is left alone, and the answer is the same."""
    form = await read_form(request)
    client = await authenticated(request, form)
    if "token" not in form:
        raise MalformedRequest("token is required")
    await request.runtime.grants.revoke(client, form["token"])
    return reply({})


@get("/.well-known/oauth-authorization-server", name="describe-authorisation-server")
async def describe_server(request: ApiRequest) -> Reply:
    """What a library of OAuth 2.0 needs to know (RFC 8414)."""
    issuer = request.runtime.grants.issuer
    return reply(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth/token",
            "revocation_endpoint": f"{issuer}/oauth/revoke",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "dpop_signing_alg_values_supported": ALGORITHMS,
            "scopes_supported": sorted(SERVICE_SCOPES),
        }
    )


async def authenticated(request: ApiRequest, form: dict[str, str]) -> ServiceClient:
    """Raises InvalidClient, MalformedRequest."""
    if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
        raise MalformedRequest("client_assertion_type and client_assertion are required (private_key_jwt)")
    return await request.runtime.grants.authenticate(form["client_assertion"], form.get("client_id"))


async def read_form(request: ApiRequest) -> dict[str, str]:
    """Raises FormRequired, MalformedRequest, and what `read_body` does."""
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != FORM:
        raise FormRequired
    raw = await read_body(request.receive, request.header("content-length"), request.runtime.limits)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=PARAMETERS_MOST,
        )
    except ValueError:
        raise MalformedRequest from None
    form = dict(pairs)
    if len(form) < len(pairs) or not all(PRINTABLE.fullmatch(value) for value in form.values()):
        raise MalformedRequest
    return form


def refuse(_request: ApiRequest, refusal: OAuthRefusal) -> Response[bytes]:
    answer = Refusal(error=refusal.error, error_description=str(refusal))
    return Response(encode(answer), status_code=refusal.status, media_type="application/json")


routes = Router(
    "/",
    route_handlers=[give_token, revoke_token, describe_server],
    exception_handlers={OAuthRefusal: refuse},  # type: ignore[dict-item]
)
