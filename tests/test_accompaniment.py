"""Accompaniments: planned, started, ended, cancelled."""

from datetime import date, timedelta

import pytest

from domain.accompaniment import AccompanimentKind as K
from domain.accompaniment import AccompanimentMoved, AccompanimentRecorded, MoveAccompaniment, RecordAccompaniment
from domain.accompaniment import AccompanimentStatus as S
from domain.correction import RetractEntry
from domain.dates import EndsBeforeStart, ImplausibleDate, NotYetHappened
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, OutOfOrder, UnknownEntry
from domain.referral import RequestReferral
from tests.support.pathways import CCAS, SIAO, TODAY, ago, an_id, given

SOON = TODAY + timedelta(days=5)
ACCOMPANIMENT = an_id("accompaniment")


def planned() -> RecordAccompaniment:
    return RecordAccompaniment(kind=K.HOUSING, start=SOON, planned=True, id=ACCOMPANIMENT)


def started() -> RecordAccompaniment:
    return RecordAccompaniment(kind=K.SOCIO_PROFESSIONAL, start=ago(30), end=SOON, id=ACCOMPANIMENT)


def moved(status: S, on: date | None = None) -> MoveAccompaniment:
    return MoveAccompaniment(accompaniment_id=ACCOMPANIMENT, status=status, on=on)


def test_an_accompaniment_lasts() -> None:
    given().when(started()).then_recorded(AccompanimentRecorded).then_fact(
        "accompaniment", kind="socio_professional", start=ago(30), end=SOON, state="done", status="started"
    )


def test_whoever_walks_along_takes_part() -> None:
    given().when(started(), by=SIAO).then_participants(CCAS, SIAO).when(
        RetractEntry(entry_id=ACCOMPANIMENT), by=SIAO
    ).then_participants(CCAS)


def test_it_may_answer_a_referral() -> None:
    given(RequestReferral(to_agency=CCAS, theme="famille--soutien-aidants", id=an_id("referral"))).when(
        RecordAccompaniment(kind=K.FAMILY, start=TODAY, referral_id=an_id("referral"))
    ).then_fact("accompaniment", referral_id=str(an_id("referral")), end=None)


def test_a_planned_one_starts_when_it_starts() -> None:
    given(planned()).when(moved(S.STARTED, ago(2))).then_recorded(AccompanimentMoved).then_fact(
        "accompaniment", state="done", start=ago(2)
    )


def test_a_planned_one_may_be_cancelled() -> None:
    given(planned()).when(moved(S.CANCELLED)).then_fact("accompaniment", state="cancelled", start=SOON)


def test_a_started_one_ends_when_it_ends() -> None:
    given(started()).when(moved(S.ENDED, ago(1))).then_fact("accompaniment", end=ago(1), status="ended")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (RecordAccompaniment(kind=K.HEALTH, start=SOON), NotYetHappened),
        (RecordAccompaniment(kind=K.HEALTH, start=date(9999, 1, 1), planned=True), ImplausibleDate),
        (RecordAccompaniment(kind=K.HEALTH, start=ago(1), end=ago(2)), EndsBeforeStart),
        (RecordAccompaniment(kind=K.HEALTH, start=ago(1), referral_id=an_id("?")), UnknownEntry),
        (RecordAccompaniment(kind=K.HEALTH, start=ago(1), need_id=an_id("?")), UnknownEntry),
        (MoveAccompaniment(accompaniment_id=an_id("?"), status=S.ENDED), UnknownEntry),
        (moved(S.STARTED), ImpossibleTransition),
        (moved(S.CANCELLED), ImpossibleTransition),
        (moved(S.ENDED, ago(31)), OutOfOrder),
        (moved(S.ENDED, SOON), NotYetHappened),
    ],
)
def test_an_accompaniment_is_refused(command: RecordAccompaniment, error: type[DomainError]) -> None:
    given(started()).when(command).then_refused(error)
