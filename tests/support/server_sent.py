"""Readers of server-sent events, over real sockets: what came, and where to go on from."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

from tests.support.service import Agency

EVENT_STREAM = "text/event-stream"
PATIENCE_SECONDS = 20.0
POSITION = "position"
"""The event that only says where to go on from."""


class Refused(Exception):
    """No stream began."""


class Sent(NamedTuple):
    id: str
    type: str
    data: dict[str, Any]

    @property
    def key(self) -> str:
        """What makes it the same when it comes twice: of a message its id, of an event its position."""
        return str(self.data.get("id") or self.data["position"])

    @property
    def position(self) -> int:
        """Of the event, or of the event that a message tells of."""
        return int(self.data.get("data", self.data)["position"])


class Following:
    """One open stream."""

    def __init__(self, lines: AsyncIterator[bytes], last_id: str) -> None:
        self._lines = lines
        self.last_id = last_id
        """What a browser would send as `Last-Event-ID`."""
        self.retry_ms: int | None = None
        self.comments = 0

    async def next(self, *, marks: bool = False) -> Sent | None:
        """The next event or message, and with `marks` also what only says where to go on; None at the end."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            name, _, value = line.decode().partition(":")
            if line:
                fields[name] = value.strip()
                continue
            self.last_id = fields.get("id", self.last_id)
            self.comments += "" in fields
            self.retry_ms = int(fields["retry"]) if "retry" in fields else self.retry_ms
            if "data" in fields and (marks or fields["event"] != POSITION):
                return Sent(self.last_id, fields["event"], json.loads(fields["data"]))
            fields = {}
        return None

    async def take(self, count: int) -> list[Sent]:
        """So many of them. Raises TimeoutError when they do not come."""
        taken: list[Sent] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(taken) < count:
                sent = await self.next()
                assert sent is not None, f"the stream ended after {len(taken)}"
                taken.append(sent)
        return taken

    async def take_until(self, position: int) -> list[Sent]:
        """All that comes until the reader knows that it has read up to a position."""
        taken: list[Sent] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while int(self.last_id.partition(".")[0]) < position or "." in self.last_id:
                sent = await self.next(marks=True)
                assert sent is not None, f"the stream ended after {len(taken)}"
                taken += [] if sent.type == POSITION else [sent]
        return taken

    async def is_over(self) -> bool:
        """Raises TimeoutError when it goes on with nothing."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.next() is None


async def whole_lines(pieces: AsyncIterator[bytes], cut_after: int | None) -> AsyncGenerator[bytes, None]:
    """Without their ends; nothing of what comes after so many bytes."""
    rest = b""
    async for piece in pieces:
        rest += piece if cut_after is None else piece[:cut_after]
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield line
        if cut_after is not None:
            cut_after -= len(piece)
            if cut_after <= 0:
                return


@asynccontextmanager
async def following(
    client: Agency,
    *,
    last_id: str | None = None,
    address: str = "/v1/stream",
    cut_after: int | None = None,
    **query: Any,
) -> AsyncIterator[Following]:
    """Begun: what is recorded from here on comes. `cut_after` so many bytes, wherever that is, nothing more does.

    Raises Refused.
    """
    headers = {"Accept": EVENT_STREAM} | ({} if last_id is None else {"Last-Event-ID": last_id})
    async with client.stream("GET", address, params=query, headers=headers) as answer:
        if answer.status_code != 200:
            raise Refused((await answer.aread()).decode())
        assert answer.headers["content-type"].startswith(EVENT_STREAM)
        async with aclosing(whole_lines(answer.aiter_bytes(), cut_after)) as lines:
            followed = Following(lines, last_id or "")
            first = await followed.next(marks=True)
            assert cut_after is not None or (first is not None and first.type == POSITION)
            yield followed
