"""One connection, bounded in bytes, in time and in what it asks for at once; the library bounds none of these.

What cannot be answered by the application (no sound request, no room left) is refused here, as a problem too.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import Any, ClassVar

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.early_refusals import early_refusal
from api.limits import Limits, Overloaded, counted_address
from api.problems import BadRequest
from domain.errors import DomainError

log = structlog.get_logger()

NEVER = math.inf
LOG_SECONDS = 1.0


class Phase(Enum):
    """What the next byte belongs to."""

    BETWEEN = "between two requests"
    HEAD = "the head of a request"
    BODY = "what follows a head"


class BoundedProtocol(HttpToolsProtocol):
    """Deadlines are only noted here: `close_late` looks at all of them together, several times a second."""

    limits: ClassVar[Limits]
    peers: ClassVar[Counter[str]]
    """Open connections, by address."""
    overload: ClassVar["OverloadLog"]

    _peer: str | None = None
    _phase = Phase.BETWEEN
    _bytes = 0
    """Received since a head or a part of a body was complete. Much may be fed that no callback ever tells of."""
    _bytes_of_body = 0
    _due = NEVER
    """When the client must have sent what we wait for. No byte puts it off, only a whole head or a whole body."""
    _taken_by = NEVER
    """When the client must have taken what we sent."""
    _running: RequestResponseCycle | None = None
    _latest: RequestResponseCycle | None = None
    _refused = False
    _refusal: DomainError = BadRequest()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due = self.loop.time() + self.limits.header_seconds
        self._peer = counted_address(self.client, self.limits)
        if self._peer is not None:
            self.peers[self._peer] += 1
        crowded = self._peer is not None and self.peers[self._peer] > self.limits.connections_per_address
        if crowded or len(self.connections) > self.limits.connections * 1.1:
            self.overload.tell(len(self.connections), self.loop.time())
            self._refused = True
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._peer is not None:
            self.peers[self._peer] -= 1
            if not self.peers[self._peer]:
                del self.peers[self._peer]
        if self._running is not None:
            # The library only tells the request that came last, which may still wait for its turn.
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # Answered as if it had not been asked for; the connection ends with the answer.
        except httptools.HttpParserError:
            self._refuse()
            return
        if self._bytes > self.limits.header_bytes:
            self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._phase = Phase.HEAD
        if not self._answering():
            self._due = self.loop.time() + self.limits.header_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is Phase.BODY:
            raise ValueError("trailers would be taken for headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Whatever is raised here becomes a refusal."""
        self._check_head()
        super().on_headers_complete()
        self._latest = self.cycle
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False
        self._phase, self._bytes, self._bytes_of_body, self._due = Phase.BODY, 0, 0, NEVER

    def _check_head(self) -> None:
        if len(self.connections) > self.limits.connections:
            self.overload.tell(len(self.connections), self.loop.time())
            self._refusal = Overloaded()
            raise ValueError("too many connections")
        if len(self.pipeline) >= self.limits.requests_ahead:
            raise ValueError("too many requests ahead of their answers")
        if self._bytes > self.limits.header_bytes:
            received = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if received > self.limits.header_bytes:
                raise ValueError("headers too large")
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0"):
            raise ValueError("one Host is needed")

    def on_body(self, body: bytes) -> None:
        self._bytes = 0
        self._bytes_of_body += len(body)
        if self._bytes_of_body > 2 * self.limits.body_bytes:
            raise ValueError("body too large for anyone to read it")
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._phase, self._bytes = Phase.BETWEEN, 0
        super().on_message_complete()
        if not self._answering():
            self._due = self.loop.time() + self.limits.idle_seconds

    # What goes out

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unset_keepalive_if_required()  # Any byte would stop that timer.
        now = self.loop.time()
        if self.transport.is_closing():
            self._taken_by = now + self.limits.send_seconds
        elif not self._answering():
            # The rest of a body that nobody wanted may still arrive, within the time of a head.
            between = self._phase is Phase.BETWEEN
            self._due = now + (self.limits.idle_seconds if between else self.limits.header_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taken_by = self.loop.time() + self.limits.send_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        closing = self.transport.is_closing()
        self._taken_by = self.loop.time() + self.limits.send_seconds if closing else NEVER

    def close_if_late(self, now: float) -> None:
        if now > self._taken_by:
            self.transport.abort()
        elif now > self._due:
            self._close()

    def _answering(self) -> bool:
        return self._latest is not None and not self._latest.response_complete

    def _close(self) -> None:
        self._due = NEVER
        self._taken_by = self.loop.time() + self.limits.send_seconds
        self.transport.close()

    # Refusals

    def _refuse(self) -> None:
        """Nothing more is read. Answers already owed are given first; a refusal never stands in for one of them."""
        self._refused = True
        if not self._answering():
            if self._phase is not Phase.BODY:  # Else the answer to this request has been given.
                self.transport.write(early_refusal(self._refusal, self.server_state.default_headers))
            self._close()
        elif self._phase is Phase.BODY and not self.pipeline and not self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.write(early_refusal(self._refusal, self.server_state.default_headers))
            self._close()
        else:
            self.cycle.keep_alive = False


class OverloadLog:
    """Says it once for all the connections that are turned away within a second."""

    def __init__(self) -> None:
        self._said_at = -NEVER

    def tell(self, connections: int, now: float) -> None:
        if now - self._said_at > LOG_SECONDS:
            self._said_at = now
            log.warning("http.overloaded", connections=connections)


def bounded(limits: Limits) -> type[BoundedProtocol]:
    """The protocol of one server."""
    return type("Protocol", (BoundedProtocol,), {"limits": limits, "peers": Counter(), "overload": OverloadLog()})


def close_late(connections: Iterable[object], now: float) -> None:
    """Close those that had to be heard of, or to take what was sent, before now."""
    for connection in tuple(connections):
        if isinstance(connection, BoundedProtocol):
            connection.close_if_late(now)
