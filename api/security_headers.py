"""Headers that close every answer to browsers' guesses; a route that needs one of them otherwise sets it itself."""

from infrastructure.settings import Settings

Headers = tuple[tuple[bytes, bytes], ...]

SECURITY_HEADERS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"cache-control", b"private, no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
ONLY_HTTPS: Headers = ((b"strict-transport-security", b"max-age=31536000; includeSubDomains"),)


def transport_headers(settings: Settings) -> Headers:
    """Where the service is published under https, browsers must never try plain http again, for a year."""
    return ONLY_HTTPS if (settings.public_url or "").startswith("https://") else ()
