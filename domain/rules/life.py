"""The life of a pathway as its facts tell it: opened, suspended, closed, reopened."""

from collections.abc import Iterable

from domain.facts import FactState
from domain.rules.instants import ENDLESS_DAY, FOREVER, NEVER_BEGAN
from domain.rules.rule import At
from domain.rules.suspensions import Suspensions
from domain.rules.timeline import Placed, Timeline, order_of
from domain.rules.vocabulary import CLOSED, OPENED, REOPENED, SUSPENSION


class Life:
    """Only what was done counts: a planned or cancelled closure closes nothing."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        opened = self._done(OPENED)
        self.closures = self._done(CLOSED)
        self.suspended = self._done(SUSPENSION)
        self.reopenings = self._reopenings()
        self.openings = opened[:1]
        self.starts = sorted((*self.openings, *self.reopenings), key=order_of)
        self.suspensions = self._suspensions()
        self.is_quiet = not (self.closures or self.suspended)
        self._periods = self._active_periods()

    def is_active(self, placed: Placed) -> bool:
        """Opened and not closed then; the days of opening and closing included."""
        return any(placed.last >= first and placed.point <= last for first, last in self._periods)

    def _done(self, kind: str) -> list[Placed]:
        return [placed for placed in self._timeline.by_type.get(kind, ()) if placed.fact.state is FactState.DONE]

    def _reopenings(self) -> list[Placed]:
        """Facts that say so, and the ends of closures that lasted a while without one."""
        said = self._done(REOPENED)
        for closure in self.closures:
            end = self._timeline.place(closure.fact, At.END)
            lasted = end is not None and end.point > closure.point
            if end is not None and lasted and not any(end.ties_with(placed) for placed in said):
                said.append(end)
        return sorted(said, key=order_of)

    def _suspensions(self) -> Suspensions:
        if not self.suspended:
            return Suspensions()
        ends = [self._timeline.place(placed.fact, At.END) for placed in self.suspended]
        pairs = list(zip(self.suspended, ends, strict=True))
        return Suspensions(
            days=((start.day, ENDLESS_DAY if end is None else end.day) for start, end in pairs),
            instants=((start.point, FOREVER if end is None else _last_frozen(end)) for start, end in pairs),
        )

    def _active_periods(self) -> list[tuple[int, int]]:
        periods = []
        start = self.openings[0].point if self.openings else NEVER_BEGAN
        for closure in self.closures:
            if closure.last < start:
                continue
            periods.append((start, closure.last))
            following = _first_from(self.reopenings, closure)
            if following is None:
                return periods
            start = following.point
        return [*periods, (start, FOREVER)]


def _last_frozen(end: Placed) -> int:
    """A day-precise end suspends its whole day; an exact one resumes at that very instant."""
    return end.point - 1 if end.exact else end.last


def _first_from(placed: Iterable[Placed], after: Placed) -> Placed | None:
    return next((item for item in placed if item.is_after_or_ties(after)), None)
