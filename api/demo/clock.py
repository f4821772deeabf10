"""The demonstration's clock: it is moved through the played year, then goes on with the machine's."""

from datetime import UTC, datetime


class PlayedClock:
    def __init__(self, start: datetime) -> None:
        self._now: datetime | None = start

    def now(self) -> datetime:
        return self._now or datetime.now(UTC)

    def set(self, to: datetime) -> None:
        self._now = to

    def release(self) -> None:
        """The played year is over: from now on it is what time it is."""
        self._now = None
