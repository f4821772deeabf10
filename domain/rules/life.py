"""The life of a pathway as its facts tell it: opened, suspended, closed, reopened."""

from bisect import bisect_left
from collections.abc import Iterator

from domain.facts import FactState
from domain.rules.instants import ENDLESS_DAY, FOREVER, NEVER_BEGAN
from domain.rules.rule import At
from domain.rules.suspensions import Suspensions
from domain.rules.timeline import Placed, Timeline, first_to_act, order_of, precedence_of
from domain.rules.vocabulary import CLOSED, OPENED, REOPENED, SUSPENSION


class Period:
    """The pathway is active from the start, or since ever, to the closing, both included."""

    __slots__ = ("closing", "first", "spent", "start")

    def __init__(self, start: Placed | None, spent: int) -> None:
        self.start = start
        self.first = NEVER_BEGAN if start is None else start.point
        self.spent = spent  # How many closures came before it: they end nothing that begins in it.
        self.closing: Placed | None = None

    def holds(self, placed: Placed) -> bool:
        return placed.last >= self.first and (self.closing is None or placed.point <= self.closing.last)


class Life:
    """Only what was done counts: a planned or cancelled closure closes nothing."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        opened = self._done(OPENED)
        self.closures = sorted(self._done(CLOSED), key=precedence_of)
        self.suspended = sorted(self._done(SUSPENSION), key=precedence_of)
        self.reopenings = self._reopenings()
        self.openings = sorted(opened, key=precedence_of)[:1]
        self.starts = sorted((*self.openings, *self.reopenings), key=order_of)
        self.suspensions = self._suspensions()
        self.is_quiet = not (self.closures or self.suspended)
        self._periods = self._active_periods()

    def is_active(self, placed: Placed) -> bool:
        """Opened and not closed then; the days of opening and closing included."""
        return any(period.holds(placed) for period in self._periods)

    def is_over(self, placed: Placed) -> bool:
        """Closed then, and not yet reopened."""
        is_after = any(period.closing is not None and period.closing.last < placed.point for period in self._periods)
        return is_after and not self.is_active(placed)

    def closure_from(self, activation: Placed) -> Placed | None:
        """The closure that ends what begins here, in the last period that holds it: not one that came before."""
        holding = (period for period in reversed(self._periods) if period.start is activation)
        period = next(holding, None) or next((one for one in reversed(self._periods) if one.holds(activation)), None)
        return first_to_act(self._from(activation, self.closures[period.spent if period else 0 :]))

    def suspension_from(self, activation: Placed) -> Placed | None:
        """What first suspends an activation, at it or later."""
        return first_to_act(self._from(activation, self.suspended))

    def _from(self, activation: Placed, facts: list[Placed]) -> Iterator[Placed]:
        midnight = self._timeline.calendar.midnights[activation.day]
        for index in range(bisect_left(facts, midnight, key=lambda fact: fact.point), len(facts)):
            if facts[index].is_after_or_ties(activation):
                yield facts[index]

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
        return sorted(said, key=precedence_of)

    def _suspensions(self) -> Suspensions:
        if not self.suspended:
            return Suspensions()
        ends = [self._timeline.place(placed.fact, At.END) for placed in self.suspended]
        pairs = list(zip(self.suspended, ends, strict=True))
        return Suspensions(
            days=((start.day, ENDLESS_DAY if end is None else end.day) for start, end in pairs),
            instants=((start.point, FOREVER if end is None else _last_frozen(end)) for start, end in pairs),
        )

    def _active_periods(self) -> list["Period"]:
        """Closures and reopenings in their order. A reopening on the day of a closure comes after it, if it can."""
        period = Period(self.openings[0] if self.openings else None, 0)
        periods, is_open, spent = [period], True, 0
        early: list[Placed] = []
        closures = {id(closure) for closure in self.closures}
        for fact in sorted((*self.closures, *self.reopenings), key=precedence_of):
            again: Placed | None = fact
            if id(fact) in closures:
                spent += 1
                if not is_open or fact.last < period.first:
                    continue
                period.closing, is_open = fact, False
                again = next((reopening for reopening in early if reopening.ties_with(fact)), None)
                early.clear()
            elif is_open:
                early.append(fact)
                continue
            if again is not None:
                period, is_open = Period(again, spent), True
                periods.append(period)
        return periods


def _last_frozen(end: Placed) -> int:
    """A day-precise end suspends its whole day; an exact one resumes at that very instant."""
    return end.point - 1 if end.exact else end.last
