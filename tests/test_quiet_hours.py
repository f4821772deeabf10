"""When an agency may be written to: its days, its hours, its territory's holidays and changes of time."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quiet_hours import DigestInQuietHours, WritingHours, may_write, next_digest, not_before
from domain.rules.calendars import Calendars

CALENDAR = Calendars().of("FR-34")
USUAL = WritingHours()


def local(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CALENDAR.tz, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("after", "digest"),
    [
        ("2026-03-03T07:59", "2026-03-03T08:00"),  # The same day.
        ("2026-03-03T08:00", "2026-03-04T08:00"),  # That one is over.
        ("2026-03-06T09:00", "2026-03-09T08:00"),  # A Friday.
        ("2026-04-30T09:00", "2026-05-04T08:00"),  # The first of May is a holiday, then a weekend.
        ("2026-03-28T20:00", "2026-03-30T08:00"),  # The night of summer time.
        ("2026-10-24T20:00", "2026-10-26T08:00"),  # And of winter time.
    ],
)
def test_the_digest_comes_at_its_hour_on_the_next_day_worked(after: str, digest: str) -> None:
    assert next_digest(USUAL, CALENDAR, local(after)) == local(digest)


def test_an_agency_that_works_on_sundays_has_its_digest_then() -> None:
    hours = WritingHours(days=(7,), quiet_from=0, quiet_until=0, digest_hour=2)
    assert next_digest(hours, CALENDAR, local("2026-03-28T12:00")) == local("2026-03-29T03:00"), (
        "two o'clock is left out"
    )
    assert next_digest(hours, CALENDAR, local("2026-10-24T12:00")) == local("2026-10-25T02:00"), "the first of the two"
    assert next_digest(hours, CALENDAR, local("2026-10-25T02:00")) == local("2026-11-08T02:00"), (
        "All Saints is a Sunday"
    )


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-03-03T08:00", "2026-03-03T08:00"),
        ("2026-03-03T18:59", "2026-03-03T18:59"),
        ("2026-03-03T19:00", "2026-03-04T08:00"),
        ("2026-03-03T07:59", "2026-03-03T08:00"),
        ("2026-03-06T22:00", "2026-03-09T08:00"),
        ("2026-04-30T23:00", "2026-05-04T08:00"),
    ],
)
def test_what_is_not_urgent_waits_for_the_end_of_the_quiet_hours(at: str, allowed: str) -> None:
    assert not_before(USUAL, CALENDAR, local(at)) == local(allowed)


def test_quiet_hours_may_lie_within_a_day_or_not_be_at_all() -> None:
    noon = WritingHours(quiet_from=12, quiet_until=14)
    assert not_before(noon, CALENDAR, local("2026-03-03T13:30")) == local("2026-03-03T14:00")
    assert may_write(WritingHours(quiet_from=5, quiet_until=5), CALENDAR, local("2026-03-03T05:30"))


def test_a_digest_in_the_quiet_hours_is_refused() -> None:
    with pytest.raises(DigestInQuietHours):
        WritingHours(digest_hour=20).check()
    WritingHours(digest_hour=8).check()


HOURS = st.builds(
    WritingHours,
    digest_hour=st.integers(0, 23),
    quiet_from=st.integers(0, 23),
    quiet_until=st.integers(0, 23),
    days=st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
)
MOMENTS = st.integers(0, 1_000_000).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


@given(HOURS, MOMENTS)
def test_waiting_ends_at_a_moment_when_writing_is_allowed_and_no_later_than_needed(
    hours: WritingHours, at: datetime
) -> None:
    allowed = not_before(hours, CALENDAR, at)
    assert may_write(hours, CALENDAR, allowed)
    assert allowed == at or not may_write(hours, CALENDAR, allowed - timedelta(minutes=1))
    assert not_before(hours, CALENDAR, allowed) == allowed


@given(HOURS, MOMENTS)
def test_there_is_one_digest_a_day_and_none_is_left_out(hours: WritingHours, at: datetime) -> None:
    first = next_digest(hours, CALENDAR, at)
    second = next_digest(hours, CALENDAR, first)
    days = [each.astimezone(CALENDAR.tz).date() for each in (first, second)]
    assert at < first < second
    assert days[0] < days[1]
    between = [days[0] + timedelta(days=n) for n in range(1, (days[1] - days[0]).days)]
    assert not any(_is_worked(hours, day) for day in between)


def _is_worked(hours: WritingHours, day: date) -> bool:
    return day.isoweekday() in hours.days and not CALENDAR.is_holiday(day.toordinal())
