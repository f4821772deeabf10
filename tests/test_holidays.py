"""Public holidays: the table is what the texts say, and differs from a well-kept package only where we know why."""

from datetime import date, timedelta

import pytest

from domain.rules import holidays
from domain.rules.holidays import NATIONAL, TERRITORIES, YEARS, days_off, easter_sunday
from tests.support import holiday_table

SUBDIVISION_OF = {
    NATIONAL: None,
    "FR-57": "57",
    "FR-67": "6AE",
    "FR-68": "6AE",
    "FR-971": "971",
    "FR-972": "972",
    "FR-973": "973",
    "FR-974": "974",
    "FR-975": "PM",
    "FR-976": "976",
    "FR-977": "BL",
    "FR-978": "MF",
    "FR-986": "WF",
    "FR-987": "PF",
    "FR-988": "NC",
}
"""As the package spells them."""


def by_the_package(territory: str, year: int) -> set[date]:
    package = pytest.importorskip("holidays", reason="the holidays package comes with the bench group")
    return set(package.country_holidays("FR", subdiv=SUBDIVISION_OF[territory], years=year))


def by_us(territory: str, year: int) -> set[date]:
    return {date.fromordinal(day) for day in days_off(territory, year)}


def customs(territory: str, year: int) -> set[date]:
    """Days that the package lists and no text makes a public holiday."""
    easter = easter_sunday(year)
    match territory:
        case "FR-971":
            return {easter - timedelta(days=24), easter - timedelta(days=2), date(year, 7, 21)}
        case "FR-972" | "FR-978":
            return {date(year, 7, 21)}
    return set()


def corrections(territory: str, year: int) -> tuple[set[date], set[date]]:
    """Days that the package has wrong: what it should not list, and what it should."""
    if territory == "FR-978" and year <= 2017:
        return {date(year, 5, 28)}, {date(year, 5, 27)}
    if territory == "FR-987" and year == 2025:
        return {date(2025, 11, 20)}, {date(2025, 6, 29)}
    return set(), set()


@pytest.mark.parametrize("territory", SUBDIVISION_OF)
def test_holidays_are_those_of_the_package_but_for_customs_and_known_mistakes(territory: str) -> None:
    for year in YEARS:
        wrong, missing = corrections(territory, year)
        listed = by_the_package(territory, year)
        assert wrong <= listed
        assert not missing & listed
        assert by_us(territory, year) == (listed - customs(territory, year) - wrong) | missing, year


def test_the_table_decides_for_the_years_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    decreed = holidays.Holiday(date(2026, 6, 12), "FR-34", "Jour décrété", "Day decreed")
    monkeypatch.setattr(holidays, "_table", lambda: {2026: (decreed,)})
    assert days_off.__wrapped__("FR-34", 2026) == {decreed.date.toordinal()}
    assert days_off.__wrapped__("FR-34", 2027) == days_off(NATIONAL, 2027)


def test_years_around_the_table_follow_the_texts_in_force_at_its_edges() -> None:
    for year in (1990, 2004, 2014, 2036, 2050, 2099):
        assert by_us(NATIONAL, year) == by_the_package(NATIONAL, year), year
    assert date(2014, 5, 27) in by_us("FR-978", 2014)
    assert date(2036, 11, 20) in by_us("FR-987", 2036)


def test_the_country_has_eleven_holidays_a_year_and_each_territory_these_too() -> None:
    for year in YEARS:
        assert len(by_us(NATIONAL, year)) == 11
        assert all(by_us(territory, year) >= by_us(NATIONAL, year) for territory in TERRITORIES)


@pytest.mark.parametrize(
    ("territory", "month", "day"),
    [
        ("FR-971", 5, 27),
        ("FR-972", 5, 22),
        ("FR-973", 6, 10),
        ("FR-974", 12, 20),
        ("FR-976", 4, 27),
        ("FR-977", 10, 9),
        ("FR-978", 5, 28),
    ],
)
def test_the_abolition_of_slavery_is_a_holiday_where_it_is_remembered(territory: str, month: int, day: int) -> None:
    for year in range(2018, YEARS.stop):
        assert by_us(territory, year) == by_us(NATIONAL, year) | {date(year, month, day)}


def test_good_friday_and_saint_stephen_are_holidays_in_alsace_and_moselle() -> None:
    for territory in ("FR-57", "FR-67", "FR-68"):
        assert by_us(territory, 2026) - by_us(NATIONAL, 2026) == {date(2026, 4, 3), date(2026, 12, 26)}


def test_custom_makes_no_holiday_in_guadeloupe() -> None:
    assert by_us("FR-971", 2026).isdisjoint({date(2026, 3, 12), date(2026, 4, 3), date(2026, 7, 21)})


def test_polynesia_changed_its_holiday_in_2026_and_saint_martin_its_date_in_2018() -> None:
    polynesian = {year: by_us("FR-987", year) & {date(year, 6, 29), date(year, 11, 20)} for year in (2025, 2026)}
    assert polynesian == {2025: {date(2025, 6, 29)}, 2026: {date(2026, 11, 20)}}
    assert date(2017, 5, 27) in by_us("FR-978", 2017)
    assert date(2018, 5, 27) not in by_us("FR-978", 2018)


@pytest.mark.parametrize(
    ("year", "easter"), [(1961, date(1961, 4, 2)), (2000, date(2000, 4, 23)), (2008, date(2008, 3, 23))]
)
def test_easter_is_the_sunday_after_the_first_moon_of_spring(year: int, easter: date) -> None:
    assert easter_sunday(year) == easter


def test_easter_is_never_out_of_its_five_weeks() -> None:
    for year in range(1583, 2300):
        assert date(year, 3, 22) <= easter_sunday(year) <= date(year, 4, 25)
        assert easter_sunday(year).isoweekday() == 7


def test_the_table_is_what_its_texts_say() -> None:
    """When this fails on purpose: python -m tests.support.holiday_table."""
    assert holiday_table.TABLE.read_text("utf-8") == holiday_table.table()


def test_the_page_lists_the_territories_zones_holidays_and_versions_in_force() -> None:
    """When this fails on purpose: python -m tests.support.holiday_table."""
    known = holiday_table.PAGE.read_text("utf-8")
    assert known == holiday_table.page(known)
