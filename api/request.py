"""The request as our handlers see it: its caller, what the process is made of, the ids that follow it everywhere."""

import re
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from litestar import Request
from litestar.datastructures import State
from litestar.types import Scope

from api.runtime import Runtime
from application.access import Caller
from domain.ids import uuid7

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class ApiRequest(Request[Caller, None, State]):
    """`user` is the caller, once authenticated."""

    @property
    def runtime(self) -> Runtime:
        runtime = self.scope["litestar_app"].state.runtime
        assert isinstance(runtime, Runtime)
        return runtime

    def header(self, name: str) -> str | None:
        """The value of a header that may be given once at most; several values are joined, so they match nothing."""
        values = self.headers.getall(name, [])
        return ", ".join(values) if values else None


def request_id(scope: Scope) -> str:
    """The client's `X-Request-Id` if it is well formed, else an id of ours; the same for the whole request."""
    state: dict[str, Any] = scope["state"]
    if "request_id" not in state:
        given = _header(scope, b"x-request-id")
        state["request_id"] = given if given is not None and REQUEST_ID.fullmatch(given) else str(uuid7())
    identifier = state["request_id"]
    assert isinstance(identifier, str)
    return identifier


def trace_id(scope: Scope) -> str:
    """The trace of the client's `traceparent`, else the request id."""
    given = TRACE_PARENT.fullmatch(_header(scope, b"traceparent") or "")
    return given[1] if given else request_id(scope)


def correlation_id(scope: Scope) -> UUID:
    """The request id as events carry it: itself when it is a UUID, else a UUID made from it."""
    identifier = request_id(scope)
    try:
        return UUID(identifier)
    except ValueError:
        return uuid5(NAMESPACE_URL, identifier)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for given, value in scope["headers"] if given == name), None)
