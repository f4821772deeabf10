"""Whether a window holds nothing, whatever the activation or for some activations only: units may differ."""

from datetime import date
from functools import lru_cache
from typing import NamedTuple

from domain.rules.windows import Bounds, Duration, Unit, Window, shift_months

DAY_HOURS = 24
CLOCK_CHANGE_HOURS = 1
ROLL_DAYS_MAX = 14
"""No territory has more days off in a row."""
SAMPLE_YEARS = (2024, 2025, 2026, 2027, 2099, 2100)
"""Leap years, common years, and the end of a century, which is no leap year."""


class Reach(NamedTuple):
    """Days from the activation's own to the one that a duration leads to."""

    least: int
    most: int
    """Beyond these it never leads."""
    usual_least: int
    usual_most: int
    """As far it leads for some activations, days off aside."""


def is_always_empty(window: Window) -> bool:
    start, end = _plain(window.start), _plain(window.end)
    if start.unit is None or end.unit is None:
        return (start.unit is None and start.count > 0) or (end.unit is None and end.count < 0)
    if start.is_exact and end.is_exact:
        return _is_exactly_empty(window)
    if start.is_exact:
        return _hours(start) >= DAY_HOURS * (_last(window).most + 1) + CLOCK_CHANGE_HOURS
    if end.is_exact:
        return DAY_HOURS * _reach(start).least - CLOCK_CHANGE_HOURS >= DAY_HOURS + _hours(end)
    return start.count > end.count if start.unit == end.unit else _reach(start).least > _last(window).most


def may_be_empty(window: Window) -> bool:
    """For some activations: at a late hour, in a short month, before a week-end."""
    start, end = _plain(window.start), _plain(window.end)
    if start.unit is None or end.unit is None or start.unit == end.unit or (start.is_exact and end.is_exact):
        return False
    if {start.unit, end.unit} == {Unit.WORKING_DAYS, Unit.BUSINESS_DAYS} and _are_nested(start, end):
        return False
    if start.is_exact:
        return _hours(start) > DAY_HOURS * _last(window).usual_least
    if end.is_exact:
        return DAY_HOURS * _reach(start).usual_most > _hours(end)
    return _reach(start).usual_most > _last(window).usual_least


def _is_exactly_empty(window: Window) -> bool:
    first_is_in = window.bounds in (Bounds.BOTH, Bounds.FIRST)
    last_is_in = window.bounds in (Bounds.BOTH, Bounds.LAST)
    if window.start.exact == window.end.exact:
        return not (first_is_in and last_is_in)
    return window.start.exact > window.end.exact


def _plain(duration: Duration) -> Duration:
    """Weeks are always seven days, years always twelve months."""
    match duration.unit:
        case Unit.WEEKS:
            return Duration(7 * duration.count, Unit.DAYS)
        case Unit.YEARS:
            return Duration(12 * duration.count, Unit.MONTHS)
        case _:
            return duration


def _are_nested(start: Duration, end: Duration) -> bool:
    """As many days without Saturdays are never fewer than with them."""
    if start.count >= 0:
        return start.unit is Unit.WORKING_DAYS and start.count <= end.count
    return end.count >= 0 or (end.unit is Unit.WORKING_DAYS and start.count <= end.count)


def _hours(duration: Duration) -> float:
    return duration.count if duration.unit is Unit.HOURS else duration.count / 60


def _last(window: Window) -> Reach:
    reach = _reach(window.end)
    return reach._replace(most=reach.most + ROLL_DAYS_MAX) if window.roll and not window.looks_back else reach


def _reach(duration: Duration) -> Reach:
    duration = _plain(duration)
    assert duration.unit is not None
    reach = _reach_ahead(abs(duration.count), duration.unit)
    if duration.count >= 0:
        return reach
    return Reach(-reach.most, -reach.least, -reach.usual_most, -reach.usual_least)


@lru_cache(maxsize=1_024)
def _reach_ahead(count: int, unit: Unit) -> Reach:
    match unit:
        case Unit.MONTHS:
            return _months(count)
        case Unit.BUSINESS_DAYS:
            return _working_days(count, a_week=5)
        case Unit.WORKING_DAYS:
            return _working_days(count, a_week=6)
        case _:
            return Reach(count, count, count, count)


def _working_days(count: int, a_week: int) -> Reach:
    """Fewest from a Sunday, most from the last working day of a week. Fewer than half of all days are off."""
    if count == 0:
        return Reach(0, 0, 0, 0)
    off = 7 - a_week
    least, most = count + off * ((count - 1) // a_week), count + off * -(-count // a_week)
    return Reach(least, 2 * count + ROLL_DAYS_MAX, least, most)


def _months(count: int) -> Reach:
    days = [date(year, month, day).toordinal() for year in SAMPLE_YEARS for month in range(1, 13) for day in (1, 28)]
    days += [date(year, month, 31).toordinal() for year in SAMPLE_YEARS for month in (1, 3, 5, 7, 8, 10, 12)]
    lengths = [shift_months(day, count) - day for day in days]
    return Reach(min(lengths), max(lengths), min(lengths), max(lengths))
