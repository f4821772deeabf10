"""When a pathway is suspended, and how that moves a deadline: suspended time does not count."""

from collections.abc import Callable, Iterable

from domain.rules.instants import ENDLESS_DAY, FOREVER, LAST_DAY, MICROSECOND


class Suspensions:
    """Disjoint suspended stretches in time order, as closed ranges of local days and of instants."""

    def __init__(self, days: Iterable[tuple[int, int]] = (), instants: Iterable[tuple[int, int]] = ()) -> None:
        """Ranges may overlap and come in any order; an end of ENDLESS_DAY or FOREVER means still suspended."""
        self._days = merge(days)
        self._instants = merge(instants)

    def __bool__(self) -> bool:
        return bool(self._days)

    def push_day(
        self, day: int, last: int, count: Callable[[int, int], int], advance: Callable[[int, int], int]
    ) -> int:
        """Move `last` past the suspended days after `day`: each counted one is made up for by a later one.

        `count` says how many days of a range count, `advance` goes that many such days further.
        ENDLESS_DAY when a suspension that has not ended stands in the way.
        """
        for start, until in self._days:
            first = max(start, day + 1)
            if first > last:
                break
            if until < first:
                continue
            if until >= LAST_DAY:
                return ENDLESS_DAY
            last = advance(last, count(first, until))
        return last

    def push_instant(self, point: int, deadline: int) -> int:
        """The same on exact instants; FOREVER when a suspension that has not ended stands in the way."""
        for start, until in self._instants:
            first = max(start, point)
            if first >= deadline:
                break
            if until < first:
                continue
            if until >= FOREVER:
                return FOREVER
            deadline += until - first + MICROSECOND
        return deadline


def merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Closed ranges of whole numbers, sorted, those that touch made one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


NOT_SUSPENDED = Suspensions()
