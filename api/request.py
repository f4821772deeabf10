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
TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class ApiRequest(Request[Caller, Any, State]):
    """`user` is the caller, once authenticated; `auth`, what its credential tells beside (`authentication.Proof`)."""

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.scope["litestar_app"].state.runtime
        return runtime

    def header(self, name: str) -> str | None:
        """A header's value, by its name in lower case. Several values are joined by commas, so as to match nothing."""
        return headers_of(self.scope).get(name)


def headers_of(scope: Scope) -> dict[str, str]:
    """Every header of the request, read once."""
    state: dict[str, Any] = scope["state"]
    headers: dict[str, str] | None = state.get("headers")
    if headers is None:
        headers = state["headers"] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def request_id(scope: Scope) -> str:
    """The client's `X-Request-Id` if it is well formed, else an id of ours; the same for the whole request."""
    state: dict[str, Any] = scope["state"]
    identifier: str | None = state.get("request_id")
    if identifier is None:
        given = headers_of(scope).get("x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given):
            identifier = given
        else:
            state["correlation_id"] = uuid7()
            identifier = str(state["correlation_id"])
        state["request_id"] = identifier
    return identifier


def trace_id(scope: Scope) -> str:
    """The trace of the client's `traceparent`, else the request id."""
    return _trace_given(scope) or request_id(scope)


def _trace_given(scope: Scope) -> str | None:
    given = TRACE_PARENT.fullmatch(headers_of(scope).get("traceparent", ""))
    return given[1] if given else None


def correlation_id(scope: Scope) -> UUID:
    """What events carry: the client's request id, as a UUID or made into one; else its trace; else our request id."""
    identifier = request_id(scope)
    own: UUID | None = scope["state"].get("correlation_id")
    if own is not None:
        trace = _trace_given(scope)
        return own if trace is None else UUID(trace)
    try:
        return UUID(identifier)
    except ValueError:
        return uuid5(NAMESPACE_URL, identifier)
