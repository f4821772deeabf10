"""Answers: JSON bytes with the headers that go with them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.response.base import ASGIResponse

encode = msgspec.json.Encoder().encode


def reply(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    return ASGIResponse(body=encode(body), status_code=status, headers=dict(headers or {}))


def nothing(*, status: int = 204, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    return ASGIResponse(status_code=status, headers=dict(headers or {}))
