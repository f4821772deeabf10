"""What a date may be."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.dates import (
    BeforeBirth,
    EndsBeforeStart,
    ImplausibleDate,
    NotYetHappened,
    must_be_ordered,
    must_be_plausible,
    must_have_happened,
)
from domain.errors import DomainError
from tests.support.pathways import BIRTH, NOW, TODAY, act_of, opened

DAY = timedelta(days=1)
ACT = act_of()


@for_all(day=st.dates())
def test_a_day_has_happened_or_is_refused_for_one_reason(day: date) -> None:
    if BIRTH <= day <= TODAY:
        assert must_have_happened(day, ACT, "/on", opened()) == day
    else:
        with pytest.raises(DomainError) as refused:
            must_have_happened(day, ACT, "/on", opened())
        assert (refused.value.status, refused.value.field) == (422, "/on")


@for_all(
    instant=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-12 * DAY / 24)]))
)
def test_an_instant_anywhere_in_the_calendar_is_refused_or_kept_in_utc(instant: datetime) -> None:
    try:
        assert must_be_plausible(instant, ACT, "/at").tzinfo is UTC
    except ImplausibleDate:
        assert instant.year < 1900 or instant.year > TODAY.year + 10


@pytest.mark.parametrize(
    ("day", "error"),
    [
        (date(1899, 12, 31), ImplausibleDate),
        (date(9999, 12, 31), ImplausibleDate),
        (date(TODAY.year + 11, 1, 1), ImplausibleDate),
        (BIRTH - DAY, BeforeBirth),
        (TODAY + DAY, NotYetHappened),
    ],
)
def test_each_refusal_has_its_reason(day: date, error: type[DomainError]) -> None:
    with pytest.raises(error):
        must_have_happened(day, ACT, "/on", opened())


def test_what_is_planned_may_lie_ten_years_ahead() -> None:
    assert must_be_plausible(date(TODAY.year + 10, 12, 31), ACT, "/on") == date(TODAY.year + 10, 12, 31)


def test_without_a_known_birth_date_only_the_calendar_limits() -> None:
    assert must_have_happened(date(1930, 1, 1), ACT, "/on", opened(birth_date=None)) == date(1930, 1, 1)


def test_the_day_of_birth_is_allowed() -> None:
    assert must_have_happened(BIRTH, ACT, "/on", opened()) == BIRTH


def test_an_end_may_equal_its_start_and_may_be_open() -> None:
    must_be_ordered(TODAY, TODAY, "/end")
    must_be_ordered(NOW, None, "/end")
    with pytest.raises(EndsBeforeStart):
        must_be_ordered(NOW, NOW - timedelta(minutes=1), "/end")
