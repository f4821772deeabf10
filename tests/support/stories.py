"""One pathway in which everything happens at least once: every event type is stored, every fact type is read out."""

from datetime import timedelta

from domain.accompaniment import AccompanimentKind, AccompanimentStatus, MoveAccompaniment, RecordAccompaniment
from domain.appointment import AppointmentOutcome, BookAppointment, ConcludeAppointment
from domain.break_glass import BreakTheGlass, ReviewBreakGlass
from domain.clearance import GiveMedicalClearance, Restriction
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.command import Command
from domain.consent import GiveConsent, Purpose, WithdrawConsent
from domain.contact import Channel, RecordContact
from domain.contract import ContractKind, EndContract, SignContract
from domain.correction import CorrectEntry, RetractEntry
from domain.decision import DecisionKind, DecisionOutcome, MakeDecision, NotifyDecision
from domain.diagnosis import FoundNeed, RecordDiagnosis, WithdrawNeed
from domain.evaluation import EvaluateTraining, EvaluationOutcome
from domain.opening import CorrectIdentity
from domain.orientation import DecideOrientation, Track
from domain.recognition import RecognisePerson, SearchReason, Sureness
from domain.referent import AcknowledgeHandover, AssignReferent
from domain.referral import MoveReferral, ReferralStatus, RequestReferral, Urgency
from domain.relocation import MoveRelocation, RecordRelocation, RelocationStatus
from domain.restriction import (
    ContestEntry,
    ContestOutcome,
    LiftRestriction,
    RestrictionGround,
    RestrictPathway,
    SettleContest,
)
from domain.retention import HoldGround, LiftHold, PlaceHold
from domain.review import ReviewAccompaniment, ReviewOutcome, SummaryOutcome, SumUpAccompaniment
from domain.rights import Measure
from domain.shares import AccessPurpose, Basis, GrantShare, RevokeShare, SharedContent
from domain.situation import RecordSituation, SituationValue, Topic
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from domain.training import MoveTraining, PhysicalDemand, RecordTraining, TrainingKind, TrainingStatus
from domain.transfer import MoveTransfer, RequestTransfer, TransferStatus
from tests.support.pathways import BIRTH, CCAS, MISSION_LOCALE, NOW, SIAO, STRANGER, TODAY, Scenario, ago, an_id, opened

TRAINING, HEALTH, HOUSING = (
    "se-former--trouver-sa-formation",
    "sante--addictions",
    "logement-hebergement--louer-un-logement",
)
NOTE = "A note that only people read."
EVENTFUL: tuple[tuple[str, Command | Measure], ...] = (
    (
        CCAS,
        CorrectIdentity(
            given_name="Ada",
            family_name="Lovelace",
            birth_date=BIRTH,
            phone="+33 4 00 00 00 00",
            email="ada@example.org",
            address="1 rue de la Loge",
        ),
    ),
    (CCAS, AssignReferent(on=ago(60), id=an_id("ccas"), note=NOTE)),
    (CCAS, GiveConsent(purpose=Purpose.SHARING, to_agency=SIAO, on=ago(59), id=an_id("consent"), note=NOTE)),
    (CCAS, GiveConsent(purpose=Purpose.REFERRAL, scope=HEALTH, to_agency=SIAO, on=ago(59))),
    (CCAS, RecordContact(channel=Channel.IN_PERSON, on=ago(58), id=an_id("contact"), note=NOTE)),
    (CCAS, RecordContact(channel=Channel.PHONE, at=NOW - timedelta(days=57), reached=False)),
    (CCAS, RecordSituation(topic=Topic.HOUSING, value=SituationValue.HOSTED, on=ago(58), id=an_id("s"), note=NOTE)),
    (
        CCAS,
        RecordDiagnosis(
            on=ago(55),
            valid_until=TODAY + timedelta(days=120),
            needs=(
                FoundNeed(theme=TRAINING, id=an_id(TRAINING)),
                FoundNeed(theme=HEALTH, id=an_id(HEALTH), restriction=Restriction.HEAVY_WORK),
                FoundNeed(theme=HOUSING, id=an_id(HOUSING)),
            ),
            note=NOTE,
            id=an_id("diagnosis"),
        ),
    ),
    (CCAS, RecordDiagnosis(on=ago(50), replaces=(an_id(HOUSING),), id=an_id("revision"))),
    (CCAS, DecideOrientation(track=Track.SOCIAL, to_agency=CCAS, on=ago(54), theme=HEALTH, note=NOTE, id=an_id("o"))),
    (
        CCAS,
        RequestReferral(
            to_agency=MISSION_LOCALE,
            theme=TRAINING,
            on=ago(50),
            urgency=Urgency.HIGH,
            need_id=an_id(TRAINING),
            note=NOTE,
            id=an_id("referral"),
        ),
    ),
    (CCAS, RequestReferral(to_agency=SIAO, theme=HEALTH, on=ago(49), need_id=an_id(HEALTH), id=an_id("moot"))),
    (MISSION_LOCALE, MoveReferral(referral_id=an_id("referral"), status=ReferralStatus.ACCEPTED, on=ago(48))),
    (
        MISSION_LOCALE,
        MoveReferral(referral_id=an_id("referral"), status=ReferralStatus.ON_HOLD, on=ago(47), reason=NOTE),
    ),
    (CCAS, WithdrawNeed(need_id=an_id(HEALTH), on=ago(46), reason=NOTE, id=an_id("withdrawal"))),
    (
        MISSION_LOCALE,
        RecordTraining(
            theme=TRAINING,
            kind=TrainingKind.LANGUAGE,
            start=ago(30),
            end=TODAY + timedelta(days=30),
            need_id=an_id(TRAINING),
            referral_id=an_id("referral"),
            physical=PhysicalDemand.HEAVY,
            note=NOTE,
            id=an_id("training"),
        ),
    ),
    (CCAS, RecordTraining(theme=HEALTH, status=TrainingStatus.STARTED, start=ago(25))),
    (
        MISSION_LOCALE,
        MoveTraining(training_id=an_id("training"), status=TrainingStatus.STARTED, on=ago(29), reason=NOTE),
    ),
    (
        CCAS,
        RecordRelocation(
            from_zone="34172", to_zone="30189", on=ago(20), planned=True, note=NOTE, id=an_id("relocation")
        ),
    ),
    (CCAS, MoveRelocation(relocation_id=an_id("relocation"), status=RelocationStatus.DONE, on=ago(19), reason=NOTE)),
    (
        CCAS,
        RecordAccompaniment(
            kind=AccompanimentKind.SOCIO_PROFESSIONAL,
            start=ago(18),
            end=TODAY,
            planned=True,
            need_id=an_id(TRAINING),
            referral_id=an_id("referral"),
            note=NOTE,
            id=an_id("accompaniment"),
        ),
    ),
    (
        CCAS,
        MoveAccompaniment(
            accompaniment_id=an_id("accompaniment"), status=AccompanimentStatus.STARTED, on=ago(17), reason=NOTE
        ),
    ),
    (
        MISSION_LOCALE,
        BookAppointment(
            start=NOW - timedelta(days=9),
            end=NOW - timedelta(days=9, minutes=-45),
            referral_id=an_id("referral"),
            note=NOTE,
            id=an_id("appointment"),
        ),
    ),
    (
        MISSION_LOCALE,
        ConcludeAppointment(
            appointment_id=an_id("appointment"), outcome=AppointmentOutcome.ABSENT, reason=NOTE, id=an_id("outcome")
        ),
    ),
    (
        CCAS,
        ReviewAccompaniment(
            accompaniment_id=an_id("accompaniment"), outcome=ReviewOutcome.ADJUST, on=ago(13), note=NOTE
        ),
    ),
    (
        CCAS,
        SumUpAccompaniment(
            accompaniment_id=an_id("accompaniment"), outcome=SummaryOutcome.PARTLY_REACHED, on=ago(12), note=NOTE
        ),
    ),
    (
        MISSION_LOCALE,
        EvaluateTraining(
            training_id=an_id("training"), outcome=EvaluationOutcome.PARTLY_ACQUIRED, on=ago(11), note=NOTE
        ),
    ),
    (CCAS, GiveMedicalClearance(restriction=Restriction.HEAVY_WORK, on=ago(24), note=NOTE)),
    (
        CCAS,
        MakeDecision(
            kind=DecisionKind.AID,
            outcome=DecisionOutcome.FAVOURABLE,
            theme=HEALTH,
            referral_id=an_id("referral"),
            on=ago(23),
            note=NOTE,
            id=an_id("decision"),
        ),
    ),
    (CCAS, NotifyDecision(decision_id=an_id("decision"), on=ago(22), note=NOTE)),
    (CCAS, SignContract(kind=ContractKind.CEJ, on=ago(40), until=TODAY, note=NOTE, id=an_id("contract"))),
    (CCAS, EndContract(contract_id=an_id("contract"), on=ago(8), reason=NOTE)),
    (CCAS, SuspendPathway(motive=SuspensionMotive.HOSPITAL_STAY, on=ago(16), note=NOTE, id=an_id("suspension"))),
    (CCAS, ResumePathway(on=ago(12), note=NOTE)),
    (CCAS, RequestTransfer(to_agency=SIAO, on=ago(11), note=NOTE, id=an_id("transfer"))),
    (CCAS, AssignReferent(to_agency=MISSION_LOCALE, on=ago(10), id=an_id("ml"))),
    (MISSION_LOCALE, AcknowledgeHandover(referent_id=an_id("ml"), on=ago(9), note=NOTE)),
    (MISSION_LOCALE, RequestTransfer(to_agency=CCAS, on=ago(8), id=an_id("back"))),
    (CCAS, MoveTransfer(transfer_id=an_id("back"), status=TransferStatus.ACCEPTED, on=ago(7), reason=NOTE)),
    (CCAS, CorrectEntry(entry_id=an_id("contact"), start=ago(57), channel=Channel.PHONE, reason=NOTE)),
    (CCAS, CorrectEntry(entry_id=an_id("relocation"), from_zone="34032", to_zone="FR-30", reason=NOTE)),
    (CCAS, CorrectEntry(entry_id=an_id("contract"), start=ago(41), end=ago(1), kind=ContractKind.CER)),
    (CCAS, CorrectEntry(entry_id=an_id("accompaniment"), no_end=True)),
    (MISSION_LOCALE, CorrectEntry(entry_id=an_id("training"), theme=HEALTH)),
    (
        MISSION_LOCALE,
        CorrectEntry(
            entry_id=an_id("appointment"),
            start_at=NOW - timedelta(days=9, minutes=15),
            end_at=NOW - timedelta(days=9, minutes=-30),
            reason=NOTE,
        ),
    ),
    (CCAS, RetractEntry(entry_id=an_id("s"), reason=NOTE)),
    (CCAS, ContestEntry(entry_id=an_id("contact"), note=NOTE)),
    (CCAS, SettleContest(entry_id=an_id("contact"), outcome=ContestOutcome.MAINTAINED, note=NOTE)),
    (CCAS, PlaceHold(ground=HoldGround.LITIGATION, note=NOTE)),
    (CCAS, LiftHold(note=NOTE)),
    (CCAS, RestrictPathway(ground=RestrictionGround.ACCURACY_CONTESTED, note=NOTE)),
    (CCAS, LiftRestriction(note=NOTE)),
    (CCAS, RecordSituation(topic=Topic.ISOLATION, value=SituationValue.NOT_ASKED, on=ago(6))),
    (
        CCAS,
        GrantShare(
            to_agency=SIAO,
            purpose=AccessPurpose.REFERRAL,
            basis=Basis.CONSENT,
            until=NOW + timedelta(days=30),
            contents=(SharedContent.NOTES, SharedContent.HEALTH),
            consent_id=an_id("consent"),
            note=NOTE,
            id=an_id("share"),
        ),
    ),
    (SIAO, RevokeShare(share_id=an_id("share"), note=NOTE)),
    (
        STRANGER,
        RecognisePerson(search_id=an_id("search"), sureness=Sureness.LIKELY, reason=SearchReason.RECEPTION),
    ),
    (SIAO, BreakTheGlass(motive=NOTE, id=an_id("glass"))),
    (CCAS, ReviewBreakGlass(break_glass_id=an_id("glass"), justified=True, note=NOTE)),
    (CCAS, WithdrawConsent(consent_id=an_id("consent"), on=ago(5), note=NOTE)),
    (CCAS, ClosePathway(outcome=ClosureOutcome.TRAINING, on=ago(4), note=NOTE)),
    (CCAS, ReopenPathway(on=ago(3), note=NOTE)),
)


def eventful() -> Scenario:
    scenario = Scenario(opened(family_name="L", phone="1", email="a@b.fr", address="1 rue de la Loge"))
    for agency, command in EVENTFUL:
        scenario.given(command, by=agency)
    return scenario
