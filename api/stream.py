"""The feed as it grows, and what the agency is told, as server-sent events, for as long as the reader may read."""

import secrets
import time
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from typing import Annotated

import msgspec
import structlog
from litestar import Router, get
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from api.authentication import must_still_be_in
from api.described import described
from api.queries import InvalidQuery, Position, QueryReader
from api.request import ApiRequest
from api.stream_frames import BEAT, EVENT_STREAM, Frame, Place, mark, opening, place_in
from api.stream_hub import Followed
from api.stretch import Stretch, Viewer
from application.message_types import MESSAGE_TYPES, Subject, UnknownMessageType
from domain.aggregate import EVENT_TYPES
from domain.alert_response import AlertChannel
from domain.errors import DomainError
from infrastructure.database import UNREACHABLE

log = structlog.get_logger()

BEAT_SECONDS = 15.0
WRITTEN_AT_ONCE = 50
RETRY_MS, RETRY_SPREAD_MS = 1_000, 4_000
"""Those who are cut off together do not all come back together."""
UNBUFFERED = {"X-Accel-Buffering": "no"}
"""What comes late because a proxy collects it is of no use."""


Types = Annotated[
    str,
    msgspec.Meta(
        max_length=2_000,
        pattern=r"^[a-z0-9.,-]+$(?!\n)",
        description="Of these types only, separated by commas: `referral.requested,unisson.alert.raised.v1`.",
    ),
]


class StreamQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    after: Position | None = None
    """Go on from there. Left out, with no `Last-Event-ID`: from now on; 0: from the beginning."""
    types: Types | None = None


STREAM_QUERY = QueryReader(StreamQuery)


class InvalidPlace(DomainError):
    """Last-Event-ID is the id of an event of this stream, as it was sent."""

    code = "invalid_last_event_id"
    status = 400
    title_fr = "Last-Event-ID est l'identifiant d'un événement de ce flux, tel qu'il a été envoyé."


@get(
    "/",
    name="follow-stream",
    opt=described(query=StreamQuery, also=(EVENT_STREAM,), resumed=True, refusals=(InvalidPlace, UnknownMessageType)),
)
async def follow_stream(request: ApiRequest) -> ASGIApp:
    """Follow the events of one's pathways, and what one's agency is told, as they come: server-sent events.

    Each has as `id` the place to go on from, which a browser sends back by itself as `Last-Event-ID`; a comment comes
    every 15 seconds when there is nothing else. What each type carries: `/asyncapi.json`.
    """
    return follow(request)


def follow(request: ApiRequest) -> ASGIApp:
    """Raises InvalidQuery, InvalidPlace, UnknownMessageType: what is misspelt would be waited for in vain."""
    query, last = STREAM_QUERY.read(request), request.header("last-event-id")
    place = None if query.after is None else Place(query.after)
    if last is not None:  # A browser repeats the address, with `after` as it was at first.
        place = place_in(last)
        if place is None:
            raise InvalidPlace
    types = frozenset(query.types.split(",")) if query.types else frozenset[str]()
    if "" in types:
        raise InvalidQuery
    if not all(each in MESSAGE_TYPES or each in EVENT_TYPES for each in types):
        raise UnknownMessageType(field="?types")
    return Stream(request, place, types)


class Stream:
    """One reader's stream."""

    def __init__(self, request: ApiRequest, place: Place | None, types: Collection[str]) -> None:
        self._request = request
        self._hub = request.runtime.streams
        self._place = place or Place(0)
        self._from_now = place is None
        self._types = types
        self._marked = self._place
        """The last place that the reader was told."""
        self._wrote_at = 0.0
        self._ends_at = time.monotonic() + request.runtime.limits.stream_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Overloaded, TooManyRequests."""
        caller, runtime = self._request.user, self._request.runtime
        with self._hub.seat(caller.territory, caller.agency), runtime.crowd.waiting(caller.key_id):
            async with self._hub.following(caller.territory) as followed:
                if self._from_now:
                    self._place = Place(followed.shown)
                async with aclosing(self._parts(followed)) as parts:
                    await ASGIStreamingResponse(iterator=parts, media_type=EVENT_STREAM, headers=UNBUFFERED)(
                        scope, receive, send
                    )

    async def _parts(self, followed: Followed) -> AsyncGenerator[bytes, None]:
        """Until the reader is shut out, the server stops, or the database is gone: then the reader comes back."""
        yield opening(RETRY_MS + secrets.randbelow(RETRY_SPREAD_MS)) + self._mark()
        try:
            while not self._is_over():
                stretch = await followed.after(self._place.read_up_to)
                if stretch is None:
                    await followed.arrival(self._place.read_up_to, min(self._until_beat(), self._left()))
                else:
                    async for part in self._shown_of(stretch):
                        yield part
                if self._until_beat() <= 0:
                    await must_still_be_in(self._request)
                    yield self._mark() if self._place > self._marked else self._written(BEAT)
        except DomainError:
            return
        except UNREACHABLE as error:
            log.warning("stream.cut", error_type=type(error).__name__)

    async def _shown_of(self, stretch: Stretch) -> AsyncGenerator[bytes, None]:
        """Asked anew, from where the reader is, when they take it slowly."""
        while self._place < Place(stretch.upto) and not self._is_over():
            viewer = self._viewer()
            seen = await self._hub.eyes.see(stretch, viewer)
            frames = [each for each in seen.frames if self._wants(each)]
            for first in range(0, len(frames), WRITTEN_AT_ONCE):
                await must_still_be_in(self._request)
                if (first and seen.is_stale) or self._viewer() != viewer:
                    break
                some = frames[first : first + WRITTEN_AT_ONCE]
                self._place = self._marked = some[-1].place
                yield self._written(b"".join(each.text for each in some))
                self._note_delivered(stretch, some)
            else:
                self._place = Place(stretch.upto)

    def _note_delivered(self, stretch: Stretch, frames: Iterable[Frame]) -> None:
        """An alert has reached the agency."""
        runtime = self._request.runtime
        for message in (each.message for each in frames):
            if message is None or message.message_id in stretch.delivered:
                continue
            stretch.delivered.add(message.message_id)
            if MESSAGE_TYPES[message.type].subject is Subject.ALERT:
                at, position = runtime.clock.now(), message.position
                runtime.receipts.add(
                    message.territory, message.subject_id, message.agency, AlertChannel.STREAM, at, position=position
                )

    def _wants(self, frame: Frame) -> bool:
        return frame.place > self._place and (not self._types or frame.type in self._types)

    def _viewer(self) -> Viewer:
        return Viewer.of(self._request.user, self._request.runtime.clock)

    def _mark(self) -> bytes:
        self._marked = self._place
        return self._written(mark(self._place))

    def _written(self, part: bytes) -> bytes:
        self._wrote_at = time.monotonic()
        return part

    def _is_over(self) -> bool:
        return self._hub.is_stopping or self._left() <= 0

    def _left(self) -> float:
        return self._ends_at - time.monotonic()

    def _until_beat(self) -> float:
        return self._wrote_at + BEAT_SECONDS - time.monotonic()


routes = Router("/stream", route_handlers=[follow_stream], tags=["events"])
