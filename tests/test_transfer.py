"""Transfers of a whole pathway to another agency or another territory."""

from datetime import timedelta

import pytest

from domain.closure import ClosePathway, ClosureOutcome
from domain.correction import RetractEntry
from domain.dates import NotYetHappened
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, NotYours, OutOfOrder, ReasonRequired, UnknownEntry
from domain.referent import AssignReferent, ReferentAssigned
from domain.transfer import (
    AlreadyInCharge,
    MoveTransfer,
    RequestTransfer,
    TransferMoved,
    TransferPending,
    TransferRequested,
)
from domain.transfer import TransferStatus as S
from tests.support.pathways import CCAS, FRANCE_TRAVAIL, MISSION_LOCALE, TODAY, Scenario, ago, an_id, given

TRANSFER, ANSWER = an_id("transfer"), an_id("answer")
TOMORROW = TODAY + timedelta(days=1)


def asked(to_territory: str | None = None) -> RequestTransfer:
    return RequestTransfer(to_agency=MISSION_LOCALE, to_territory=to_territory, on=ago(10), id=TRANSFER)


def moved(status: S, days_ago: int = 5, reason: str | None = "because") -> MoveTransfer:
    return MoveTransfer(transfer_id=TRANSFER, status=status, on=ago(days_ago), reason=reason, id=ANSWER)


def pending() -> Scenario:
    return given(AssignReferent(on=ago(30)), asked())


def test_a_transfer_waits_for_its_answer() -> None:
    given(AssignReferent(on=ago(30))).when(asked()).then_recorded(TransferRequested).then_fact(
        "transfer", from_agency=CCAS, to_agency=MISSION_LOCALE, territory_changed=False, status="requested"
    ).then_participants(CCAS, MISSION_LOCALE)


def test_accepting_makes_the_agency_the_referent_and_hands_over() -> None:
    scenario = pending().when(moved(S.ACCEPTED), by=MISSION_LOCALE).then_recorded(TransferMoved, ReferentAssigned)
    scenario.then_fact("handover", from_agency=CCAS, to_agency=MISSION_LOCALE, start=ago(5))
    scenario.then_fact("transfer", status="accepted").then_fact("referent", agency=CCAS, end=ago(5))
    assert scenario.pathway.referent == MISSION_LOCALE


def test_an_acceptance_taken_back_gives_the_pathway_back() -> None:
    scenario = pending().given(moved(S.ACCEPTED), by=MISSION_LOCALE)
    scenario.when(RetractEntry(entry_id=ANSWER), by=MISSION_LOCALE).then_fact("transfer", status="requested")
    scenario.then_no_fact("handover").then_fact("referent", agency=CCAS, end=None)
    assert scenario.pathway.referent == CCAS


def test_a_transfer_out_of_the_territory_is_answered_by_the_requester() -> None:
    """The agency of the other territory has no hand in this one, and does not become a participant."""
    scenario = given(AssignReferent(on=ago(30)), asked("FR-30")).then_participants(CCAS)
    scenario.when(moved(S.ACCEPTED)).then_recorded(TransferMoved).then_fact("handover", territory_changed=True)
    assert scenario.pathway.referent == CCAS


@pytest.mark.parametrize("status", [S.REJECTED, S.CANCELLED])
def test_a_refused_or_cancelled_transfer_changes_no_referent(status: S) -> None:
    scenario = pending().when(moved(status), by=MISSION_LOCALE).then_fact("transfer", status=status.value)
    assert scenario.pathway.referent == CCAS


@pytest.mark.parametrize(
    ("command", "by", "error"),
    [
        (asked(), CCAS, TransferPending),
        (RequestTransfer(to_agency=CCAS), CCAS, AlreadyInCharge),
        (moved(S.ACCEPTED), CCAS, NotYours),
        (moved(S.CANCELLED), FRANCE_TRAVAIL, NotYours),
        (moved(S.REJECTED, reason=None), MISSION_LOCALE, ReasonRequired),
        (moved(S.REQUESTED), MISSION_LOCALE, ImpossibleTransition),
        (moved(S.ACCEPTED, 11), MISSION_LOCALE, OutOfOrder),
        (moved(S.ACCEPTED, -1), MISSION_LOCALE, NotYetHappened),
        (MoveTransfer(transfer_id=an_id("?"), status=S.ACCEPTED), MISSION_LOCALE, UnknownEntry),
    ],
)
def test_refused(command: RequestTransfer, by: str, error: type[DomainError]) -> None:
    pending().when(command, by=by).then_refused(error)


def test_tomorrow_s_transfer_is_not_asked_yet() -> None:
    given().when(RequestTransfer(to_agency=MISSION_LOCALE, on=TOMORROW)).then_refused(NotYetHappened, "/on")


def test_naming_another_referent_supersedes_the_pending_transfer() -> None:
    """Otherwise the new referent would receive the answer to a request that he never made."""
    pending().when(AssignReferent(to_agency=FRANCE_TRAVAIL)).then_recorded(ReferentAssigned, TransferMoved).then_fact(
        "transfer", status="cancelled", superseded=True
    ).when(moved(S.ACCEPTED), by=MISSION_LOCALE).then_refused(ImpossibleTransition)


def test_closing_supersedes_the_pending_transfer() -> None:
    pending().when(ClosePathway(outcome=ClosureOutcome.TRANSFERRED)).then_fact("transfer", status="cancelled")


def test_a_transfer_is_answered_after_the_present_referent_was_named() -> None:
    given(
        asked(), AssignReferent(on=ago(30)), RequestTransfer(to_agency=FRANCE_TRAVAIL, on=ago(20), id=an_id("b"))
    ).when(MoveTransfer(transfer_id=an_id("b"), status=S.ACCEPTED, on=ago(20)), by=FRANCE_TRAVAIL).then_fact(
        "referent", agency=FRANCE_TRAVAIL
    )
