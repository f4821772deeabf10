"""Routes that the description does not hold (signing in, tokens, pages, health): any request is refused or answered."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import pytest
from litestar.routes import HTTPRoute

from api.described import Described
from api.openapi import _bare
from tests.support.service import Service, running

SEEDS = range(40)
"""Requests to each route."""
TYPES = ("application/x-www-form-urlencoded", "application/json", "text/plain", "multipart/form-data; boundary=x", "")
NAMES = (
    "after", "agency", "at", "client_assertion", "client_assertion_type", "client_id", "code", "error", "grant_type",
    "iss", "key", "scope", "state", "territory", "token", "token_type_hint",
)  # fmt: skip
VALUES = (
    "", "0", "-1", "9" * 400, "a" * 3_000, "é", "\x00", "\ud7ff", "😀", "%", "%00", "%zz", "../..", "//evil.example",
    "javascript:alert(1)", "' OR 1=1 --", "{}", "[" * 3_000, "e30.e30.e30", "a.b.c", "....", "null", "FR-34",
    "ccas-montpellier", "client_credentials", "authorization_code", "read write manage",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "\r\nSet-Cookie: a=b",
)  # fmt: skip
COOKIES = ("", "unisson-session=x", "unisson-sign-in=x; unisson-sign-in=y", "__Host-unisson-session=\x7f", "a" * 2_000)


def open_routes() -> list[tuple[str, str]]:
    return sorted(
        (str(method), route.path_format)
        for route in _bare().routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if not isinstance(handler.opt.get("described"), Described)
        for method in handler.http_methods
        if str(method) not in {"OPTIONS", "HEAD"}
    )


ROUTES = open_routes()


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


async def test_no_request_breaks_an_open_route(service: Service) -> None:
    stranger = await service.client()
    statuses: Counter[int] = Counter()
    assert len(ROUTES) > 15
    for method, path in ROUTES:
        for seed in SEEDS:
            random = Random(f"{path} {seed}")  # noqa: S311 (chooses what is tried)
            fields = [(random.choice(NAMES), random.choice(VALUES)) for _ in range(random.randint(0, 5))]
            body = random.choice((urlencode(fields).encode(), random.randbytes(40), b'{"a": 1}', b""))
            answer = await stranger.request(
                method,
                re.sub(r"\{[^}]+\}", lambda _: random.choice(("1", "a", "%00", "%c3%28", "..%2f")), path),  # noqa: B023
                params=dict(fields[: random.randint(0, 5)]),
                content=body if method == "POST" else None,
                headers=[
                    (b"Content-Type", random.choice(TYPES).encode()),
                    (b"Cookie", random.choice(COOKIES).encode()),
                    (b"DPoP", random.choice(VALUES).replace("\r\n", "").replace("\x00", "").encode()),
                    (b"Authorization", b"Basic " + random.choice((b"", b"YTpi", b"!!", b"\xff"))),
                ],
            )
            statuses[answer.status_code] += 1
            assert answer.status_code < 500 or answer.headers.get("retry-after"), f"{method} {path} {seed}"
            assert "set-cookie" not in answer.headers, f"{method} {path} {seed}"
            assert "evil.example" not in answer.headers.get("location", ""), f"{method} {path} {seed}"
    assert len(statuses) > 4
