"""Correcting and retracting what was recorded."""

from datetime import date, timedelta

import pytest

from domain.accompaniment import AccompanimentKind, RecordAccompaniment
from domain.appointment import BookAppointment
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.consent import GiveConsent, Purpose
from domain.contact import Channel, RecordContact
from domain.contract import ContractKind, SignContract
from domain.correction import (
    BuiltUpon,
    CorrectEntry,
    EntryCorrected,
    EntryRetracted,
    NotCorrectable,
    NothingToCorrect,
    NotRetractable,
    OutOfOrderOnceCorrected,
    RetractEntry,
    WrongPrecision,
)
from domain.dates import BeforeBirth, ImplausibleDate, NotYetHappened
from domain.diagnosis import FoundNeed, RecordDiagnosis, WithdrawNeed
from domain.errors import DomainError
from domain.pathway import NotYours, UnknownEntry
from domain.referent import AssignReferent
from domain.referral import MoveReferral, ReferralMoved, ReferralStatus, RequestReferral, Urgency
from domain.relocation import RecordRelocation
from domain.situation import RecordSituation, SituationValue, Topic, ValueOfAnotherTopic
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from domain.themes import UnknownTheme
from domain.training import MoveTraining, RecordTraining, TrainingStatus
from tests.support.pathways import CCAS, MISSION_LOCALE, NOW, PATHWAY, SIAO, TODAY, Scenario, ago, an_id, given

TRAINING, HOUSING, HEALTH = (
    "se-former--trouver-sa-formation",
    "logement-hebergement--louer-un-logement",
    "sante--addictions",
)
CONTACT, REFERRAL, ANSWER, NEED = an_id("contact"), an_id("referral"), an_id("answer"), an_id("need")
TOMORROW = TODAY + timedelta(days=1)


def a_contact() -> Scenario:
    return given(RecordContact(channel=Channel.PHONE, on=ago(5), id=CONTACT))


def an_answered_referral() -> Scenario:
    return given(RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, on=ago(20), id=REFERRAL)).given(
        MoveReferral(referral_id=REFERRAL, status=ReferralStatus.ACCEPTED, on=ago(10), id=ANSWER), by=MISSION_LOCALE
    )


def test_a_corrected_fact_keeps_its_id_and_gets_a_new_version() -> None:
    scenario = a_contact()
    (before,) = scenario.facts("contact")
    scenario.when(
        CorrectEntry(entry_id=CONTACT, start=ago(6), channel=Channel.VIDEO), at=NOW + timedelta(hours=1)
    ).then_recorded(EntryCorrected)
    (after,) = scenario.facts("contact")
    assert after.fact_id == before.fact_id
    assert (after.start, after.end, after.attrs["channel"]) == (ago(6), ago(6), "video")
    assert after.recorded_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("command", "error", "field"),
    [
        (CorrectEntry(entry_id=CONTACT), NothingToCorrect, None),
        (CorrectEntry(entry_id=CONTACT, start=TOMORROW), NotYetHappened, "/start"),
        (CorrectEntry(entry_id=CONTACT, start=date(1985, 1, 1)), BeforeBirth, "/start"),
        (CorrectEntry(entry_id=CONTACT, start_at=NOW), WrongPrecision, "/start_at"),
        (CorrectEntry(entry_id=CONTACT, end=TODAY), NotCorrectable, "/end"),
        (CorrectEntry(entry_id=CONTACT, no_end=True), NotCorrectable, "/no_end"),
        (CorrectEntry(entry_id=CONTACT, theme=TRAINING), NotCorrectable, "/theme"),
        (CorrectEntry(entry_id=CONTACT, theme="no-such--theme"), UnknownTheme, "/theme"),
        (CorrectEntry(entry_id=CONTACT, to_zone="34172"), NotCorrectable, "/to_zone"),
        (CorrectEntry(entry_id=CONTACT, from_zone="34172"), NotCorrectable, "/from_zone"),
        (CorrectEntry(entry_id=CONTACT, kind="health"), NotCorrectable, "/kind"),
        (CorrectEntry(entry_id=an_id("?"), start=TODAY), UnknownEntry, None),
    ],
)
def test_a_correction_is_refused(command: CorrectEntry, error: type[DomainError], field: str | None) -> None:
    a_contact().when(command).then_refused(error, field)


def test_only_the_recording_agency_or_the_referent_corrects_and_retracts() -> None:
    scenario = a_contact().given(GiveConsent(purpose=Purpose.SHARING, to_agency=SIAO))
    scenario.when(CorrectEntry(entry_id=CONTACT, start=ago(6)), by=SIAO).then_refused(NotYours)
    scenario.when(RetractEntry(entry_id=CONTACT), by=SIAO).then_refused(NotYours)
    scenario.given(AssignReferent(to_agency=SIAO))
    scenario.when(CorrectEntry(entry_id=CONTACT, start=ago(6)), by=SIAO).then_fact("contact", start=ago(6), agency=CCAS)
    scenario.when(RetractEntry(entry_id=CONTACT), by=SIAO).then_no_fact("contact")


def test_dates_stay_in_order_with_the_steps() -> None:
    scenario = an_answered_referral()
    scenario.when(CorrectEntry(entry_id=REFERRAL, start=ago(9))).then_refused(OutOfOrderOnceCorrected, "/start")
    scenario.when(CorrectEntry(entry_id=ANSWER, start=ago(21)), by=MISSION_LOCALE).then_refused(OutOfOrderOnceCorrected)
    scenario.when(CorrectEntry(entry_id=ANSWER, start=ago(12)), by=MISSION_LOCALE).then_fact(
        "referral_ack", start=ago(12)
    )


def test_an_interval_stays_ordered_and_its_end_may_be_forgotten() -> None:
    scenario = given(SignContract(kind=ContractKind.CEJ, on=ago(30), until=ago(2), id=an_id("c")))
    scenario.when(CorrectEntry(entry_id=an_id("c"), end=ago(31))).then_refused(OutOfOrderOnceCorrected, "/end")
    scenario.when(CorrectEntry(entry_id=an_id("c"), end=date(9999, 1, 1))).then_refused(ImplausibleDate, "/end")
    scenario.when(CorrectEntry(entry_id=an_id("c"), end=ago(3), no_end=True)).then_refused(NotCorrectable)
    scenario.when(CorrectEntry(entry_id=an_id("c"), end=ago(3), kind="cer")).then_fact(
        "engagement_contract", end=ago(3), kind="cer"
    )
    scenario.when(CorrectEntry(entry_id=an_id("c"), no_end=True)).then_fact("engagement_contract", end=None)


def test_a_planned_thing_may_be_corrected_into_the_future() -> None:
    given(RecordTraining(theme=TRAINING, start=TOMORROW, id=an_id("t"))).when(
        CorrectEntry(entry_id=an_id("t"), start=TOMORROW + timedelta(days=9))
    ).then_fact("training", start=TOMORROW + timedelta(days=9))


def test_correcting_a_step_moves_what_it_is_a_step_of() -> None:
    given(
        RecordTraining(theme=TRAINING, start=ago(20), id=an_id("t")),
        MoveTraining(training_id=an_id("t"), status=TrainingStatus.STARTED, on=ago(9), id=an_id("start")),
    ).when(CorrectEntry(entry_id=an_id("start"), start=ago(8))).then_fact("training", start=ago(8))


def test_an_appointment_is_corrected_to_the_minute() -> None:
    hour = timedelta(hours=1)
    scenario = given(BookAppointment(start=NOW, end=NOW + hour, id=an_id("a")))
    scenario.when(CorrectEntry(entry_id=an_id("a"), start=TODAY)).then_refused(WrongPrecision, "/start")
    scenario.when(CorrectEntry(entry_id=an_id("a"), no_end=True)).then_refused(NotCorrectable, "/no_end")
    scenario.when(
        CorrectEntry(entry_id=an_id("a"), start_at=NOW + hour, end_at=NOW + 2 * hour, channel=Channel.VIDEO)
    ).then_fact("appointment", start=NOW + hour, end=NOW + 2 * hour, channel="video")


def test_needs_follow_the_date_of_their_diagnosis() -> None:
    scenario = given(RecordDiagnosis(needs=(FoundNeed(theme=TRAINING, id=NEED),), on=ago(9), id=an_id("d")))
    scenario.when(CorrectEntry(entry_id=NEED, start=ago(8))).then_refused(NotCorrectable, "/start")
    scenario.when(CorrectEntry(entry_id=an_id("d"), start=ago(8))).then_fact("diagnosis", start=ago(8))


def test_a_corrected_theme_changes_what_follows_from_it() -> None:
    scenario = given(RecordDiagnosis(needs=(FoundNeed(theme=TRAINING, id=NEED),)))
    scenario.when(CorrectEntry(entry_id=NEED, theme=HOUSING)).then_fact(
        "diagnosis", theme=HOUSING, family="logement-hebergement", kind="housing", needs=["housing"], status="active"
    )
    scenario.when(CorrectEntry(entry_id=NEED, theme=HEALTH)).then_fact("diagnosis", theme="sante", kind="health")
    (event,) = scenario.new
    assert isinstance(event, EntryCorrected)
    assert (event.theme, event.health_theme) == ("sante", HEALTH)


def test_an_answer_speaks_of_the_corrected_theme() -> None:
    an_answered_referral().when(CorrectEntry(entry_id=REFERRAL, theme=HOUSING, urgency=Urgency.HIGH)).then_fact(
        "referral", theme=HOUSING, kind="housing", urgency="high", status="accepted"
    ).then_fact("referral_ack", theme=HOUSING, kind="housing")


def test_a_training_keeps_its_kind_when_its_theme_is_corrected() -> None:
    given(RecordTraining(theme=TRAINING, start=TODAY, id=an_id("t"))).when(
        CorrectEntry(entry_id=an_id("t"), theme="se-former--monter-son-dossier-de-formation")
    ).then_fact("training", theme="se-former--monter-son-dossier-de-formation", kind="other")


def test_a_diagnosis_without_needs_has_no_theme_to_correct() -> None:
    given(RecordDiagnosis(id=an_id("d"))).when(CorrectEntry(entry_id=an_id("d"), theme=TRAINING)).then_refused(
        NotCorrectable, "/theme"
    )


def test_a_corrected_zone_says_again_whether_the_territory_changed() -> None:
    given(RecordRelocation(from_zone="34172", to_zone="34032", on=ago(3), id=an_id("r"))).when(
        CorrectEntry(entry_id=an_id("r"), to_zone="30189")
    ).then_fact("relocation", from_zone="34172", to_zone="30189", territory_changed=True, status="done")


def test_a_corrected_value_belongs_to_its_topic() -> None:
    scenario = given(RecordSituation(topic=Topic.ISOLATION, value=SituationValue.NOT_ASKED, id=an_id("s")))
    scenario.when(CorrectEntry(entry_id=an_id("s"), value=SituationValue.HOMELESS)).then_refused(ValueOfAnotherTopic)
    scenario.when(CorrectEntry(entry_id=an_id("s"), value=SituationValue.NO)).then_fact("situation", value="no")


def test_a_code_of_another_list_is_refused() -> None:
    given(RecordAccompaniment(kind=AccompanimentKind.HEALTH, start=TODAY, id=an_id("a"))).when(
        CorrectEntry(entry_id=an_id("a"), kind="cej")
    ).then_refused(NotCorrectable, "/kind")


def test_what_lasts_does_not_come_to_overlap() -> None:
    given(
        SuspendPathway(motive=SuspensionMotive.OTHER, on=ago(30)),
        ResumePathway(on=ago(20)),
        SuspendPathway(motive=SuspensionMotive.OTHER, on=ago(10), id=an_id("s")),
    ).when(CorrectEntry(entry_id=an_id("s"), start=ago(21))).then_refused(OutOfOrderOnceCorrected, "/start")


def test_a_retracted_fact_is_gone_with_its_steps() -> None:
    an_answered_referral().when(RetractEntry(entry_id=REFERRAL)).then_recorded(EntryRetracted).then_no_fact(
        "referral"
    ).then_no_fact("referral_ack").then_participants(CCAS)


def test_a_retracted_step_gives_back_the_state_before() -> None:
    an_answered_referral().when(RetractEntry(entry_id=ANSWER), by=MISSION_LOCALE).then_fact(
        "referral", status="requested"
    ).then_no_fact("referral_ack")


def test_the_latest_step_comes_off_first() -> None:
    done = MoveReferral(referral_id=REFERRAL, status=ReferralStatus.COMPLETED, on=ago(2), id=an_id("done"))
    an_answered_referral().given(done, by=MISSION_LOCALE).when(
        RetractEntry(entry_id=ANSWER), by=MISSION_LOCALE
    ).then_refused(BuiltUpon).when(RetractEntry(entry_id=an_id("done")), by=MISSION_LOCALE).when(
        RetractEntry(entry_id=ANSWER), by=MISSION_LOCALE
    ).then_fact("referral", status="requested")


def test_what_a_later_entry_changed_comes_off_after_it() -> None:
    scenario = given(
        AssignReferent(on=ago(30), id=an_id("a")),
        AssignReferent(to_agency=SIAO, on=ago(20), id=an_id("b")),
        AssignReferent(to_agency=MISSION_LOCALE, on=ago(10), id=an_id("c")),
    )
    scenario.when(RetractEntry(entry_id=an_id("b"))).then_refused(BuiltUpon)
    scenario.when(RetractEntry(entry_id=an_id("c"))).then_fact("referent", agency=SIAO, end=None)
    scenario.when(RetractEntry(entry_id=an_id("b"))).then_fact("referent", agency=CCAS, end=None)


def test_a_reopening_stays_while_a_later_closure_needs_it() -> None:
    scenario = given(
        ClosePathway(outcome=ClosureOutcome.OTHER, on=ago(30)),
        ReopenPathway(on=ago(20), id=an_id("reopening")),
        ClosePathway(outcome=ClosureOutcome.OTHER, on=ago(10), id=an_id("second")),
    )
    scenario.when(RetractEntry(entry_id=an_id("reopening"))).then_refused(BuiltUpon)
    scenario.given(RetractEntry(entry_id=an_id("second")))
    scenario.when(RetractEntry(entry_id=an_id("reopening")))
    assert scenario.pathway.is_closed


def test_the_opening_is_never_retracted() -> None:
    given().when(RetractEntry(entry_id=PATHWAY)).then_refused(NotRetractable)


def test_what_follows_from_a_decision_falls_with_it_only() -> None:
    """A superseded request: take back the decision, not its effect."""
    scenario = given(
        RecordDiagnosis(needs=(FoundNeed(theme=TRAINING, id=NEED),), on=ago(9)),
        RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, need_id=NEED, on=ago(8), id=REFERRAL),
        WithdrawNeed(need_id=NEED, id=an_id("withdrawal")),
    )
    (superseded,) = [event for event in scenario.events if isinstance(event, ReferralMoved)]
    scenario.when(RetractEntry(entry_id=superseded.step_id)).then_refused(NotRetractable)
    scenario.when(RetractEntry(entry_id=an_id("withdrawal"))).then_fact("referral", status="requested", state="done")


def test_a_request_that_becomes_pending_again_in_a_closed_pathway_is_superseded_by_the_closure() -> None:
    scenario = given(
        RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, on=ago(8), id=REFERRAL),
        MoveReferral(
            referral_id=REFERRAL, status=ReferralStatus.CANCELLED, on=ago(7), reason="Asked by mistake.", id=ANSWER
        ),
        ClosePathway(outcome=ClosureOutcome.OTHER, on=ago(6)),
    )
    scenario.when(RetractEntry(entry_id=ANSWER)).then_recorded(EntryRetracted, ReferralMoved).then_fact(
        "referral", status="cancelled", superseded=True
    )


def test_what_is_retracted_is_unknown_from_then_on() -> None:
    scenario = a_contact().given(RetractEntry(entry_id=CONTACT))
    scenario.when(RetractEntry(entry_id=CONTACT)).then_refused(UnknownEntry)
    scenario.when(CorrectEntry(entry_id=CONTACT, start=ago(6))).then_refused(UnknownEntry)


def test_a_closed_pathway_may_still_be_corrected() -> None:
    a_contact().given(ClosePathway(outcome=ClosureOutcome.OTHER)).when(
        CorrectEntry(entry_id=CONTACT, start=ago(6))
    ).then_fact("contact", start=ago(6))
