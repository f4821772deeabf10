"""The feed: headers of the events of the pathways an agency takes part in, by position, without a hole.

Only what is already folded into the projections is shown, so that what a reader then asks for is there.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
from litestar import Router, get
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp

from api.authentication import must_still_be_in
from api.described import described
from api.event_header import EventHeader, view_of
from api.queries import Limit, Position, QueryReader, WaitSeconds
from api.reading import reading
from api.replies import NDJSON, encode, reply
from api.request import ApiRequest
from api.stream import follow
from api.stream_frames import EVENT_STREAM
from application.access import Caller
from application.event_log import Header
from domain.errors import DomainError
from projections.agency_feed import visible
from projections.consumers import folded_position
from projections.pathway_timeline import PathwayTimeline

SCANNED_AT_ONCE = 1_000
SCANS_MOST = 20
WRITTEN_AT_ONCE = 50
FRESH_SECONDS = 0.5
"""A page that its reader takes more slowly is read again from where they are: what they may see may have changed."""
PAUSE_SECONDS = 0.05
"""After being woken: a busy territory must not be read once per event for every client that waits."""


class FeedQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position = 0
    """`next_after` of the answer before; 0 to start from the beginning."""
    limit: Limit = 100
    wait: WaitSeconds = 0.0


class Feed(msgspec.Struct, kw_only=True):
    items: list[EventHeader]
    next_after: int
    """Where to go on from, whether or not there were events for you."""


FEED_QUERY = QueryReader(FeedQuery)


@get("/", name="read-events", opt=described(answer=Feed, query=FeedQuery, also=(NDJSON, EVENT_STREAM)))
async def read_events(request: ApiRequest) -> ASGIApp:
    """Follow the events of one's pathways.

    With `wait`, an empty answer is held back until there is something, or the time is over. With `Accept:
    application/x-ndjson`, everything there is comes as one stream, an event a line; the last line says where to go on.
    With `Accept: text/event-stream`, it is `/v1/stream`.
    """
    if EVENT_STREAM in (request.header("accept") or ""):
        return follow(request)
    query = FEED_QUERY.read(request)
    if NDJSON in (request.header("accept") or ""):
        return ASGIStreamingResponse(iterator=lines(request, query.after), media_type=NDJSON)
    feed = await _page(request, query.after, query.limit)
    if not feed.items and query.wait:
        deadline = time.monotonic() + min(query.wait, request.runtime.limits.wait_seconds)
        with request.runtime.crowd.waiting(request.user.key_id):
            while not feed.items and await _something_new(request, feed.next_after, deadline):
                feed = await _page(request, feed.next_after, query.limit)
    return reply(feed)


async def _page(request: ApiRequest, after: int, limit: int) -> Feed:
    """Scan until there is something to show, everything is read, or it has taken long enough for one request."""
    shown = await _shown_up_to(request)
    items: list[EventHeader] = []
    for _ in range(SCANS_MOST):
        if after >= shown or items:
            break
        headers = await request.runtime.log.headers(
            request.user.territory, after=after, limit=min(SCANNED_AT_ONCE, shown - after)
        )
        found = await _visible(request, headers)
        items = found[:limit]
        after = items[-1].position if len(found) > limit else headers[-1].position
    return Feed(items=items, next_after=after)


async def _visible(request: ApiRequest, headers: list[Header]) -> list[EventHeader]:
    await must_still_be_in(request)
    caller: Caller = request.user
    async with reading(request) as db:
        streams = await visible(db, caller.territory, caller.agency, (header.stream_id for header in headers))
    return [view_of(header) for header in headers if header.stream_id in streams]


async def _shown_up_to(request: ApiRequest) -> int:
    return await folded_position(request.runtime.pool, request.user.territory, [PathwayTimeline.name])


async def _something_new(request: ApiRequest, after: int, deadline: float) -> bool:
    """Wait for events beyond a position to be appended and folded.

    False at the deadline, when the server stops, and when the client has left.
    """
    runtime, territory = request.runtime, request.user.territory
    ends = {asyncio.create_task(runtime.stopping.wait()), asyncio.create_task(_left(request))}
    try:
        while (left := deadline - time.monotonic()) > 0:
            arrival = asyncio.create_task(runtime.log.wait(territory, after=after, timeout_s=left))
            done, _ = await asyncio.wait({arrival, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if done & ends:
                arrival.cancel()
                return False
            await asyncio.sleep(min(PAUSE_SECONDS, left))
            if await _shown_up_to(request) > after:
                return True
        return False
    finally:
        for end in ends:
            end.cancel()


async def _left(request: ApiRequest) -> bool:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True


async def lines(request: ApiRequest, after: int) -> AsyncIterator[bytes]:
    """Up to what was shown when the stream began. Cut short, without its last line, when the reader is shut out."""
    last = await _shown_up_to(request)
    try:
        while after < last and not request.runtime.stopping.is_set():
            read_at = time.monotonic()
            feed = await _page(request, after, SCANNED_AT_ONCE)
            for first in range(0, len(feed.items), WRITTEN_AT_ONCE):
                if first and time.monotonic() - read_at > FRESH_SECONDS:
                    break
                if first:
                    await must_still_be_in(request)
                some = feed.items[first : first + WRITTEN_AT_ONCE]
                yield b"".join(encode(item) + b"\n" for item in some)
                after = some[-1].position
            else:
                after = feed.next_after
    except DomainError:
        return
    yield encode({"next_after": after}) + b"\n"


routes = Router("/events", route_handlers=[read_events], tags=["events"])
