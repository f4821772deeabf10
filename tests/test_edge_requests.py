"""What every route takes: of each, a type that cannot be made to hurt and a content that no other site can post."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute
from msgspec import inspect

from api.described import Described
from api.openapi import _bare
from application.access import KEY_SCOPES
from tests.support.service import Service, running

SIMPLE = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
"""What a browser posts to another site without asking it first."""
FORMS = {"/oauth/token", "/oauth/revoke", "/unsubscribe/{token}"}
"""Standards give these a form. It carries its own proof, so nothing is gained by posting it from elsewhere."""
FROM_A_PAGE = {"/logout"}
"""Takes no body, and is guarded by where the page comes from."""
SOME_ID = "01a1f3d2-0000-7000-8000-000000000000"


def handlers() -> Iterator[tuple[str, str, Any]]:
    """(method, path, handler) of every route, described or not."""
    for route in _bare().routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            for method in handler.http_methods:
                if str(method) != "OPTIONS":
                    yield str(method), route.path_format, handler


HANDLERS = list(handlers())
WRITES = [(method, path, handler) for method, path, handler in HANDLERS if method not in {"GET", "HEAD"}]
BODIES = {
    handler.opt["described"].body: path
    for _, path, handler in HANDLERS
    if isinstance(handler.opt.get("described"), Described) and handler.opt["described"].body is not None
}
QUERIES = {
    handler.opt["described"].query: path
    for _, path, handler in HANDLERS
    if isinstance(handler.opt.get("described"), Described) and handler.opt["described"].query is not None
}


def parts(type_: inspect.Type) -> Iterator[inspect.Type]:
    """A type and all that it is made of."""
    seen: set[Any] = set()

    def walk(each: inspect.Type) -> Iterator[inspect.Type]:
        if isinstance(each, inspect.StructType):
            if each.cls in seen:
                return
            seen.add(each.cls)
        yield each
        if isinstance(each, inspect.StructType):
            for field in each.fields:
                yield from walk(field.type)
        for name in ("type", "item_type", "key_type", "value_type"):
            if isinstance(inner := getattr(each, name, None), inspect.Type):
                yield from walk(inner)
        for name in ("types", "item_types"):
            for inner in getattr(each, name, ()):
                yield from walk(inner)

    return walk(type_)


@pytest.mark.parametrize("body", [*BODIES, *QUERIES], ids=lambda body: body.__name__)
def test_no_request_can_be_made_of_what_collides(body: type[msgspec.Struct]) -> None:
    """Integers hash to themselves: those of a set, or keys, can be chosen so that all fall into one place."""
    for part in parts(inspect.type_info(body)):
        assert not isinstance(part, inspect.SetType | inspect.FrozenSetType), "a list, checked for repeats, is safe"
        if isinstance(part, inspect.DictType):
            assert isinstance(part.key_type, inspect.StrType | inspect.EnumType)
        if isinstance(part, inspect.StructType):
            assert part.forbid_unknown_fields, f"{part.cls.__name__} takes fields that nobody reads"


def test_the_walk_finds_what_it_must() -> None:
    class Inner(msgspec.Struct):
        numbers: dict[int, set[str]] | None

    class Outer(msgspec.Struct):
        inner: list[tuple[Inner, ...]]

    found = {type(part) for part in parts(inspect.type_info(Outer))}
    assert {inspect.SetType, inspect.DictType, inspect.IntType, inspect.StructType} <= found


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(database_url, tmp_path) as service:
        yield service


async def test_no_write_takes_what_another_site_can_post(service: Service) -> None:
    """Whoever may not write there at all is refused before the body's type is looked at."""
    ccas, read = await service.agency(scopes=KEY_SCOPES), set()
    for method, path, _ in WRITES:
        if path in FORMS | FROM_A_PAGE or method == "DELETE":  # For that a browser asks first, whatever the body.
            continue
        address = re.sub(r"\{\w+_id\}", SOME_ID, path).replace("{version}", "1")
        for content_type in (*SIMPLE, "application/json; charset=utf-7", "application/csp-report", None):
            headers = {"Idempotency-Key": "k", "If-Match": "*"}
            if content_type is not None:
                headers["Content-Type"] = content_type
            refused = await ccas.request(method, re.sub(r"\{\w+\}", "a", address), content=b"{}", headers=headers)
            assert refused.status_code in {403, 415}, f"{method} {path} took {content_type!r}: {refused.text}"
            if refused.status_code == 415:
                read.add((method, path))
    assert len(read) > 50


async def test_the_description_of_the_api_is_the_only_way_into_it(service: Service) -> None:
    """No generated documentation, no debugging page, no file of ours."""
    stranger = await service.client()
    for path in (
        "/schema",
        "/schema/openapi.json",
        "/openapi.json",
        "/v1/docs",
        "/.env",
        "/static/../app.py",
        "/static/CHECKSUMS",
    ):
        assert (await stranger.get(path)).status_code in {401, 404}, path
