"""Contacts, to the day or to the minute."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain.contact import Channel, ContactRecorded, OneDateOnly, RecordContact
from domain.dates import BeforeBirth, ImplausibleDate, NotYetHappened
from domain.errors import DomainError
from tests.support.pathways import NOW, TODAY, ago, an_id, given


def test_a_contact_of_today() -> None:
    given().when(RecordContact(channel=Channel.PHONE)).then_recorded(ContactRecorded).then_fact(
        "contact", channel="phone", start=TODAY, end=TODAY, precision="day", state="done"
    )


def test_a_contact_to_the_minute_is_kept_in_utc() -> None:
    paris = datetime(2026, 3, 9, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    given().when(RecordContact(channel=Channel.VIDEO, at=paris)).then_fact(
        "contact", start=datetime(2026, 3, 9, 9, 30, tzinfo=UTC), precision="minute"
    )


def test_an_attempt_that_failed_is_no_contact() -> None:
    given().when(RecordContact(channel=Channel.PHONE, reached=False)).then_fact(
        "contact", state="no_show", reached=False
    )


def test_a_partner_s_clock_may_be_a_little_ahead() -> None:
    given().when(RecordContact(channel=Channel.PHONE, at=NOW + timedelta(minutes=4))).then_fact("contact")


LAST_INSTANT = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(-timedelta(hours=12)))
FIRST_INSTANT = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=12)))


@pytest.mark.parametrize(
    ("command", "error", "field"),
    [
        (RecordContact(channel=Channel.PHONE, on=TODAY, at=NOW), OneDateOnly, "/at"),
        (RecordContact(channel=Channel.PHONE, on=TODAY + timedelta(days=1)), NotYetHappened, "/on"),
        (RecordContact(channel=Channel.PHONE, at=NOW + timedelta(minutes=6)), NotYetHappened, "/at"),
        (RecordContact(channel=Channel.PHONE, on=date(1990, 1, 1)), BeforeBirth, "/on"),
        (RecordContact(channel=Channel.PHONE, at=LAST_INSTANT), ImplausibleDate, "/at"),
        (RecordContact(channel=Channel.PHONE, at=FIRST_INSTANT), ImplausibleDate, "/at"),
    ],
)
def test_a_contact_is_refused(command: RecordContact, error: type[DomainError], field: str) -> None:
    given().when(command).then_refused(error, field)


def test_an_id_chosen_by_the_caller_is_kept() -> None:
    given().when(RecordContact(channel=Channel.LETTER, on=ago(2), id=an_id("letter"))).then_fact(
        "contact", fact_id=str(an_id("letter"))
    )
