"""How people come in: they sign in with the identity provider, and a session begins. Leaving ends it at once."""

import base64
import binascii
import re
from html import escape
from typing import Annotated, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.datastructures import Cookie

from api.browser import SESSION_COOKIE, cookie_in, is_secure, must_be_same_site, named, session_in
from api.queries import QueryReader
from api.request import ApiRequest, headers_of
from application.credentials import random_text
from application.identity_provider import NoProvider, SignIn, SignInRefused
from application.sessions import LONGEST, SessionOver
from domain.command import AgencyId, Territory

SIGN_IN_COOKIE = "unisson-sign-in"
SIGN_IN_SECONDS = 600
RANDOM_LENGTH = 43  # 256 bits each; also what a PKCE verifier is asked to be.
HOME = "/v1/me"
PLACE_OF_OURS = re.compile(r"/(?![/\\])[\w/.?=&%~-]{0,500}", re.ASCII)
CODE_MOST = 2_000
PAGE = (
    '<!doctype html><html lang="fr"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={after}">'
    '<title>Unisson</title></head><body><p><a href="{after}">Continuer</a></p></body></html>'
)


class SignInQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    territory: Territory
    agency: AgencyId
    after: str = HOME
    """A place of this service to go to afterwards."""


class CallbackQuery(msgspec.Struct, kw_only=True):
    """What the provider sends the browser back with; some add more, which is left alone."""

    state: str
    code: Annotated[str, msgspec.Meta(max_length=CODE_MOST)] | None = None
    error: str | None = None
    iss: str | None = None


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser keeps while the person is with the provider. It never leaves the two of us."""

    sign_in: SignIn
    territory: Territory
    agency: AgencyId
    after: Annotated[str, msgspec.Meta(pattern=f"^(?:{PLACE_OF_OURS.pattern})$(?!\\n)")]
    bootstrap: str | None = None


SIGN_IN_QUERY = QueryReader(SignInQuery)
CALLBACK_QUERY = QueryReader(CallbackQuery)


@get("/login", name="sign-in")
async def sign_in(request: ApiRequest) -> Response[bytes]:
    """Send a person to the identity provider, to work for one agency of one territory."""
    asked = SIGN_IN_QUERY.read(request)
    await request.runtime.agencies.read(asked.territory, asked.agency)
    begun = begin(asked.territory, asked.agency, asked.after)
    address = await provider_address(request, begun)
    return Response(b"", status_code=302, headers={"Location": address}, cookies=[kept(request, begun)])


@get("/login/callback", name="signed-in")
async def signed_in(request: ApiRequest) -> Response[str]:
    """Open a session for whoever came back from the identity provider. The browser that began must be the one."""
    runtime, asked = request.runtime, CALLBACK_QUERY.read(request)
    begun = begun_in(request)
    if runtime.provider is None:
        raise NoProvider
    if begun is None or asked.code is None or asked.state != begun.sign_in.state:
        raise SignInRefused
    if asked.iss not in {None, runtime.settings.oidc_issuer}:
        raise SignInRefused  # The answer of another provider (RFC 9207).
    identity = await runtime.provider.identity(begun.sign_in, callback_address(request), asked.code)
    if begun.bootstrap is not None:
        member_id = await runtime.bootstrap.use(begun.bootstrap, begun.territory, begun.agency, identity)
    else:
        await runtime.agencies.read(begun.territory, begun.agency)  # A browser keeps what it likes.
        member_id = await runtime.members.introduce(begun.territory, begun.agency, identity)
    shown = await runtime.sessions.open(begun.territory, begun.agency, member_id)
    # A page rather than a redirection: browsers keep a strict cookie back on one that another site began.
    return Response(
        PAGE.format(after=escape(begun.after)),
        media_type="text/html",
        cookies=[session_cookie(request, shown), _cookie(request, SIGN_IN_COOKIE, "", "lax", 0)],
    )


@post("/logout", name="sign-out", status_code=204)
async def sign_out(request: ApiRequest) -> Response[None]:
    """End the session at once, on every machine."""
    headers = headers_of(request.scope)
    shown = session_in(headers, secure=is_secure(request.runtime.settings))
    if shown is None:
        raise SessionOver
    must_be_same_site(request.scope, headers)
    await request.runtime.sessions.end(shown)
    return Response(
        None,
        headers={"Clear-Site-Data": '"cache", "cookies", "storage"'},
        cookies=[_cookie(request, SESSION_COOKIE, "", "strict", 0)],
    )


def begin(territory: str, agency: str, after: str, *, bootstrap: str | None = None) -> Begun:
    """`after` that leads elsewhere than to this service is left out."""
    fresh = SignIn(**{name: random_text(RANDOM_LENGTH) for name in SignIn.__struct_fields__})
    safe = after if PLACE_OF_OURS.fullmatch(after) else HOME
    return Begun(sign_in=fresh, territory=territory, agency=agency, after=safe, bootstrap=bootstrap)


async def provider_address(request: ApiRequest, begun: Begun) -> str:
    """Raises NoProvider, ProviderUnreachable."""
    provider = request.runtime.provider
    if provider is None:
        raise NoProvider
    return await provider.address(begun.sign_in, callback_address(request))


def callback_address(request: ApiRequest) -> str:
    return f"{request.runtime.grants.issuer}/login/callback"


def kept(request: ApiRequest, begun: Begun) -> Cookie:
    """Lax: it must come back with a browser that the provider sends."""
    value = base64.urlsafe_b64encode(msgspec.json.encode(begun)).decode().rstrip("=")
    return _cookie(request, SIGN_IN_COOKIE, value, "lax", SIGN_IN_SECONDS)


def begun_in(request: ApiRequest) -> Begun | None:
    headers, secure = headers_of(request.scope), is_secure(request.runtime.settings)
    value = cookie_in(headers, SIGN_IN_COOKIE, secure=secure) if "cookie" in headers else None
    if value is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), type=Begun)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None


def session_cookie(request: ApiRequest, shown: str) -> Cookie:
    return _cookie(request, SESSION_COOKIE, shown, "strict", int(LONGEST.total_seconds()))


def _cookie(request: ApiRequest, name: str, value: str, same_site: Literal["lax", "strict"], max_age_s: int) -> Cookie:
    secure = is_secure(request.runtime.settings)
    return Cookie(
        key=named(name, secure=secure),
        value=value,
        path="/",
        httponly=True,
        secure=secure,
        samesite=same_site,
        max_age=max_age_s,
    )


routes = Router("/", route_handlers=[sign_in, signed_in, sign_out])
