"""Calendars: whose zone and whose days off, and which version of them."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rules import Evaluation, compile_rules, evaluate, parse_rules
from domain.rules.calendars import OVERSEAS_ZONES, Calendars, DaysChanged, UnknownTimeZone
from domain.rules.instants import DAY, HOUR, instant_of
from tests.support.rule_histories import fact, local, only, require

DECREED = date(2026, 6, 12)
"""A Friday that no text makes a holiday."""


def test_good_friday_and_the_second_day_of_christmas_are_off_in_alsace_moselle_only() -> None:
    calendars = Calendars()
    good_friday, second_day = date(2026, 4, 3).toordinal(), date(2025, 12, 26).toordinal()
    assert not calendars.of("FR-67").is_working(good_friday)
    assert not calendars.of("FR-57").is_working(second_day)
    assert calendars.of("FR-34").is_working(good_friday)
    assert calendars.of("FR-34").is_working(second_day)


@pytest.mark.parametrize(
    ("territory", "zone"),
    [
        ("FR-34", "Europe/Paris"),
        ("FR-2A", "Europe/Paris"),
        ("FR-67", "Europe/Paris"),
        ("FR-75C", "Europe/Paris"),
        ("FR-34-HERAULT", "Europe/Paris"),
        ("FR", "Europe/Paris"),
        ("FR-974", "Indian/Reunion"),
        ("BE-WLG", "Pacific/Noumea"),
        ("elsewhere", "Pacific/Noumea"),
        (None, "Pacific/Noumea"),
    ],
)
def test_the_zone_given_is_that_of_territories_without_a_zone_of_their_own(territory: str | None, zone: str) -> None:
    assert Calendars("Pacific/Noumea").of(territory).tz.key == zone


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
    assert calendar.midnights[day] <= instant_of(moment) < calendar.midnights[day + 1]


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


# Versions.


def decreed(territory: str = "FR-971", version: str = "2026-1") -> Calendars:
    return Calendars().with_days_off(territory, version, added=[DECREED])


def test_a_day_decreed_by_a_territory_is_off_there_and_nowhere_else() -> None:
    calendars, day = decreed(), DECREED.toordinal()
    assert calendars.of("FR-971").version == "FR-971@2026-1"
    assert not calendars.of("FR-971-ccas").is_working(day)
    assert not calendars.of("FR-971").is_working(day, saturdays=True)
    assert calendars.of("FR-972").is_working(day)
    assert calendars.default.is_working(day)


def test_a_change_for_one_territory_leaves_the_versions_of_the_others() -> None:
    before, after = Calendars(), decreed()
    for territory in (None, "FR-34", "FR-57", "FR-972", "BE-WLG"):
        assert after.of(territory).version == before.of(territory).version


def test_a_departement_that_shares_its_calendar_leaves_it_when_it_takes_a_day_of_its_own() -> None:
    calendars, day = decreed("FR-34"), DECREED.toordinal()
    assert not calendars.of("FR-34").is_working(day)
    assert calendars.of("FR-30").is_working(day)
    assert calendars.of("FR-34").tz.key == "Europe/Paris"


def test_a_day_given_up_is_worked_again() -> None:
    whit_monday = date(2026, 5, 25)
    calendar = Calendars().with_days_off("FR-33", "2026-1", removed=[whit_monday]).of("FR-33")
    assert calendar.is_working(whit_monday.toordinal())
    assert calendar.shift_working(whit_monday.toordinal() - 3, 1) == whit_monday.toordinal()


def test_every_version_a_territory_had_can_be_asked_again() -> None:
    shipped = Calendars().of("FR-971").version
    calendars = decreed().with_days_off("FR-971", "2026-2", removed=[DECREED])
    assert [each.version for each in calendars.versions("FR-971")] == [shipped, "FR-971@2026-1", "FR-971@2026-2"]
    off = [
        not calendars.judged_by(each.version).is_working(DECREED.toordinal()) for each in calendars.versions("FR-971")
    ]
    assert off == [False, True, False]


@pytest.mark.parametrize("territory", [None, "FR", "FR-34", "FR-67", "FR-988", "BE-WLG"])
@pytest.mark.parametrize("tz", ["Europe/Paris", "Indian/Reunion"])
def test_the_calendar_an_obligation_names_is_found(territory: str | None, tz: str) -> None:
    calendar = Calendars(tz).of(territory)
    assert Calendars(tz).judged_by(calendar.version).tz is calendar.tz


def test_a_version_that_is_not_held_is_no_calendar() -> None:
    for version in ("fr-1", "FR-971@2026-1", "", "FR@"):
        with pytest.raises(LookupError):
            Calendars().judged_by(version)


def test_no_two_calendars_share_a_version() -> None:
    territories = [None, "FR-34", "FR-57", "FR-67", "BE-WLG", *OVERSEAS_ZONES]
    for tz in ("Europe/Paris", "Indian/Reunion"):
        calendars = Calendars(tz)
        held = {id(calendars.of(territory)): calendars.of(territory).version for territory in territories}
        assert len(set(held.values())) == len(held)
    assert Calendars("Indian/Reunion").default.version != Calendars().default.version


def test_versions_are_the_same_in_another_process_and_in_any_order_of_asking() -> None:
    code = (
        "from domain.rules import Calendars; c = Calendars();"
        "print(c.of('FR-988').version, c.of('FR-34').version, c.of(None).version, c.digest)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    here = Calendars()
    mainland, digest = here.default.version, here.digest
    assert done.stdout.split() == [here.of("FR-988").version, mainland, mainland, digest]


def test_the_digest_changes_with_the_days_of_any_territory_and_with_the_zone() -> None:
    different = (Calendars(), decreed(), decreed("FR-972"), decreed(version="2026-2"), Calendars("Indian/Reunion"))
    assert len({calendars.digest for calendars in different}) == len(different)
    assert decreed().digest == decreed().digest


def test_changes_are_data_and_their_order_makes_the_last_one_in_force() -> None:
    changes = [
        DaysChanged(territory="FR-971", version="2026-1", added=(DECREED,)),
        DaysChanged(territory="FR-971-ccas", version="2026-2", removed=(DECREED,)),
    ]
    calendars = Calendars(changes=msgspec.json.decode(msgspec.json.encode(changes), type=list[DaysChanged]))
    assert calendars.of("FR-971").version == "FR-971@2026-2"
    assert calendars.digest == Calendars(changes=changes).digest


@pytest.mark.parametrize(
    ("territory", "version", "added", "removed", "sentence"),
    [
        ("Guadeloupe", "1", [DECREED], [], "is not a territory"),
        ("FR", "1", [DECREED], [], "is not a territory"),
        ("FR-971", "", [DECREED], [], "does not name a version"),
        ("FR-971", "a@b", [DECREED], [], "does not name a version"),
        ("FR-971", "1", [], [], "the same calendar as the one before"),
        ("FR-971", "1", [date(2026, 5, 27)], [], "2026-05-27 is a day off already"),
        ("FR-971", "1", [], [DECREED], "2026-06-12 is not a day off"),
        ("FR-971", "1", [DECREED], [DECREED], "2026-06-12 is not a day off"),
    ],
)
def test_a_change_that_changes_nothing_or_is_ill_named_is_refused(
    territory: str, version: str, added: list[date], removed: list[date], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Calendars().with_days_off(territory, version, added=added, removed=removed)


def test_a_version_that_was_in_force_is_never_given_other_days() -> None:
    with pytest.raises(ValueError, match="never changes"):
        decreed().with_days_off("FR-971", "2026-1", added=[date(2026, 6, 15)])


RULES = compile_rules(parse_rules([require(within={"from": "0bd", "to": "5bd"})]))
"""Compiled once: what it remembers of one calendar may not serve another."""


def judged_with(calendars: Calendars) -> Evaluation:
    diagnosis = fact("d1", "diagnosis", "2026-06-08", theme="it", territory="FR-971", tz="America/Guadeloupe")
    return evaluate([diagnosis], RULES, calendars, local("2026-07-01 00:00"))


def test_an_obligation_names_the_calendar_it_was_judged_by_and_moves_with_it() -> None:
    before, after = only(judged_with(Calendars())), only(judged_with(decreed()))
    assert (before.calendar, after.calendar) == (Calendars().of("FR-971").version, "FR-971@2026-1")
    # Five business days after Monday 8 June: Monday 15, or Tuesday 16 without the Friday.
    assert before.close == local("2026-06-16 00:00", "America/Guadeloupe")
    assert after.close == local("2026-06-17 00:00", "America/Guadeloupe")
    assert only(judged_with(Calendars())) == before
