from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rules.calendars import OVERSEAS_ZONES, Calendars, UnknownTimeZone
from domain.rules.holidays import EXTRA_DAYS, NATIONAL_DAYS, holidays_of
from domain.rules.instants import DAY, HOUR, instant_of

CUSTOMS_NOT_LAW = {"Good Friday", "Mi-Careme", "Victor Schoelcher Day"}
"""Days that the package lists for the Antilles and that no text makes a public holiday there."""
YEARS = range(2015, 2036)
SUBDIVISION_OF = {
    "FR-57": "57",
    "FR-67": "6AE",
    "FR-68": "6AE",
    "FR-971": "971",
    "FR-972": "972",
    "FR-973": "973",
    "FR-974": "974",
    "FR-976": "976",
}


def test_there_are_eleven_national_holidays_a_year() -> None:
    assert len(NATIONAL_DAYS) == 8
    assert {len(holidays_of(year)) for year in YEARS} == {11}


def test_national_holidays_are_those_of_the_holidays_package() -> None:
    package = pytest.importorskip("holidays", reason="the holidays package comes with the bench group")
    for year in YEARS:
        assert holidays_of(year) == {day.toordinal() for day in package.country_holidays("FR", years=year)}


@pytest.mark.parametrize("territory", sorted(EXTRA_DAYS))
def test_territorial_holidays_are_those_of_the_holidays_package_save_customs(territory: str) -> None:
    package = pytest.importorskip("holidays", reason="the holidays package comes with the bench group")
    for year in YEARS:
        listed = package.country_holidays("FR", subdiv=SUBDIVISION_OF[territory], years=year, language="en_US")
        customs = CUSTOMS_NOT_LAW if territory in ("FR-971", "FR-972") else set()
        expected = {day.toordinal() for day, name in listed.items() if name not in customs}
        assert holidays_of(year, EXTRA_DAYS[territory]) == expected, year


def test_good_friday_and_the_second_day_of_christmas_are_off_in_alsace_moselle_only() -> None:
    calendars = Calendars()
    good_friday, second_day = date(2026, 4, 3).toordinal(), date(2025, 12, 26).toordinal()
    assert not calendars.of("FR-67").is_working(good_friday)
    assert not calendars.of("FR-57").is_working(second_day)
    assert calendars.of("FR-34").is_working(good_friday)
    assert calendars.of("FR-34").is_working(second_day)


@pytest.mark.parametrize(
    ("territory", "day"),
    [
        ("FR-971", date(2026, 5, 27)),
        ("FR-972", date(2026, 5, 22)),
        ("FR-973", date(2026, 6, 10)),
        ("FR-974", date(2027, 12, 20)),
        ("FR-976", date(2026, 4, 27)),
    ],
)
def test_the_abolition_of_slavery_is_a_holiday_where_it_is_remembered(territory: str, day: date) -> None:
    assert not Calendars().of(territory).is_working(day.toordinal())
    assert Calendars().of("FR-34").is_working(day.toordinal())


@pytest.mark.parametrize(
    ("territory", "zone"),
    [
        ("FR-34", "Europe/Paris"),
        ("FR-2A", "Europe/Paris"),
        ("FR-67", "Europe/Paris"),
        ("FR-75C", "Europe/Paris"),
        ("FR-34-HERAULT", "Europe/Paris"),
        ("FR-974", "Indian/Reunion"),
        ("BE-WLG", "Pacific/Noumea"),
        ("elsewhere", "Pacific/Noumea"),
        (None, "Pacific/Noumea"),
    ],
)
def test_the_zone_given_is_that_of_territories_without_a_zone_of_their_own(territory: str | None, zone: str) -> None:
    assert Calendars("Pacific/Noumea").of(territory).tz.key == zone


def test_mi_careme_is_a_working_day_in_guadeloupe() -> None:
    assert Calendars().of("FR-971").is_working(date(2026, 3, 12).toordinal())


def test_saturday_is_ouvrable_and_not_ouvre() -> None:
    calendar, saturday = Calendars().default, date(2026, 1, 10).toordinal()
    assert calendar.is_working(saturday, saturdays=True)
    assert not calendar.is_working(saturday)


def test_the_fifth_business_day_steps_over_weekend_and_holiday() -> None:
    calendar, thursday = Calendars().default, date(2026, 4, 2).toordinal()
    # Friday 3, Easter Monday off, Tuesday 7, Wednesday 8, Thursday 9, Friday 10.
    assert date.fromordinal(calendar.shift_working(thursday, 5)) == date(2026, 4, 10)
    assert date.fromordinal(calendar.shift_working(date(2026, 4, 10).toordinal(), -5)) == date(2026, 4, 2)


@pytest.mark.parametrize(("territory", "zone"), sorted(OVERSEAS_ZONES.items()))
def test_overseas_territories_keep_their_own_time(territory: str, zone: str) -> None:
    assert str(Calendars().of(territory).tz) == zone
    assert str(Calendars("Europe/Rome").of(territory + "-ccas").tz) == zone


def test_a_day_of_changing_clocks_has_23_or_25_hours() -> None:
    midnights = Calendars().default.midnights
    spring, autumn = date(2026, 3, 29).toordinal(), date(2026, 10, 25).toordinal()
    assert midnights[spring + 1] - midnights[spring] == 23 * HOUR
    assert midnights[autumn + 1] - midnights[autumn] == 25 * HOUR
    assert midnights[autumn + 2] - midnights[autumn + 1] == DAY


@given(
    st.datetimes(datetime(1972, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["Europe/Paris", "America/Miquelon", "Pacific/Noumea", "America/Havana", "Africa/Cairo"]),
)
def test_the_local_day_of_an_instant_is_the_one_its_clock_shows(moment: datetime, zone: str) -> None:
    calendar = Calendars(zone).default
    day = calendar.day_of(instant_of(moment))
    assert day == moment.astimezone(calendar.tz).date().toordinal()
    assert calendar.midnights[day] <= instant_of(moment) <= calendar.last_instant(day)


def test_days_beyond_the_calendar_never_come() -> None:
    midnights = Calendars().default.midnights
    assert midnights[date.max.toordinal() + 1] > midnights[date.max.toordinal()]
    assert midnights[0] < midnights[1]


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    for name in ("Europe/Nowhere", "../etc/passwd", ""):
        with pytest.raises(UnknownTimeZone):
            Calendars(name)


def test_the_next_working_day_of_a_working_day_is_itself() -> None:
    calendar = Calendars().default
    for offset in range(400):
        day = date(2026, 1, 1).toordinal() + offset
        rolled = calendar.next_working(day)
        assert calendar.is_working(rolled)
        assert (rolled == day) == calendar.is_working(day)
        assert rolled - day < timedelta(days=5).days
