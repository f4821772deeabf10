"""Addresses that agencies want to be told at: what could never be sent to is refused when it is registered."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from application.webhooks import EndpointRefused
from infrastructure.address_filter import is_allowed

URL_CHARACTERS_MAX = 2000
HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", re.ASCII)  # A name, or an address.


def check_url(url: str, *, allow_loopback: bool) -> None:
    """Refuses at once what could never be sent to. What the name leads to is judged at each connection, not here."""
    parts = _parts(url)
    plain = allow_loopback and parts.scheme == "http" and parts.port != 0
    if not plain and (parts.scheme, 443 if parts.port is None else parts.port) != ("https", 443):
        raise EndpointRefused("Only https on port 443 is possible.", field="/url")
    if parts.username is not None or parts.password is not None or "#" in url:
        raise EndpointRefused("The address must hold neither user name, password nor fragment.", field="/url")
    try:
        literal = ip_address(parts.hostname or "")
    except ValueError:
        return
    if not is_allowed(literal, allow_loopback=allow_loopback):
        raise EndpointRefused("The address is not on the public internet.", field="/url")


def _parts(url: str) -> SplitResult:
    """Printable ASCII only: an international name is written in its xn-- form, a path percent-encoded."""
    printable = url.isascii() and url.isprintable() and " " not in url
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises ValueError when it is none)
    except ValueError:
        printable = False
    if not printable or not HOST.fullmatch(parts.hostname or "") or len(url) > URL_CHARACTERS_MAX:
        raise EndpointRefused("This is not a complete address in plain ASCII.", field="/url")
    return parts
