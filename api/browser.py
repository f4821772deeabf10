"""What browsers send by themselves, and how we tell our own pages from those of others."""

from http.cookies import CookieError, SimpleCookie

from litestar.types import Scope

from domain.errors import DomainError

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


def session_in(headers: dict[str, str]) -> str | None:
    """What the browser holds; both names at once never come from a browser that we gave one of them."""
    if "cookie" not in headers:
        return None
    cookies = cookies_in(headers)
    return cookies.get(HOST_PREFIX + SESSION_COOKIE) or cookies.get(SESSION_COOKIE)


def must_be_same_site(scope: Scope, headers: dict[str, str]) -> None:
    """A session counts in our own pages only. Raises CrossSite."""
    if headers.get("sec-fetch-site", "same-origin") not in SAME:
        raise CrossSite
    if scope["method"] not in SAFE_METHODS and headers.get(OURS) != "1":  # type: ignore[typeddict-item]
        raise CrossSite


def cookie(name: str, value: str, *, secure: bool, same_site: str, max_age_s: int | None = None) -> str:
    """A Set-Cookie header that scripts cannot read. Not `secure` is for http on this machine only."""
    parts = [f"{HOST_PREFIX if secure else ''}{name}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
    parts += ["Secure"] if secure else []
    parts += [] if max_age_s is None else [f"Max-Age={max_age_s}"]
    return "; ".join(parts)
