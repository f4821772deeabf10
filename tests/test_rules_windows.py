"""Windows: what is counted, where it ends, what moves it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.rules import Status
from domain.rules.calendars import Calendars
from domain.rules.instants import MICROSECOND, instant_of, iso_duration, moment_of
from domain.rules.suspensions import Suspensions, merge
from domain.rules.windows import INF, MINUS_INF, Bounds, Duration, Unit, Window, close_of, open_of, parse_duration
from tests.support.rule_histories import fact, judged, local, only, require

PARIS = Calendars().default
D = date


def last_day(end: str, start: D, *, begin: str = "0d", roll: bool = False, days: list[tuple[D, D]] | None = None) -> D:
    window = Window(start=parse_duration(begin), end=parse_duration(end), roll=roll)
    suspensions = Suspensions(days=[(first.toordinal(), last.toordinal()) for first, last in days or []])
    day = start.toordinal()
    close = close_of(window, PARIS.midnights[day], day, PARIS, suspensions)
    assert close.last_day is not None
    assert close.instant == PARIS.midnights[close.last_day + 1]
    return D.fromordinal(close.last_day)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30d", Duration(30, Unit.DAYS)),
        ("-6m", Duration(-6, Unit.MONTHS)),
        ("0bd", Duration(0, Unit.BUSINESS_DAYS)),
        ("+5wd", Duration(5, Unit.WORKING_DAYS)),
        ("48h", Duration(48, Unit.HOURS)),
        ("90min", Duration(90, Unit.MINUTES)),
        ("2w", Duration(2, Unit.WEEKS)),
        ("1y", Duration(1, Unit.YEARS)),
        ("inf", INF),
        ("-inf", MINUS_INF),
    ],
)
def test_durations_are_read(text: str, duration: Duration) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "30", "d", "3 d", "1.5d", "30D", "1e3d", "--3d", "٣d", "999999d", 30, None, True])
def test_what_is_no_duration_is_refused_with_a_sentence(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(text)


def test_the_day_of_the_activation_is_not_counted_and_the_last_day_is_whole() -> None:
    assert last_day("30d", D(2026, 1, 5)) == D(2026, 2, 4)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (D(2026, 1, 31), "1m", D(2026, 2, 28)),
        (D(2024, 1, 31), "1m", D(2024, 2, 29)),
        (D(2026, 3, 31), "-1m", D(2026, 2, 28)),
        (D(2024, 2, 29), "1y", D(2025, 2, 28)),
        (D(2024, 2, 29), "4y", D(2028, 2, 29)),
        (D(2026, 8, 31), "6m", D(2027, 2, 28)),
        (D(2026, 12, 15), "1m", D(2027, 1, 15)),
    ],
)
def test_a_month_ends_on_the_same_number_or_on_its_last_day(start: D, end: str, expected: D) -> None:
    assert last_day(end, start, begin="-inf") == expected


def test_business_days_step_over_holidays() -> None:
    assert last_day("5bd", D(2026, 4, 30)) == D(2026, 5, 11)  # 1 and 8 May are off.
    assert last_day("5wd", D(2026, 4, 30)) == D(2026, 5, 7)


def test_a_holiday_on_the_last_day_rolls_to_the_next_working_day() -> None:
    assert last_day("30d", D(2026, 4, 1), roll=True) == D(2026, 5, 4)  # 1 May, then a weekend.
    assert last_day("30d", D(2026, 4, 1)) == D(2026, 5, 1)


def test_a_window_that_looks_back_never_rolls() -> None:
    assert last_day("0d", D(2026, 5, 1), begin="-30d", roll=True) == D(2026, 5, 1)
    assert last_day("-5d", D(2026, 5, 6), begin="-30d", roll=True) == D(2026, 5, 1)
    assert last_day("2d", D(2026, 4, 29), begin="-30d", roll=True) == D(2026, 5, 4)


def test_hours_are_exact_across_a_change_of_clocks() -> None:
    window = Window(start=parse_duration("0h"), end=parse_duration("48h"))
    rule = require(within={"from": "0h", "to": "48h"})
    found = only(judged([fact("a", "diagnosis", "2026-03-28 10:00")], "2026-05-01", rule))
    assert window.is_exact
    # 48 real hours: an hour of Sunday is missing.
    assert found.close == local("2026-03-30 11:00") + timedelta(microseconds=1)


def test_days_are_local_across_a_change_of_clocks() -> None:
    found = only(
        judged([fact("a", "diagnosis", "2026-03-28 10:00")], "2026-05-01", require(within={"from": "0d", "to": "2d"}))
    )
    assert (found.open, found.close) == (local("2026-03-28 00:00"), local("2026-03-31 00:00"))


@pytest.mark.parametrize(
    ("bounds", "opens", "closes"),
    [(Bounds.BOTH, 0, 1), (Bounds.FIRST, 0, 0), (Bounds.LAST, 1, 1), (Bounds.NEITHER, 1, 0)],
)
def test_bounds_say_which_ends_of_hours_are_included(bounds: Bounds, opens: int, closes: int) -> None:
    window = Window(start=parse_duration("1h"), end=parse_duration("2h"), bounds=bounds)
    hour = 3_600_000_000
    assert open_of(window, 0, 719163, PARIS) == hour + opens * MICROSECOND
    assert close_of(window, 0, 719163, PARIS).instant == 2 * hour + closes * MICROSECOND


def test_suspended_days_are_made_up_for() -> None:
    # 10 days from the 1st end on the 11th; the 5th to the 7th do not count.
    assert last_day("10d", D(2026, 1, 1), days=[(D(2026, 1, 5), D(2026, 1, 7))]) == D(2026, 1, 14)


def test_a_suspension_reached_only_through_another_counts_too() -> None:
    stretches = [(D(2026, 1, 5), D(2026, 1, 7)), (D(2026, 1, 13), D(2026, 1, 20))]
    assert last_day("10d", D(2026, 1, 1), days=stretches) == D(2026, 1, 22)


def test_suspended_business_days_only_count_when_they_are_worked() -> None:
    # Friday 9 to Monday 12: two business days; the fifth after Monday 5 was Monday 12.
    assert last_day("5bd", D(2026, 1, 5), days=[(D(2026, 1, 9), D(2026, 1, 12))]) == D(2026, 1, 14)


def test_a_suspension_before_the_activation_or_after_the_close_moves_nothing() -> None:
    days = [(D(2025, 12, 1), D(2025, 12, 31)), (D(2026, 2, 1), D(2026, 3, 1))]
    assert last_day("10d", D(2026, 1, 1), days=days) == D(2026, 1, 11)


def test_look_back_parts_never_move() -> None:
    assert last_day("-5d", D(2026, 1, 20), begin="-30d", days=[(D(2026, 1, 1), D(2026, 1, 31))]) == D(2026, 1, 15)


def test_an_endless_window_has_no_close_and_dates_beyond_the_calendar_neither() -> None:
    window = Window(start=parse_duration("0d"), end=parse_duration("9999y"))
    close = close_of(window, 0, 719163, PARIS)
    assert moment_of(close.instant) is None
    assert moment_of(close_of(Window(start=MINUS_INF, end=INF), 0, 719163, PARIS).instant) is None


# Traps of time, each by its name.


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-10", 24)], ids=["spring", "autumn", "summer"]
)
def test_trap_a_day_has_23_or_25_hours_when_clocks_change(day: str, hours: int) -> None:
    """A day ends at midnight, whatever its hours; a duration in hours has that many, whatever the clock shows."""
    rule = require(within={"from": "0d", "to": "0d"})
    found = only(judged([fact("a", "diagnosis", f"{day} 00:30")], "2026-12-01", rule))
    assert found.open is not None
    assert found.close is not None
    assert found.close - found.open == timedelta(hours=hours)
    exact = require(within={"from": "0h", "to": f"{hours}h"})
    found = only(judged([fact("a", "diagnosis", f"{day} 00:00")], "2026-12-01", exact))
    midnight = local(f"{D.fromisoformat(day) + timedelta(days=1)} 00:00")
    assert found.close == midnight + timedelta(microseconds=1)


def test_trap_an_hour_that_comes_twice_is_two_hours() -> None:
    """At 03:00 of 25 October clocks go back to 02:00: 02:30 shows twice, an hour apart."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS.tz)
    assert first.replace(fold=1).astimezone(UTC) - first.astimezone(UTC) == timedelta(hours=1)
    day = PARIS.day_of(instant_of(first))
    assert day == PARIS.day_of(instant_of(first.replace(fold=1))) == D(2026, 10, 25).toordinal()


def test_trap_sixty_local_days_are_not_so_many_utc_seconds() -> None:
    """57 answers on the last evening allowed: none is late, though counting seconds would call many so."""
    sixty, late_by_the_second = timedelta(days=60), 0
    rule = require(expect={"on": "referral"}, within={"from": "0d", "to": "60d"})
    for week in range(57):
        day = D(2025, 1, 6) + timedelta(days=7 * week)
        asked, answered = f"{day} {8 + week % 10:02}:00", f"{day + sixty} 23:{week:02}"
        late_by_the_second += local(answered) - local(asked) > sixty
        facts = [fact("a", "diagnosis", asked), fact("b", "referral", answered)]
        assert only(judged(facts, "2026-12-01", rule)).status is Status.SATISFIED
    assert late_by_the_second > 19


def test_trap_local_midnight_is_not_that_of_utc() -> None:
    """00:30 of the 31st day in Paris is still the 30th in UTC, and it is late."""
    rule = require(expect={"on": "referral"})
    facts = [fact("a", "diagnosis", "2026-07-01"), fact("b", "referral", "2026-08-01 00:30")]
    assert local("2026-08-01 00:30").date() == D(2026, 7, 31)
    assert only(judged(facts, "2026-12-01", rule)).status is Status.VIOLATED_LATE


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (D(2024, 2, 29), "1y", D(2025, 2, 28)),
        (D(2024, 2, 29), "12m", D(2025, 2, 28)),
        (D(2024, 2, 29), "4y", D(2028, 2, 29)),
        (D(2023, 2, 28), "1y", D(2024, 2, 28)),
        (D(2096, 2, 29), "4y", D(2100, 2, 28)),
    ],
)
def test_trap_29_february(start: D, end: str, expected: D) -> None:
    assert last_day(end, start) == expected


def test_trap_31_january_and_a_month() -> None:
    assert last_day("1m", D(2026, 1, 31)) == D(2026, 2, 28)
    assert last_day("1m", D(2028, 1, 31)) == D(2028, 2, 29)
    # Two months are not twice one month: the number is that of the start.
    assert last_day("2m", D(2026, 1, 31)) == D(2026, 3, 31)


@pytest.mark.parametrize(
    ("territory", "start", "expected"),
    [
        ("FR-34", D(2026, 11, 20), D(2026, 12, 21)),  # 20 December is a Sunday.
        ("FR-974", D(2026, 11, 20), D(2026, 12, 21)),
        ("FR-34", D(2027, 11, 20), D(2027, 12, 20)),  # A Monday, and the abolition of slavery in La Réunion.
        ("FR-974", D(2027, 11, 20), D(2027, 12, 21)),
        ("FR-34", D(2026, 3, 3), D(2026, 4, 3)),  # Good Friday, worked in Montpellier …
        ("FR-67", D(2026, 3, 3), D(2026, 4, 7)),  # … and not in Strasbourg, nor the Monday after Easter.
    ],
)
def test_trap_a_holiday_on_the_last_day(territory: str, start: D, expected: D) -> None:
    calendar, day = Calendars().of(territory), start.toordinal()
    window = Window(start=parse_duration("0d"), end=parse_duration("1m"), roll=True)
    close = close_of(window, calendar.midnights[day], day, calendar)
    assert close.last_day == expected.toordinal()
    assert close.instant == calendar.midnights[expected.toordinal() + 1]


@pytest.mark.parametrize(
    ("territory", "hours"), [("FR-971", -4), ("FR-974", 4), ("FR-988", 11), ("FR-987", -10), ("FR-986", 12)]
)
def test_trap_overseas_days_end_hours_apart(territory: str, hours: int) -> None:
    """The same thirty days end when the place's own clock says midnight."""
    found = only(judged([fact("a", "diagnosis", "2026-07-01", territory=territory)], "2026-12-01", require()))
    assert found.close == datetime(2026, 8, 1, tzinfo=UTC) - timedelta(hours=hours)


def test_trap_a_move_in_mid_window_keeps_zone_and_holidays_of_the_activation() -> None:
    """Asked in La Réunion, whose 20 December is a holiday; answered from Paris, where it is worked."""
    rule = require(expect={"on": "referral"}, within={"from": "0bd", "to": "1bd"})
    asked = fact("a", "diagnosis", "2027-12-17", territory="FR-974")
    moved = fact("m", "relocation", "2027-12-18", territory="FR-75")
    answered = fact("b", "referral", "2027-12-21 20:30", territory="FR-75")  # 23:30 in La Réunion.
    found = only(judged([asked, moved, answered], "2028-02-01", rule))
    assert (found.status, found.territory) == (Status.SATISFIED, "FR-974")
    assert found.close == local("2027-12-22 00:00", "Indian/Reunion")
    assert found.calendar == Calendars().of("FR-974").version
    later = fact("b", "referral", "2027-12-21 21:30", territory="FR-75")  # Still the 21st in Paris only.
    assert only(judged([asked, moved, later], "2028-02-01", rule)).status is Status.VIOLATED_LATE


def test_ranges_that_touch_are_one() -> None:
    assert merge([(5, 7), (1, 2), (3, 4), (10, 12), (6, 8)]) == [(1, 8), (10, 12)]


@pytest.mark.parametrize(
    ("span", "text"),
    [(0, "PT0S"), (25 * 3600 * 10**6, "PT25H"), (5_400 * 10**6, "PT1H30M"), (1, "PT0.000001S"), (61 * 10**6, "PT1M1S")],
)
def test_exact_spans_are_written_in_iso_8601(span: int, text: str) -> None:
    assert iso_duration(span) == text
