"""Working days of one calendar, counted and found by bisection: whatever the distance, no day is walked over."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import date

from domain.rules.instants import LAST_DAY

DaysOff = Callable[[int], frozenset[int]]
"""The days off of a year, as day numbers."""

SPAN = range(1990, 2101)
"""Years prepared at the first question. A question beyond prepares the centuries up to it."""


class WorkingDays:
    """Monday to Friday (jours ouvrés, `days_a_week` 5) or to Saturday (jours ouvrables, 6), days off excepted.

    Day number 1 was a Monday, so weekdays are counted by division. What remains is `_off`, the days off on weekdays,
    and for each how many working days came before it since day 1 (as if all earlier years had no day off).
    """

    __slots__ = ("_before", "_days_a_week", "_days_off", "_first", "_last", "_off", "_years")

    def __init__(self, days_a_week: int, days_off: DaysOff) -> None:
        self._days_a_week = days_a_week
        self._days_off = days_off
        self._years = range(0)
        self._first, self._last = LAST_DAY, 0
        self._off: list[int] = []
        self._before: list[int] = []

    def has(self, day: int) -> bool:
        if (day - 1) % 7 >= self._days_a_week:
            return False
        if not self._first <= day <= self._last:
            self._prepare(day)
        at = bisect_left(self._off, day)
        return at == len(self._off) or self._off[at] != day

    def count(self, first: int, last: int) -> int:
        """From `first` to `last`, both included."""
        if first > last:
            return 0
        if not self._first <= first <= last <= self._last:
            self._prepare(first, last)
        off = bisect_right(self._off, last) - bisect_left(self._off, first)
        return self._weekdays(last) - self._weekdays(first - 1) - off

    def shift(self, day: int, count: int) -> int:
        """The `count`-th working day after `day`, before it when negative, `day` itself for 0.

        0 or LAST_DAY + 1 when that would be out of the calendar; a `day` out of the calendar stays where it is.
        """
        if count == 0 or not 0 < day <= LAST_DAY:
            return day
        while True:
            if not self._first <= day <= self._last:
                self._prepare(day)
            found = self._nth(self._rank(day) + count if count > 0 else self._rank(day - 1) + count + 1)
            if self._first <= found <= self._last:
                return found
            if not self._prepare(found):
                return 0 if count < 0 else LAST_DAY + 1

    def _rank(self, day: int) -> int:
        """Working days up to this one, included."""
        return self._weekdays(day) - bisect_right(self._off, day)

    def _nth(self, rank: int) -> int:
        """The day whose rank this is: as many weekdays further as days off come before it."""
        weeks, rest = divmod(rank + bisect_left(self._before, rank) - 1, self._days_a_week)
        return weeks * 7 + rest + 1

    def _weekdays(self, day: int) -> int:
        weeks, rest = divmod(day, 7)
        return weeks * self._days_a_week + min(rest, self._days_a_week)

    def _prepare(self, *days: int) -> bool:
        """Take in the years of these days; False when they were, or lie out of the calendar."""
        years = [date.fromordinal(min(max(day, 1), LAST_DAY)).year for day in days]
        first = min(self._years.start or SPAN.start, *(year - year % 100 for year in years))
        last = max(self._years.stop, SPAN.stop, *(year - year % 100 + 100 for year in years))
        wanted = range(max(first, date.min.year), min(last, date.max.year + 1))
        if wanted == self._years:
            return False
        self._years = wanted
        self._first = date(wanted[0], 1, 1).toordinal()
        self._last = date(wanted[-1], 12, 31).toordinal()
        every = sorted(day for year in wanted for day in self._days_off(year))
        self._off = [day for day in every if (day - 1) % 7 < self._days_a_week]
        self._before = [self._weekdays(day) - 1 - earlier for earlier, day in enumerate(self._off)]
        return True
