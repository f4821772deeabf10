"""Answers: JSON bytes with the headers that go with them."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from litestar.response.base import ASGIResponse

V = TypeVar("V", bound=msgspec.Struct)

encode = msgspec.json.Encoder().encode


def reply(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    return ASGIResponse(body=encode(body), status_code=status, headers=dict(headers or {}))


def nothing(*, status: int = 204, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    return ASGIResponse(status_code=status, headers=dict(headers or {}))


def as_view(source: object, view: type[V], **other: Any) -> V:
    """What clients see of something: the fields of the same names, and `other` for those named otherwise."""
    fields = {name: getattr(source, name) for name in view.__struct_fields__ if name not in other}
    return view(**fields, **other)
