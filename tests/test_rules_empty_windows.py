"""A window in which nothing can ever lie is refused; one that is empty for some activations is told by the linter."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.rules import Calendars, RuleRefused, parse_rules
from domain.rules.empty_windows import is_always_empty, may_be_empty
from domain.rules.instants import instant_of
from domain.rules.lint import remarks
from domain.rules.windows import Bounds, Unit, Window, close_of, open_of, parse_duration
from tests.support.rule_histories import forbid, require

CALENDAR = Calendars().default
ALWAYS = [
    ("5d", "1d", "[]"),
    ("2m", "30d", "[]"),
    ("10d", "24h", "[]"),
    ("30d", "2bd", "[]"),
    ("5h", "5h", "[)"),
    ("0h", "0h", "()"),
    ("60min", "1h", "(]"),
    ("90min", "1h", "[]"),
    ("13m", "1y", "[]"),
    ("2w", "13d", "[]"),
    ("-10d", "-3m", "[]"),
    ("-2bd", "-3w", "[]"),
    ("49h", "0d", "[]"),
    ("inf", "inf", "[]"),
    ("-inf", "-inf", "[]"),
]
SOMETIMES = [
    ("1m", "30d"),
    ("1y", "365d"),
    ("2bd", "3d"),
    ("6d", "5bd"),
    ("2d", "24h"),
    ("5h", "0d"),
    ("-30d", "-1m"),
    ("3bd", "3wd"),
]
NEVER = [
    ("0d", "0d"),
    ("1d", "24h"),
    ("0h", "0d"),
    ("-24h", "0d"),
    ("12m", "1y"),
    ("1w", "7d"),
    ("28d", "1m"),
    ("365d", "1y"),
    ("5d", "5bd"),
    ("5wd", "5bd"),
    ("-5bd", "-5wd"),
    ("-1m", "15d"),
    ("0bd", "0h"),
    ("-inf", "-90d"),
    ("3y", "inf"),
]


def window(start: str, end: str, bounds: str = "[]", *, roll: bool = False) -> Window:
    return Window(start=parse_duration(start), end=parse_duration(end), bounds=Bounds(bounds), roll=roll)


@pytest.mark.parametrize(("start", "end", "bounds"), ALWAYS)
def test_a_window_without_any_instant_is_refused(start: str, end: str, bounds: str) -> None:
    change: dict[str, Any] = {"within": {"from": start, "to": end, "bounds": bounds}}
    for document, path in ((require(**change), "/within"), (require(unless={"on": "x", **change}), "/unless/within")):
        with pytest.raises(RuleRefused, match="the window is empty") as refused:
            parse_rules([document])
        assert refused.value.field == path


@pytest.mark.parametrize(("start", "end"), SOMETIMES)
def test_a_window_that_may_be_empty_is_remarked_on(start: str, end: str) -> None:
    within = {"from": start, "to": end}
    rules = parse_rules([[forbid(within=within), require(unless={"on": "x", "within": within})]]).rules
    found = [remark for remark in remarks(rules) if remark.code == "sometimes_empty"]
    assert [remark.path for remark in found] == ["/unless/within", "/within"]
    assert start in found[0].fr
    assert end in found[0].en


@pytest.mark.parametrize(("start", "end"), NEVER)
def test_a_window_that_always_holds_something_is_left_alone(start: str, end: str) -> None:
    (rule,) = parse_rules([require(within={"from": start, "to": end})])
    assert "sometimes_empty" not in {remark.code for remark in remarks([rule])}


def test_a_rolled_close_may_come_late_enough() -> None:
    assert is_always_empty(window("2m", "59d")) is False
    assert is_always_empty(window("2m", "50d", roll=True)) is False
    assert is_always_empty(window("2m", "40d", roll=True)) is True


SIDES = st.builds(
    lambda count, unit: f"{count}{unit}",
    st.integers(-40, 40) | st.integers(-5, 5),
    st.sampled_from([unit.value for unit in Unit]),
)
UNSURE = {Unit.BUSINESS_DAYS, Unit.WORKING_DAYS, Unit.HOURS, Unit.MINUTES}
"""A day off, or a change of clocks, makes a window empty that hardly ever is."""
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, st.lists(MOMENTS, min_size=1, max_size=12))
def test_what_is_said_of_a_window_is_so(start: str, end: str, moments: list[datetime]) -> None:
    one = window(start, end)
    points = [(instant_of(moment), CALENDAR.day_of(instant_of(moment))) for moment in moments]
    empty = {open_of(one, point, day, CALENDAR) >= close_of(one, point, day, CALENDAR).instant for point, day in points}
    if is_always_empty(one):
        assert empty == {True}
    elif not may_be_empty(one) and UNSURE.isdisjoint({one.start.unit, one.end.unit}):
        assert empty == {False}
