"""Referrals: who may set which state, and what makes a pending one moot."""

from datetime import date, timedelta

import pytest

from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.correction import RetractEntry
from domain.dates import BeforeBirth, NotYetHappened
from domain.diagnosis import FoundNeed, RecordDiagnosis, WithdrawNeed
from domain.errors import DomainError
from domain.needs import NeedNotActive
from domain.orientation import DecideOrientation, OrientationDecided, Track
from domain.pathway import (
    EntryExists,
    ImpossibleTransition,
    NotYours,
    OutOfOrder,
    PathwayClosed,
    ReasonRequired,
    UnknownEntry,
)
from domain.referral import (
    NEXT,
    REASON_REQUIRED,
    MoveReferral,
    ReferralMoved,
    ReferralRequested,
    ReferralStatus,
    RequestReferral,
    Urgency,
)
from domain.themes import UnknownTheme
from tests.support.pathways import CCAS, FRANCE_TRAVAIL, MISSION_LOCALE, SIAO, TODAY, Scenario, ago, an_id, given

TRAINING, HEALTH = "se-former--trouver-sa-formation", "sante--addictions"
REFERRAL, NEED = an_id("referral"), an_id("need")
S = ReferralStatus
WAYS: dict[ReferralStatus, tuple[ReferralStatus, ...]] = {
    S.REQUESTED: (),
    S.ACCEPTED: (S.ACCEPTED,),
    S.REJECTED: (S.REJECTED,),
    S.IN_PROGRESS: (S.ACCEPTED, S.IN_PROGRESS),
    S.ON_HOLD: (S.ACCEPTED, S.ON_HOLD),
    S.COMPLETED: (S.ACCEPTED, S.COMPLETED),
    S.FAILED: (S.ACCEPTED, S.FAILED),
    S.CANCELLED: (S.CANCELLED,),
}


def asked(on: date = TODAY) -> RequestReferral:
    return RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING, on=on, id=REFERRAL)


def moved(status: ReferralStatus, on: date | None = None, reason: str | None = "because") -> MoveReferral:
    return MoveReferral(referral_id=REFERRAL, status=status, on=on, reason=reason)


def referral_that_is(status: ReferralStatus) -> Scenario:
    return given(asked(ago(9))).given(*(moved(step) for step in WAYS[status]), by=MISSION_LOCALE)


def test_the_agency_asked_takes_part() -> None:
    given().when(asked()).then_recorded(ReferralRequested).then_participants(CCAS, MISSION_LOCALE).then_fact(
        "referral",
        fact_id=str(REFERRAL),
        kind="training",
        theme=TRAINING,
        from_agency=CCAS,
        to_agency=MISSION_LOCALE,
        cross_agency=True,
        urgency="routine",
        status="requested",
    )


def test_a_referral_names_the_need_it_answers() -> None:
    given(RecordDiagnosis(needs=(FoundNeed(theme=TRAINING, id=NEED),))).when(
        RequestReferral(to_agency=CCAS, theme=TRAINING, need_id=NEED, urgency=Urgency.HIGH)
    ).then_fact("referral", need_id=str(NEED), cross_agency=False, urgency="high")


def test_a_health_referral_stands_as_its_family_only() -> None:
    scenario = given().when(RequestReferral(to_agency=SIAO, theme=HEALTH)).then_fact("referral", theme="sante")
    (event,) = scenario.new
    assert isinstance(event, ReferralRequested)
    assert (event.theme, event.health_theme) == ("sante", HEALTH)


@pytest.mark.parametrize(
    ("command", "error", "field"),
    [
        (RequestReferral(to_agency=SIAO, theme="se-former--voler"), UnknownTheme, "/theme"),
        (RequestReferral(to_agency=SIAO, theme=TRAINING, on=TODAY + timedelta(days=1)), NotYetHappened, "/on"),
        (RequestReferral(to_agency=SIAO, theme=TRAINING, on=date(1990, 1, 1)), BeforeBirth, "/on"),
        (RequestReferral(to_agency=SIAO, theme=TRAINING, need_id=an_id("?")), UnknownEntry, None),
        (RequestReferral(to_agency=SIAO, theme=TRAINING, id=REFERRAL), EntryExists, "/id"),
        (MoveReferral(referral_id=REFERRAL, status=S.CANCELLED, reason="x", id=REFERRAL), EntryExists, "/id"),
        (MoveReferral(referral_id=an_id("?"), status=S.CANCELLED, reason="x"), UnknownEntry, None),
        (moved(S.CANCELLED, TODAY + timedelta(days=1)), NotYetHappened, "/on"),
        (moved(S.CANCELLED, ago(10)), OutOfOrder, "/on"),
        (moved(S.ACCEPTED), NotYours, None),
    ],
)
def test_the_requester_is_refused(command: RequestReferral, error: type[DomainError], field: str | None) -> None:
    given(asked(ago(9))).when(command).then_refused(error, field)


def test_a_withdrawn_need_cannot_be_answered() -> None:
    given(RecordDiagnosis(needs=(FoundNeed(theme=TRAINING, id=NEED),)), WithdrawNeed(need_id=NEED)).when(
        RequestReferral(to_agency=SIAO, theme=TRAINING, need_id=NEED)
    ).then_refused(NeedNotActive, "/need_id")


@pytest.mark.parametrize(("status", "outcome"), [(S.ACCEPTED, "accepted"), (S.REJECTED, "refused")])
def test_an_answer_is_a_fact(status: ReferralStatus, outcome: str) -> None:
    given(asked(ago(9))).when(moved(status, ago(3)), by=MISSION_LOCALE).then_recorded(ReferralMoved).then_fact(
        "referral_ack",
        outcome=outcome,
        start=ago(3),
        agency=MISSION_LOCALE,
        referral_id=str(REFERRAL),
        theme=TRAINING,
        kind="training",
    ).then_fact("referral", status=status.value)


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize("wanted", list(S))
def test_the_guide_says_which_state_follows_which(status: ReferralStatus, wanted: ReferralStatus) -> None:
    scenario = referral_that_is(status).when(moved(wanted), by=MISSION_LOCALE)
    if wanted in NEXT.get(status, ()):
        scenario.then_fact("referral", status=wanted.value)
    else:
        scenario.then_refused(ImpossibleTransition, "/status")


@pytest.mark.parametrize("status", sorted(REASON_REQUIRED))
def test_a_reason_is_required(status: ReferralStatus) -> None:
    before = S.REQUESTED if status in NEXT[S.REQUESTED] else S.ACCEPTED
    referral_that_is(before).when(moved(status, reason=None), by=MISSION_LOCALE).then_refused(ReasonRequired, "/reason")


@pytest.mark.parametrize("by", [CCAS, MISSION_LOCALE])
def test_both_agencies_may_cancel(by: str) -> None:
    given(asked()).when(moved(S.CANCELLED), by=by).then_fact("referral", status="cancelled", state="cancelled")


def test_a_third_agency_may_not_answer_nor_cancel() -> None:
    scenario = given(asked(), RequestReferral(to_agency=SIAO, theme=TRAINING))
    scenario.when(moved(S.ACCEPTED), by=SIAO).then_refused(NotYours)
    scenario.when(moved(S.CANCELLED), by=SIAO).then_refused(NotYours)


def test_a_step_comes_after_the_one_before() -> None:
    referral_that_is(S.REQUESTED).given(moved(S.ACCEPTED, ago(3)), by=MISSION_LOCALE).when(
        moved(S.COMPLETED, ago(4)), by=MISSION_LOCALE
    ).then_refused(OutOfOrder, "/on")


def test_closing_the_pathway_supersedes_pending_requests_only() -> None:
    accepted = RequestReferral(to_agency=SIAO, theme=TRAINING, id=an_id("accepted"))
    given(asked(), accepted).given(MoveReferral(referral_id=accepted.id or REFERRAL, status=S.ACCEPTED), by=SIAO).when(
        ClosePathway(outcome=ClosureOutcome.OTHER)
    ).then_fact("referral", status="cancelled", superseded=True, to_agency=MISSION_LOCALE).then_fact(
        "referral", status="accepted", to_agency=SIAO
    ).when(moved(S.ACCEPTED), by=MISSION_LOCALE).then_refused(PathwayClosed)


def test_a_closure_taken_back_makes_its_requests_pending_again() -> None:
    scenario = given(asked()).given(ClosePathway(outcome=ClosureOutcome.OTHER, id=an_id("closure")))
    scenario.when(RetractEntry(entry_id=an_id("closure"))).then_fact("referral", status="requested", state="done")
    scenario.when(moved(S.ACCEPTED), by=MISSION_LOCALE).then_fact("referral", status="accepted")


def test_a_reopened_pathway_does_not_revive_what_its_closure_superseded() -> None:
    given(asked(), ClosePathway(outcome=ClosureOutcome.OTHER), ReopenPathway()).when(
        moved(S.ACCEPTED), by=MISSION_LOCALE
    ).then_refused(ImpossibleTransition)


def test_an_orientation_elsewhere_supersedes_the_pending_request() -> None:
    elsewhere = DecideOrientation(track=Track.PROFESSIONAL, to_agency=FRANCE_TRAVAIL, theme=TRAINING)
    given(asked()).when(elsewhere).then_recorded(OrientationDecided, ReferralMoved).then_fact(
        "referral", status="cancelled", superseded=True
    ).then_fact("orientation", to_agency=FRANCE_TRAVAIL, track="pro", theme=TRAINING, kind="training")


def test_an_orientation_to_the_agency_asked_leaves_its_request_pending() -> None:
    given(asked()).when(
        DecideOrientation(track=Track.PROFESSIONAL, to_agency=MISSION_LOCALE, theme=TRAINING)
    ).then_fact("referral", status="requested")


def test_a_request_made_after_the_orientation_is_not_moot() -> None:
    elsewhere = DecideOrientation(track=Track.PROFESSIONAL, to_agency=FRANCE_TRAVAIL, theme=TRAINING)
    given(elsewhere, asked()).when(DecideOrientation(track=Track.SOCIAL, to_agency=SIAO)).then_fact(
        "referral", status="requested"
    )


def test_an_orientation_on_a_health_theme_supersedes_nothing() -> None:
    """Facts hold the family of a health theme only: it may be another need."""
    given(RequestReferral(to_agency=SIAO, theme=HEALTH)).when(
        DecideOrientation(track=Track.SOCIAL, to_agency=CCAS, theme="sante--acces-aux-soins")
    ).then_fact("referral", status="requested")
