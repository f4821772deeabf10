"""The page on HTTP names every route, every problem and every limit as they are."""

import api.app  # noqa: F401 (every route with its refusals)
from api.limits import Limits
from api.openapi import document
from api.problems import catalogue
from tests.support.documents import DOCS, read

PAGE = DOCS / "reference" / "http.md"


def routes_table() -> str:
    lines = ["| request | what it does |", "| --- | --- |"]
    for path, item in document()["paths"].items():
        lines += [f"| {method.upper()} `{path}` | {operation['summary']} |" for method, operation in item.items()]
    return "\n".join(lines)


def problems_table() -> str:
    lines = ["| code | status | |", "| --- | --- | --- |"]
    lines += [f"| `{kind.code}` | {kind.status} | {kind.title()} |" for kind in catalogue().values()]
    return "\n".join(lines)


def test_every_route_is_listed() -> None:
    assert routes_table() in read(PAGE), f"the table of routes is now\n{routes_table()}"


def test_every_problem_is_listed() -> None:
    assert problems_table() in read(PAGE), f"the table of problems is now\n{problems_table()}"


def test_the_limits_are_those_that_are_kept() -> None:
    page, limits = read(PAGE), Limits()
    assert f"{limits.body_bytes // 1024} kB, {limits.nesting} levels, {limits.parts:,} objects" in page
    assert f"{limits.body_seconds:g} seconds to arrive" in page
    assert f"{limits.header_bytes // 1024} kB, {limits.header_seconds:g} seconds" in page
    assert f"{limits.requests_per_second:g} requests a second" in page
    assert f"{limits.burst:,} at once" in page
    assert f"{limits.requests_in_flight:,} requests and {limits.connections:,} connections" in page
    assert f"At most {limits.wait_seconds:g} seconds" in page
    assert f"An agency may have {limits.streams_of_one_agency} open" in page
    assert f"all agencies together {limits.streams:,}" in page
    assert f"when nothing of it is taken for {limits.send_seconds:g} seconds" in page
