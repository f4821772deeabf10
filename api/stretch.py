"""A part of a territory's log as its readers see it: read once for all, asked about once for all who see alike."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

import structlog

from api.event_header import view_of
from api.replies import encode
from api.stream_frames import LAST, Frame, Place, frame
from application.access import Caller
from application.event_log import Header, UnreadableEvent
from application.messages import MaySend, Message
from application.sight import Sight, sight_of
from domain.clock import Clock
from infrastructure.database import Pool
from infrastructure.row_security import reading
from projections.agency_feed import visible

log = structlog.get_logger()

FRESH_SECONDS = 0.5
"""How long the answer to what somebody may see is good for."""
LOOKS_AT_ONCE = 4
"""All agencies look when something comes: they must not take all the connections to the database from who commands."""


class Viewer(NamedTuple):
    """All who see the same of the events and the messages."""

    territory: str
    agency: str
    of_agency: bool
    """Whether they see the pathways that the agency takes part in."""
    whole_territory: bool

    @classmethod
    def of(cls, caller: Caller, clock: Clock) -> "Viewer":
        sight = sight_of(caller, clock.now())
        return cls(caller.territory, caller.agency, sight.agency is not None, sight.whole_territory)


class Seen(NamedTuple):
    """What a viewer may be shown of a stretch, in order."""

    frames: Sequence[Frame]
    asked_at: float

    @property
    def is_stale(self) -> bool:
        return time.monotonic() - self.asked_at >= FRESH_SECONDS


class Stretch:
    """What was recorded after a position, up to another."""

    def __init__(self, after: int, upto: int, headers: Sequence[Header], messages: Sequence[Message]) -> None:
        self.after = after
        self.upto = upto
        self.streams = {header.position: header.stream_id for header in headers}
        self._events = {header.position: (_type_of(header), encode(view_of(header))) for header in headers}
        self._frames = {position: frame(Place(position), *event) for position, event in self._events.items()}
        self._messages: dict[str, list[Message]] = {}
        for message in messages:
            self._messages.setdefault(message.agency, []).append(message)
        self.asked: dict[Viewer, asyncio.Task[Seen]] = {}
        self.delivered: set[UUID] = set()
        """Messages that were written to a reader: their delivery is recorded once."""

    def messages(self, agency: str) -> Sequence[Message]:
        """Those meant for an agency, by position."""
        return self._messages.get(agency, ())

    def frames(
        self, agency: str, pathways: Collection[UUID], entitled: Collection[UUID], body: Callable[[Message], bytes]
    ) -> Iterator[Frame]:
        """The events of these pathways, then these of the agency's messages. Places are the same whatever is shown."""
        told = self.messages(agency)
        there, rank = Counter(each.position for each in told), Counter[int]()
        for position, stream in self.streams.items():
            if stream in pathways:
                alone = position not in there
                yield self._frames[position] if alone else frame(Place(position, 0), *self._events[position])
        for message in told:
            position = message.position
            rank[position] += 1
            if message.message_id in entitled:
                place = Place(position, LAST if rank[position] == there[position] else rank[position])
                yield frame(place, message.type, body(message), message)


def _type_of(header: Header) -> str:
    return header.topic.partition("@")[0]


class Eyes:
    """Asks what of a stretch a viewer may be shown."""

    def __init__(self, pool: Pool, may_send: MaySend, body: Callable[[Message], bytes], clock: Clock) -> None:
        self._pool = pool
        self._may_send = may_send
        self._body = body
        self._clock = clock
        self._turn = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def see(self, stretch: Stretch, viewer: Viewer) -> Seen:
        """Asked once for all who see alike, and again when the answer has aged."""
        asking = stretch.asked.get(viewer)
        if asking is None or (asking.done() and (asking.exception() is not None or asking.result().is_stale)):
            asking = stretch.asked[viewer] = asyncio.create_task(self._look(stretch, viewer))
        return await asyncio.shield(asking)  # Whoever leaves does not take it from the others.

    async def _look(self, stretch: Stretch, viewer: Viewer) -> Seen:
        told = stretch.messages(viewer.agency)
        async with self._turn:
            asked_at = time.monotonic()
            pathways = await self._pathways(stretch, viewer)
            entitled = {each.message_id for each in told if await self._is_entitled(viewer, each)}
        frames = stretch.frames(viewer.agency, pathways, entitled, self._body)
        return Seen(sorted(frames, key=lambda frame: frame.place), asked_at)

    async def _is_entitled(self, viewer: Viewer, message: Message) -> bool:
        """What cannot be read is left out: its readers would never come past it."""
        try:
            return await self._may_send(viewer.territory, viewer.agency, message)
        except UnreadableEvent:
            log.warning("stream.unreadable", position=message.position)
            return False

    async def _pathways(self, stretch: Stretch, viewer: Viewer) -> frozenset[UUID]:
        sight = Sight(
            territory=viewer.territory,
            at=self._clock.now(),
            agency=viewer.agency if viewer.of_agency else None,
            whole_territory=viewer.whole_territory,
        )
        async with reading(self._pool, sight) as db:
            return await visible(db, viewer.territory, viewer.agency, stretch.streams.values())
