"""The referent: one at a time; a new one takes over from the previous."""

from datetime import timedelta

import pytest

from domain.closure import ClosePathway, ClosureOutcome
from domain.dates import NotYetHappened
from domain.errors import DomainError
from domain.pathway import NotYours, OutOfOrder, PathwayClosed, UnknownEntry
from domain.referent import (
    AcknowledgeHandover,
    AlreadyReferent,
    AssignReferent,
    HandoverAcknowledged,
    NothingToTakeOver,
    ReferentAssigned,
)
from tests.support.pathways import CCAS, MISSION_LOCALE, TODAY, Scenario, ago, an_id, given

TOMORROW = TODAY + timedelta(days=1)
FIRST, SECOND = an_id("first"), an_id("second")


def handed_over() -> Scenario:
    return given(AssignReferent(on=ago(30), id=FIRST), AssignReferent(to_agency=MISSION_LOCALE, on=ago(10), id=SECOND))


def test_the_calling_agency_becomes_referent_unless_another_is_named() -> None:
    scenario = (
        given()
        .when(AssignReferent())
        .then_recorded(ReferentAssigned)
        .then_fact("referent", agency=CCAS, start=TODAY, end=None, assigned_by=CCAS)
    )
    assert scenario.pathway.referent == CCAS


def test_a_new_referent_ends_the_previous_and_takes_part() -> None:
    scenario = handed_over().when(AcknowledgeHandover(referent_id=SECOND), by=MISSION_LOCALE)
    scenario.then_fact("referent", agency=CCAS, end=ago(10)).then_fact("referent", agency=MISSION_LOCALE, end=None)
    scenario.then_participants(CCAS, MISSION_LOCALE)
    assert scenario.pathway.referent == MISSION_LOCALE


def test_the_handover_is_a_fact_once_the_new_referent_has_acknowledged_it() -> None:
    scenario = handed_over()
    assert scenario.facts("handover") == []
    scenario.when(AcknowledgeHandover(referent_id=SECOND, on=ago(2)), by=MISSION_LOCALE).then_recorded(
        HandoverAcknowledged
    ).then_fact(
        "handover", from_agency=CCAS, to_agency=MISSION_LOCALE, start=ago(2), referent_id=str(SECOND)
    ).then_fact("referent", handed_over=True)


@pytest.mark.parametrize(
    ("command", "by", "error"),
    [
        (AssignReferent(to_agency=MISSION_LOCALE), CCAS, AlreadyReferent),
        (AssignReferent(on=ago(11)), CCAS, OutOfOrder),
        (AssignReferent(on=TOMORROW), CCAS, NotYetHappened),
        (AcknowledgeHandover(referent_id=SECOND), CCAS, NotYours),
        (AcknowledgeHandover(referent_id=FIRST), CCAS, NothingToTakeOver),
        (AcknowledgeHandover(referent_id=an_id("?")), CCAS, UnknownEntry),
        (AcknowledgeHandover(referent_id=SECOND, on=ago(11)), MISSION_LOCALE, OutOfOrder),
        (AcknowledgeHandover(referent_id=SECOND, on=TOMORROW), MISSION_LOCALE, NotYetHappened),
    ],
)
def test_refused(command: AssignReferent, by: str, error: type[DomainError]) -> None:
    handed_over().when(command, by=by).then_refused(error)


def test_a_handover_is_acknowledged_once() -> None:
    acknowledge = AcknowledgeHandover(referent_id=SECOND)
    handed_over().given(acknowledge, by=MISSION_LOCALE).when(acknowledge, by=MISSION_LOCALE).then_refused(
        NothingToTakeOver
    )


def test_a_closed_pathway_gets_no_referent() -> None:
    given(ClosePathway(outcome=ClosureOutcome.OTHER)).when(AssignReferent()).then_refused(PathwayClosed)
