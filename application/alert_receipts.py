"""Which agencies an alert has reached, by whatever channel: recorded from what the channels have settled.

Nothing is lost with a process: what a channel settled stays in its tables, and is looked at again from a little before
the last place. Recording the same delivery twice changes nothing.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from application.event_log import EventLog
from domain.alert_response import AlertChannel

ADDED_MAX = 20_000
SEEN_MAX = 100_000
PAGE_ROWS = 500
AGAIN = timedelta(minutes=1)
"""How far behind the last place deliveries are looked at again: a transaction may commit after a later one."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message about an alert reached an agency."""

    alert_id: UUID
    agency: str
    channel: AlertChannel
    at: datetime
    position: int
    """Of the event that the message tells of: it says which revision."""


class Settled(msgspec.Struct, frozen=True):
    """A delivery as its channel's tables have it."""

    message_id: UUID
    delivery: Delivery


class Arrivals(Protocol):
    """What the channels that keep a record have delivered about alerts."""

    async def after(
        self, territory: str, channel: AlertChannel, at: datetime, message_id: UUID, *, limit: int
    ) -> Sequence[Settled]:
        """In the order of their times, then of their messages' ids, beyond this place."""

    async def place(self, territory: str, channel: AlertChannel) -> datetime | None:
        """Up to where they have been recorded; None before the first."""

    async def move(self, territory: str, channel: AlertChannel, at: datetime) -> None:
        """Never backwards."""


class Recorder(Protocol):
    async def record(self, territory: str, deliveries: Iterable[Delivery]) -> int:
        """Record those that are the first of their agency and revision; returns how many were."""


RECORDED_BY_THEIR_TABLES = (AlertChannel.WEBHOOK, AlertChannel.MAIL)
LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
FIRST_ID = UUID(int=0)


class Receipts:
    """A stream tells of its deliveries with `add`; those of the other channels are found where they were settled."""

    def __init__(self, log: EventLog, arrivals: Arrivals, recorder: Recorder) -> None:
        self._log = log
        self._arrivals = arrivals
        self._recorder = recorder
        self._added: deque[tuple[str, Delivery]] = deque(maxlen=ADDED_MAX)
        self._seen: OrderedDict[tuple[AlertChannel, UUID], None] = OrderedDict()

    def add(
        self, territory: str, alert_id: UUID, agency: str, channel: AlertChannel, at: datetime, *, position: int
    ) -> None:
        """Remember a delivery until the next turn. The oldest give way when far too many wait."""
        delivery = Delivery(alert_id=alert_id, agency=agency, channel=channel, at=at, position=position)
        self._added.append((territory, delivery))

    async def collect(self) -> int:
        """Record what was delivered since the last time; returns how many first deliveries that made."""
        recorded = await self.flush()
        for territory in await self._log.territories():
            for channel in RECORDED_BY_THEIR_TABLES:
                recorded += await self._record_settled(territory, channel)
        return recorded

    async def flush(self) -> int:
        """Record what was added."""
        by_territory: dict[str, list[Delivery]] = {}
        waiting = [self._added.popleft() for _ in range(len(self._added))]
        for territory, delivery in waiting:
            by_territory.setdefault(territory, []).append(delivery)
        try:
            return sum([await self._recorder.record(*each) for each in by_territory.items()])
        except BaseException:
            self._added.extendleft(reversed(waiting))
            raise

    async def _record_settled(self, territory: str, channel: AlertChannel) -> int:
        place = await self._arrivals.place(territory, channel)
        at, message_id, recorded = (LONG_AGO if place is None else place - AGAIN), FIRST_ID, 0
        while page := await self._arrivals.after(territory, channel, at, message_id, limit=PAGE_ROWS):
            fresh = [each for each in page if (channel, each.message_id) not in self._seen]
            recorded += await self._recorder.record(territory, [each.delivery for each in fresh])
            self._remember(channel, fresh)
            at, message_id = page[-1].delivery.at, page[-1].message_id
            if fresh:
                await self._arrivals.move(territory, channel, at)
            if len(page) < PAGE_ROWS:
                break
        return recorded

    def _remember(self, channel: AlertChannel, settled: Iterable[Settled]) -> None:
        for each in settled:
            self._seen[channel, each.message_id] = None
        while len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
