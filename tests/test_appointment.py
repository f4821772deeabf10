"""Appointments, to the minute, and their outcomes."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.appointment import AppointmentBooked, AppointmentConcluded, BookAppointment, ConcludeAppointment, TooLong
from domain.appointment import AppointmentOutcome as Came
from domain.contact import Channel
from domain.dates import EndsBeforeStart, ImplausibleDate, NotYetHappened
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, NotYours, OutOfOrder, UnknownEntry
from domain.referral import RequestReferral
from tests.support.pathways import MISSION_LOCALE, NOW, an_id, given

APPOINTMENT, REFERRAL = an_id("appointment"), an_id("referral")
HOUR = timedelta(hours=1)
YEAR_9999 = datetime(9999, 1, 1, tzinfo=UTC)
PAST, AHEAD = NOW - timedelta(days=3), NOW + timedelta(days=3)


def booked(start: datetime = PAST, end: datetime | None = None) -> BookAppointment:
    return BookAppointment(start=start, end=end or start + HOUR, id=APPOINTMENT)


def concluded(outcome: Came, at: datetime | None = None) -> ConcludeAppointment:
    return ConcludeAppointment(appointment_id=APPOINTMENT, outcome=outcome, at=at)


def test_an_appointment_is_planned_to_the_minute() -> None:
    given(RequestReferral(to_agency=MISSION_LOCALE, theme="se-former--trouver-sa-formation", id=REFERRAL)).when(
        BookAppointment(start=AHEAD, end=AHEAD + HOUR, channel=Channel.VIDEO, referral_id=REFERRAL), by=MISSION_LOCALE
    ).then_recorded(AppointmentBooked).then_fact(
        "appointment",
        start=AHEAD,
        end=AHEAD + HOUR,
        precision="minute",
        state="planned",
        channel="video",
        referral_id=str(REFERRAL),
    )


@pytest.mark.parametrize(
    ("outcome", "state"), [(Came.PRESENT, "done"), (Came.ABSENT, "no_show"), (Came.EXCUSED, "cancelled")]
)
def test_an_outcome_is_a_fact(outcome: Came, state: str) -> None:
    given(booked()).when(concluded(outcome)).then_recorded(AppointmentConcluded).then_fact(
        "appointment", state=state, status=outcome.value, start=PAST
    ).then_fact("appointment_outcome", appointment_id=str(APPOINTMENT), outcome=outcome.value, start=NOW)


def test_a_cancelled_appointment_has_no_outcome() -> None:
    given(booked(AHEAD)).when(concluded(Came.CANCELLED)).then_fact("appointment", state="cancelled").then_no_fact(
        "appointment_outcome"
    )


def test_one_may_be_excused_beforehand() -> None:
    given(booked(AHEAD)).when(concluded(Came.EXCUSED)).then_fact("appointment", status="excused")


@pytest.mark.parametrize("outcome", [Came.PRESENT, Came.ABSENT])
def test_nobody_comes_nor_stays_away_beforehand(outcome: Came) -> None:
    given(booked(AHEAD)).when(concluded(outcome)).then_refused(OutOfOrder, "/at")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (BookAppointment(start=AHEAD, end=AHEAD - HOUR), EndsBeforeStart),
        (BookAppointment(start=AHEAD, end=AHEAD + timedelta(days=1)), TooLong),
        (
            BookAppointment(start=YEAR_9999, end=YEAR_9999),
            ImplausibleDate,
        ),
        (BookAppointment(start=AHEAD, end=AHEAD, referral_id=an_id("?")), UnknownEntry),
        (ConcludeAppointment(appointment_id=an_id("?"), outcome=Came.PRESENT), UnknownEntry),
        (concluded(Came.PRESENT, AHEAD), NotYetHappened),
    ],
)
def test_an_appointment_is_refused(command: BookAppointment, error: type[DomainError]) -> None:
    given(booked()).when(command).then_refused(error)


def test_an_outcome_is_recorded_once() -> None:
    given(booked(), concluded(Came.ABSENT)).when(concluded(Came.PRESENT)).then_refused(ImpossibleTransition, "/outcome")


def test_only_the_agency_that_booked_says_how_it_went() -> None:
    given(booked(), RequestReferral(to_agency=MISSION_LOCALE, theme="se-former--trouver-sa-formation")).when(
        concluded(Came.PRESENT), by=MISSION_LOCALE
    ).then_refused(NotYours)
