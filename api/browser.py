"""What browsers send by themselves, and how we tell our own pages from those of others."""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from litestar.types import Scope

from domain.errors import DomainError
from infrastructure.settings import Settings

SESSION_COOKIE = "unisson-session"
HOST_PREFIX = "__Host-"
"""A browser takes such a cookie from https only, for the whole of this host only, and no sub-domain can plant one."""
OURS = "x-unisson-request"
"""A header that no form and no page of another site can send without asking first."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SAME = frozenset({"same-origin", "none"})


class CrossSite(DomainError):
    """This request did not come from a page of this service: with a session, send X-Unisson-Request: 1."""

    code = "cross_site"
    status = 403
    title_fr = "Cette demande ne vient pas d'une page de ce service : avec une session, envoyez X-Unisson-Request: 1."


def cookies_in(headers: dict[str, str]) -> dict[str, str]:
    """None at all when they are ill-formed. A name sent twice counts for nothing: somebody planted one of them."""
    sent = headers.get("cookie", "")
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(sent)
    except CookieError:
        return {}
    names = [part.partition("=")[0].strip() for part in sent.split(";")]
    return {name: morsel.value for name, morsel in jar.items() if names.count(name) == 1}


def is_secure(settings: Settings) -> bool:
    """Whether cookies are for https only: always, but for a developer's own machine without it."""
    address = urlsplit(settings.public_url or f"http://{settings.host}")
    return address.scheme == "https" or address.hostname not in {"127.0.0.1", "::1", "localhost"}


def session_in(headers: dict[str, str], *, secure: bool) -> str | None:
    """What the browser holds. Where cookies are secure, one without the prefix may have been planted: it is none."""
    return cookie_in(headers, SESSION_COOKIE, secure=secure) if "cookie" in headers else None


def cookie_in(headers: dict[str, str], name: str, *, secure: bool) -> str | None:
    return cookies_in(headers).get(named(name, secure=secure))


def named(name: str, *, secure: bool) -> str:
    return f"{HOST_PREFIX}{name}" if secure else name


def must_be_same_site(scope: Scope, headers: dict[str, str]) -> None:
    """A session counts in our own pages only. Raises CrossSite."""
    if headers.get("sec-fetch-site", "same-origin") not in SAME:
        raise CrossSite
    if scope["method"] not in SAFE_METHODS and headers.get(OURS) != "1":  # type: ignore[typeddict-item]
        raise CrossSite
