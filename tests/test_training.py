"""Trainings: how each state follows another, and what their dates become."""

from datetime import date, timedelta

import pytest

from domain.dates import EndsBeforeStart, ImplausibleDate, NotYetHappened
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, OutOfOrder, UnknownEntry
from domain.referral import RequestReferral
from domain.themes import UnknownTheme
from domain.training import NEXT, MoveTraining, RecordTraining, TrainingKind, TrainingMoved, TrainingRecorded
from domain.training import TrainingStatus as S
from tests.support.pathways import MISSION_LOCALE, TODAY, Scenario, ago, an_id, given

THEME, HEALTH = "se-former--trouver-sa-formation", "sante--acces-aux-soins"
TRAINING = an_id("training")
SOON, LATER = TODAY + timedelta(days=5), TODAY + timedelta(days=90)
WAYS: dict[S, tuple[S, ...]] = {
    S.PROPOSED: (),
    S.ENROLLED: (S.ENROLLED,),
    S.STARTED: (S.STARTED,),
    S.COMPLETED: (S.STARTED, S.COMPLETED),
    S.ABANDONED: (S.ABANDONED,),
}


def proposed(start: date = SOON, end: date | None = LATER) -> RecordTraining:
    return RecordTraining(theme=THEME, kind=TrainingKind.LANGUAGE, start=start, end=end, id=TRAINING)


def moved(status: S, on: date | None = None) -> MoveTraining:
    return MoveTraining(training_id=TRAINING, status=status, on=on)


def training_that_is(status: S) -> Scenario:
    return given(proposed()).given(*(moved(step) for step in WAYS[status]))


def test_a_proposed_training_is_planned() -> None:
    given().when(proposed()).then_recorded(TrainingRecorded).then_fact(
        "training", theme=THEME, kind="language", start=SOON, end=LATER, state="planned", status="proposed"
    )


def test_a_training_may_be_recorded_once_it_has_started() -> None:
    given().when(RecordTraining(theme=THEME, status=S.STARTED, start=ago(4))).then_fact(
        "training", state="done", start=ago(4), end=None
    )


def test_links_are_kept() -> None:
    given(
        RecordDiagnosis(needs=(FoundNeed(theme=THEME, id=an_id("need")),)),
        RequestReferral(to_agency=MISSION_LOCALE, theme=THEME, id=an_id("referral")),
    ).when(RecordTraining(theme=THEME, start=SOON, need_id=an_id("need"), referral_id=an_id("referral"))).then_fact(
        "training", need_id=str(an_id("need")), referral_id=str(an_id("referral"))
    )


def test_a_health_theme_stands_as_its_family() -> None:
    given().when(RecordTraining(theme=HEALTH, start=SOON)).then_fact("training", theme="sante")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (RecordTraining(theme="se-former--voler", start=SOON), UnknownTheme),
        (RecordTraining(theme=THEME, start=date(9999, 1, 1)), ImplausibleDate),
        (RecordTraining(theme=THEME, start=SOON, status=S.STARTED), NotYetHappened),
        (RecordTraining(theme=THEME, start=LATER, end=SOON), EndsBeforeStart),
        (RecordTraining(theme=THEME, start=ago(9), status=S.COMPLETED), ImpossibleTransition),
        (RecordTraining(theme=THEME, start=SOON, need_id=an_id("?")), UnknownEntry),
        (RecordTraining(theme=THEME, start=SOON, referral_id=an_id("?")), UnknownEntry),
        (MoveTraining(training_id=an_id("?"), status=S.STARTED), UnknownEntry),
    ],
)
def test_a_training_is_refused(command: RecordTraining, error: type[DomainError]) -> None:
    given().when(command).then_refused(error)


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("wanted", list(S))
def test_which_state_follows_which(status: S, wanted: S) -> None:
    scenario = training_that_is(status).when(moved(wanted))
    if wanted in NEXT.get(status, ()):
        scenario.then_recorded(TrainingMoved).then_fact("training", status=wanted.value)
    else:
        scenario.then_refused(ImpossibleTransition, "/status")


def test_its_dates_become_those_on_which_it_started_and_ended() -> None:
    given(proposed(), moved(S.STARTED, ago(9)), moved(S.COMPLETED, ago(2))).when(
        RecordTraining(theme=THEME, start=SOON)
    ).then_fact("training", status="completed", start=ago(9), end=ago(2), state="done")


def test_what_never_started_is_cancelled_when_abandoned() -> None:
    given(proposed()).when(moved(S.ABANDONED)).then_fact("training", state="cancelled", start=SOON, end=LATER)


def test_what_started_ends_when_abandoned() -> None:
    given(proposed(), moved(S.STARTED, ago(9))).when(moved(S.ABANDONED, ago(3))).then_fact(
        "training", state="done", start=ago(9), end=ago(3), status="abandoned"
    )


def test_a_planned_end_before_a_late_start_is_forgotten() -> None:
    given(proposed(ago(40), ago(10))).when(moved(S.STARTED, ago(5))).then_fact("training", start=ago(5), end=None)


def test_a_training_does_not_end_before_it_started() -> None:
    given(proposed(), moved(S.STARTED, ago(9))).when(moved(S.COMPLETED, ago(10))).then_refused(OutOfOrder, "/on")


def test_a_training_recorded_as_started_does_not_end_before() -> None:
    given(RecordTraining(theme=THEME, status=S.STARTED, start=ago(4), id=TRAINING)).when(
        moved(S.COMPLETED, ago(5))
    ).then_refused(OutOfOrder, "/on")


def test_nothing_starts_tomorrow() -> None:
    given(proposed()).when(moved(S.STARTED, SOON)).then_refused(NotYetHappened, "/on")
