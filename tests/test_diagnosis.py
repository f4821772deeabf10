"""Diagnoses and the needs they find."""

from datetime import date, timedelta
from uuid import UUID

import pytest

from domain.closure import ClosePathway, ClosureOutcome
from domain.dates import BeforeBirth, EndsBeforeStart, ImplausibleDate, NotYetHappened
from domain.diagnosis import DiagnosisRecorded, FoundNeed, NeedWithdrawn, RecordDiagnosis, SaidTwice, WithdrawNeed
from domain.errors import DomainError
from domain.needs import NeedNotActive
from domain.pathway import EntryExists, NotYours, OutOfOrder, PathwayClosed, UnknownEntry
from domain.referral import ReferralMoved, RequestReferral
from domain.themes import UnknownTheme
from tests.support.pathways import CCAS, MISSION_LOCALE, TODAY, Scenario, ago, an_id, given

TRAINING, HOUSING, HEALTH = (
    "se-former--trouver-sa-formation",
    "logement-hebergement--louer-un-logement",
    "sante--sante-mentale",
)
TOMORROW = TODAY + timedelta(days=1)


def found(theme: str, name: str | None = None) -> FoundNeed:
    return FoundNeed(theme=theme, id=an_id(name or theme))


def diagnosed(*needs: FoundNeed, on: date = TODAY, replaces: tuple[UUID, ...] = ()) -> RecordDiagnosis:
    return RecordDiagnosis(needs=needs, on=on, replaces=replaces, id=an_id(f"diagnosis {on} {replaces}"))


def with_training_need() -> Scenario:
    return given(diagnosed(found(TRAINING), on=ago(20)))


def test_each_need_is_a_fact() -> None:
    given().when(RecordDiagnosis(needs=(found(TRAINING), found(HOUSING)), valid_until=TODAY)).then_recorded(
        DiagnosisRecorded
    ).then_fact(
        "diagnosis",
        fact_id=str(an_id(TRAINING)),
        needs=["training"],
        theme=TRAINING,
        family="se-former",
        kind="training",
        valid_until="2026-03-10",
        status="active",
    ).then_fact("diagnosis", needs=["housing"], theme=HOUSING)


def test_a_health_need_stands_as_its_family_only() -> None:
    scenario = given().when(diagnosed(found(HEALTH))).then_fact("diagnosis", theme="sante", needs=["health"])
    (event,) = scenario.new
    assert isinstance(event, DiagnosisRecorded)
    assert [need.theme for need in event.needs] == ["sante"]
    assert isinstance(event.health_needs, tuple)
    assert [need.theme for need in event.health_needs] == [HEALTH]


def test_a_diagnosis_without_needs_is_one_fact() -> None:
    given().when(diagnosed()).then_fact("diagnosis", needs=[])


@pytest.mark.parametrize(
    ("command", "error", "field"),
    [
        (diagnosed(FoundNeed(theme="se-former--voler")), UnknownTheme, "/needs/0/theme"),
        (diagnosed(found(TRAINING), found(TRAINING, "again")), SaidTwice, "/needs/1"),
        (diagnosed(found(TRAINING), found(HOUSING, TRAINING)), SaidTwice, "/needs/1"),
        (diagnosed(on=TOMORROW), NotYetHappened, "/on"),
        (diagnosed(on=date(1985, 1, 1)), BeforeBirth, "/on"),
        (RecordDiagnosis(valid_until=ago(1)), EndsBeforeStart, "/valid_until"),
        (RecordDiagnosis(valid_until=date(9999, 1, 1)), ImplausibleDate, "/valid_until"),
        (diagnosed(replaces=(an_id("nothing"),)), UnknownEntry, None),
    ],
)
def test_a_diagnosis_is_refused(command: RecordDiagnosis, error: type[DomainError], field: str | None) -> None:
    given().when(command).then_refused(error, field)


def test_an_id_is_taken_once() -> None:
    with_training_need().when(diagnosed(found(TRAINING))).then_refused(EntryExists, "/id")


def test_a_revision_replaces_needs() -> None:
    with_training_need().when(diagnosed(found(HOUSING), replaces=(an_id(TRAINING),))).then_fact(
        "diagnosis", theme=TRAINING, status="replaced", state="cancelled"
    ).then_fact("diagnosis", theme=HOUSING, status="active", state="done")


def test_a_need_is_replaced_once_and_not_before_it_was_found() -> None:
    twice = (an_id(TRAINING), an_id(TRAINING))
    with_training_need().when(diagnosed(replaces=twice)).then_refused(SaidTwice, "/replaces").when(
        diagnosed(on=ago(21), replaces=(an_id(TRAINING),))
    ).then_refused(OutOfOrder, "/on").given(diagnosed(replaces=(an_id(TRAINING),))).when(
        RecordDiagnosis(replaces=(an_id(TRAINING),))
    ).then_refused(NeedNotActive, "/replaces/0")


def test_a_withdrawn_need_is_said_so() -> None:
    with_training_need().when(WithdrawNeed(need_id=an_id(TRAINING), on=ago(2))).then_recorded(NeedWithdrawn).then_fact(
        "need_withdrawn", theme=TRAINING, kind="training", start=ago(2)
    ).then_fact("diagnosis", status="withdrawn", state="done")


def test_withdrawing_a_need_supersedes_the_pending_request_that_answers_it() -> None:
    """A late answer to a moot request would hit somebody who no longer asks."""
    request = RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, need_id=an_id(TRAINING), on=ago(5))
    with_training_need().given(request).when(WithdrawNeed(need_id=an_id(TRAINING))).then_recorded(
        NeedWithdrawn, ReferralMoved
    ).then_fact("referral", status="cancelled", superseded=True)


def test_only_its_finder_or_the_referent_withdraws_a_need() -> None:
    request = RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING)
    with_training_need().given(request).when(WithdrawNeed(need_id=an_id(TRAINING)), by=MISSION_LOCALE).then_refused(
        NotYours
    )


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (WithdrawNeed(need_id=an_id("nothing")), UnknownEntry),
        (WithdrawNeed(need_id=an_id(TRAINING), on=TOMORROW), NotYetHappened),
        (WithdrawNeed(need_id=an_id(TRAINING), on=ago(21)), OutOfOrder),
    ],
)
def test_a_withdrawal_is_refused(command: WithdrawNeed, error: type[DomainError]) -> None:
    with_training_need().when(command).then_refused(error)


def test_a_diagnosis_that_found_nothing_has_no_need_to_withdraw() -> None:
    given(RecordDiagnosis(id=an_id("empty"))).when(WithdrawNeed(need_id=an_id("empty"))).then_refused(UnknownEntry)


def test_a_need_is_withdrawn_once() -> None:
    with_training_need().given(WithdrawNeed(need_id=an_id(TRAINING))).when(
        WithdrawNeed(need_id=an_id(TRAINING))
    ).then_refused(NeedNotActive)


def test_a_closed_pathway_takes_no_diagnosis() -> None:
    with_training_need().given(ClosePathway(outcome=ClosureOutcome.OTHER), by=CCAS).when(diagnosed()).then_refused(
        PathwayClosed
    ).when(WithdrawNeed(need_id=an_id(TRAINING))).then_refused(PathwayClosed)
