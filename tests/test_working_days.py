"""Working days are found and counted without walking, and are those one finds by walking."""

from datetime import date
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.rules.holidays import days_off
from domain.rules.instants import ENDLESS_DAY, LAST_DAY
from domain.rules.working_days import WorkingDays

TERRITORIES = ("FR", "FR-57", "FR-974", "FR-987")
HELD = {
    (territory, per_week): WorkingDays(per_week, partial(days_off, territory))
    for territory in TERRITORIES
    for per_week in (5, 6)
}
"""Kept from one example to the next: what earlier questions prepared must not change later answers."""

Which = tuple[str, int]
WHICH = st.sampled_from(sorted(HELD))
DAYS = st.integers(date(1985, 1, 1).toordinal(), date(2106, 1, 1).toordinal()) | st.integers(1, LAST_DAY)


def is_worked(day: int, which: Which) -> bool:
    territory, per_week = which
    that = date.fromordinal(day)
    return that.isoweekday() <= per_week and day not in days_off(territory, that.year)


def walk(day: int, count: int, which: Which) -> int:
    step = 1 if count > 0 else -1
    left = abs(count)
    while left:
        day += step
        if not 1 <= day <= LAST_DAY:
            return day
        left -= is_worked(day, which)
    return day


@given(WHICH, DAYS, st.integers(-700, 700) | st.integers(-8, 8))
@example(("FR", 5), LAST_DAY - 3, 40)
@example(("FR", 6), 3, -40)
@example(("FR-974", 5), date(2100, 12, 20).toordinal(), 1)
@example(("FR-57", 6), date(1990, 1, 2).toordinal(), -1)
def test_shifting_is_walking_to_the_nth_worked_day(which: Which, day: int, count: int) -> None:
    assert HELD[which].shift(day, count) == walk(day, count, which)


@given(WHICH, DAYS, st.integers(-5, 900))
def test_counting_is_looking_at_each_day(which: Which, first: int, length: int) -> None:
    last = min(first + length, LAST_DAY)
    assert HELD[which].count(first, last) == sum(is_worked(day, which) for day in range(first, last + 1))


@given(WHICH, DAYS)
def test_a_day_is_worked_by_its_weekday_and_its_holidays(which: Which, day: int) -> None:
    assert HELD[which].has(day) == is_worked(day, which)


@given(WHICH, DAYS, st.integers(-100_000, 100_000))
def test_from_a_day_to_the_nth_there_are_n_whatever_the_distance(which: Which, day: int, count: int) -> None:
    working, there = HELD[which], HELD[which].shift(day, count)
    if 1 <= there <= LAST_DAY and count:
        assert working.has(there)
        first, last = (day + 1, there) if count > 0 else (there, day - 1)
        assert working.count(first, last) == abs(count)


@pytest.mark.parametrize("day", [0, -5, LAST_DAY + 1, ENDLESS_DAY, -ENDLESS_DAY])
def test_a_day_out_of_the_calendar_stays_where_it_is(day: int) -> None:
    assert HELD["FR", 5].shift(day, 10) == day
    assert HELD["FR", 5].shift(day, -10) == day


def test_a_year_without_a_worked_day_is_stepped_over() -> None:
    """However many days a territory takes off, the next worked day is found."""

    def off(year: int) -> frozenset[int]:
        whole = range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1)
        return frozenset(whole) if 2090 <= year <= 2110 else frozenset()

    working, last = WorkingDays(5, off), date(2089, 12, 30).toordinal()
    assert date.fromordinal(working.shift(last, 1)) == date(2111, 1, 1)
    assert working.shift(date(2111, 1, 1).toordinal(), -1) == last
    assert working.count(last + 1, date(2110, 12, 31).toordinal()) == 0
