"""Durations and windows: from an activation's point to the half-open instants [open, close) in which a target counts.

Calendar units count local days, the activation's own day excluded (CPC art. 641 and 642): a window from 0d to 30d is
[midnight(D), midnight(D + 31)). Hours and minutes are exact and include their last instant.
"""

import re
from calendar import monthrange
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import msgspec

from domain.rules.calendars import Calendar
from domain.rules.instants import (
    ENDLESS_DAY,
    FOREVER,
    HOUR,
    LAST_DAY,
    MICROSECOND,
    MINUTE,
    NEVER_BEGAN,
)
from domain.rules.suspensions import NOT_SUSPENDED, Suspensions


class Unit(StrEnum):
    DAYS = "d"
    BUSINESS_DAYS = "bd"
    WORKING_DAYS = "wd"
    WEEKS = "w"
    MONTHS = "m"
    YEARS = "y"
    HOURS = "h"
    MINUTES = "min"


EXACT = {Unit.HOURS: HOUR, Unit.MINUTES: MINUTE}
COUNT_MAX = 99_999
_SPELLING = re.compile(r"([+-]?)([0-9]{1,9})(bd|wd|min|d|w|m|y|h)")


class Bounds(StrEnum):
    """Which ends of a window in hours are included."""

    BOTH = "[]"
    FIRST = "[)"
    LAST = "(]"
    NEITHER = "()"


class Duration(msgspec.Struct, frozen=True):
    """A signed count of one unit; without unit it is endless, in the direction of its sign."""

    count: int
    unit: Unit | None

    @property
    def is_exact(self) -> bool:
        return self.unit in EXACT

    @property
    def exact(self) -> int:
        """Its length in microseconds; hours and minutes only."""
        assert self.unit is not None
        return self.count * EXACT[self.unit]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}" if self.unit else ("inf" if self.count > 0 else "-inf")


INF = Duration(1, None)
MINUS_INF = Duration(-1, None)


def parse_duration(raw: object) -> Duration:
    """Read `30d`, `-6m`, `5bd`, `48h`, `inf`. Raises ValueError."""
    if raw in ("inf", "+inf") or raw == float("inf"):
        return INF
    if raw == "-inf" or raw == float("-inf"):
        return MINUS_INF
    spelling = _SPELLING.fullmatch(raw) if isinstance(raw, str) else None
    if spelling is None:
        raise ValueError("This is not a duration.")
    sign, digits, unit = spelling.groups()
    count = int(digits)
    if count > COUNT_MAX:
        raise ValueError(f"A duration is no longer than {COUNT_MAX} units.")
    return Duration(-count if sign == "-" else count, Unit(unit))


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Where targets count, relative to the activation's point."""

    start: Duration
    end: Duration
    bounds: Bounds = Bounds.BOTH
    roll: bool = False

    @property
    def is_exact(self) -> bool:
        """Counted in hours or minutes on both sides, endless sides aside."""
        sides = [side for side in (self.start, self.end) if side.unit is not None]
        return bool(sides) and all(side.is_exact for side in sides)

    @property
    def ties_count(self) -> bool:
        """It holds the activation's own moment and ends on an instant, so that ties need a look of their own."""
        spans_now = self.start.count <= 0 <= self.end.count
        return spans_now and (self.start.is_exact or self.end.is_exact)

    @property
    def looks_back(self) -> bool:
        """It ends at or before the activation: such a close is never rolled forward (délai à rebours)."""
        return self.end.count < 0 or (self.end.count == 0 and self.start.count < 0)


EVER = Window(start=MINUS_INF, end=INF)


class Close(NamedTuple):
    """Where a window ends."""

    instant: int
    """First instant out of the window; FOREVER when it never closes."""
    last_day: int | None
    """The last local day in it, when it is counted in days."""
    deadline: int
    """The last allowed instant as people say it: lateness is counted from there."""


NEVER_CLOSES = Close(FOREVER, ENDLESS_DAY, FOREVER)


def open_of(window: Window, point: int, day: int, calendar: Calendar) -> int:
    """The first instant in the window. `day` is the local day of the activation's `point`."""
    start = window.start
    if start.unit is None:
        return NEVER_BEGAN if start.count < 0 else FOREVER
    if start.is_exact:
        excluded = window.bounds in (Bounds.LAST, Bounds.NEITHER)
        return point + start.exact + (MICROSECOND if excluded else 0)
    return calendar.midnights[shift_day(day, start, calendar)]


def close_of(
    window: Window, point: int, day: int, calendar: Calendar, suspensions: Suspensions = NOT_SUSPENDED
) -> Close:
    """The end of the window, moved by the suspensions it is frozen during. What looks back never moves."""
    end = window.end
    if end.unit is None:
        return NEVER_CLOSES if end.count > 0 else Close(NEVER_BEGAN, None, NEVER_BEGAN)
    if end.is_exact:
        deadline = point + end.exact
        if end.count > 0:
            deadline = suspensions.push_instant(point, deadline)
        if deadline >= FOREVER:
            return NEVER_CLOSES
        excluded = window.bounds in (Bounds.FIRST, Bounds.NEITHER)
        return Close(deadline if excluded else deadline + MICROSECOND, None, deadline)
    last = shift_day(day, end, calendar)
    if end.count > 0 and suspensions:
        last = _push_last_day(end, day, last, calendar, suspensions)
    if window.roll and not window.looks_back and last <= LAST_DAY:
        last = calendar.next_working(last)
    return day_close(last, calendar)


def day_close(last: int, calendar: Calendar) -> Close:
    """A window that ends at 24:00 of a local day."""
    if last > LAST_DAY:
        return NEVER_CLOSES
    instant = calendar.midnights[last + 1]
    return Close(instant, last, instant - MICROSECOND)


def after_close(close: Close, grace: Duration | None, calendar: Calendar) -> int:
    """When a violation is raised: the close and its grace, which prolongs the last day by days of its own unit."""
    if close.instant >= FOREVER or grace is None or grace.unit is None:
        return close.instant
    if grace.is_exact:
        return close.instant + grace.exact
    last = close.last_day if close.last_day is not None else calendar.day_of(close.deadline)
    return calendar.midnights[shift_day(last, grace, calendar) + 1]


def shift_day(day: int, by: Duration, calendar: Calendar) -> int:
    """The n-th such day; months lead to the same day number, or to the last day of a shorter month."""
    count = by.count
    match by.unit:
        case Unit.DAYS:
            return day + count
        case Unit.WEEKS:
            return day + 7 * count
        case Unit.MONTHS:
            return shift_months(day, count)
        case Unit.YEARS:
            return shift_months(day, 12 * count)
        case Unit.BUSINESS_DAYS:
            return calendar.shift_working(day, count)
        case Unit.WORKING_DAYS:
            return calendar.shift_working(day, count, saturdays=True)
        case _:
            raise AssertionError(f"{by} is not counted in days")


def shift_months(day: int, months: int) -> int:
    """The same day number so many months later, or the last day of a shorter month."""
    if not 1 <= day <= LAST_DAY:
        return day
    origin = date.fromordinal(day)
    year, month = divmod(origin.year * 12 + origin.month - 1 + months, 12)
    if year > date.max.year:
        return ENDLESS_DAY
    if year < 1:
        return -ENDLESS_DAY
    return date(year, month + 1, min(origin.day, monthrange(year, month + 1)[1])).toordinal()


def _push_last_day(end: Duration, day: int, last: int, calendar: Calendar, suspensions: Suspensions) -> int:
    """The last day such that as many days that count are left, suspended days aside."""
    if end.unit not in (Unit.BUSINESS_DAYS, Unit.WORKING_DAYS):
        return suspensions.push_day(day, last, lambda first, until: until - first + 1, lambda final, more: final + more)
    saturdays = end.unit is Unit.WORKING_DAYS
    return suspensions.push_day(
        day,
        last,
        lambda first, until: calendar.count_working(first, until, saturdays=saturdays),
        lambda final, more: calendar.shift_working(final, more, saturdays=saturdays),
    )
