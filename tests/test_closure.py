"""Closing and reopening a pathway."""

from datetime import timedelta

import pytest

from domain.catalogue import COMMANDS
from domain.closure import ClosePathway, ClosureOutcome, NotClosed, PathwayReopened, PathwayWasClosed, ReopenPathway
from domain.contact import Channel, RecordContact
from domain.dates import NotYetHappened
from domain.errors import DomainError
from domain.opening import CorrectIdentity
from domain.pathway import NotYours, OutOfOrder, Overlaps, PathwayClosed
from domain.referent import AssignReferent
from domain.referral import RequestReferral
from tests.support.pathways import CCAS, MISSION_LOCALE, TODAY, ago, given

TOMORROW = TODAY + timedelta(days=1)
TRAINING = "se-former--trouver-sa-formation"


def closed(days_ago: int = 10) -> ClosePathway:
    return ClosePathway(outcome=ClosureOutcome.EMPLOYMENT, on=ago(days_ago))


def test_a_closure_says_what_it_came_to() -> None:
    scenario = given().when(closed()).then_recorded(PathwayWasClosed)
    scenario.then_fact("closed", outcome="employment", start=ago(10), end=None)
    assert scenario.pathway.is_closed


def test_a_reopening_ends_the_closure() -> None:
    scenario = given(closed()).when(ReopenPathway(on=ago(4))).then_recorded(PathwayReopened)
    scenario.then_fact("reopened", start=ago(4)).then_fact("closed", end=ago(4))
    assert not scenario.pathway.is_closed
    scenario.when(RecordContact(channel=Channel.PHONE)).then_fact("contact")


def test_a_reopened_pathway_may_be_closed_again() -> None:
    given(closed(), ReopenPathway(on=ago(4))).when(closed(4)).then_fact("closed", start=ago(4), end=None)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (ReopenPathway(), NotClosed),
        (ClosePathway(outcome=ClosureOutcome.OTHER, on=TOMORROW), NotYetHappened),
        (ClosePathway(outcome=ClosureOutcome.OTHER, on=ago(61)), OutOfOrder),
    ],
)
def test_an_open_pathway_refuses(command: ClosePathway, error: type[DomainError]) -> None:
    given().when(command).then_refused(error)


def test_a_closure_does_not_reach_back_into_the_one_before() -> None:
    given(closed(), ReopenPathway(on=ago(4))).when(closed(5)).then_refused(Overlaps, "/on")


@pytest.mark.parametrize(("command", "error"), [(closed(), PathwayClosed), (ReopenPathway(on=ago(11)), OutOfOrder)])
def test_a_closed_pathway_refuses(command: ClosePathway, error: type[DomainError]) -> None:
    given(closed()).when(command).then_refused(error)


def test_identity_may_still_be_corrected() -> None:
    given(closed()).when(CorrectIdentity(given_name="Grace"))


def test_the_referent_or_the_opener_closes() -> None:
    request = RequestReferral(to_agency=MISSION_LOCALE, theme=TRAINING)
    given(request).when(closed(), by=MISSION_LOCALE).then_refused(NotYours).given(
        AssignReferent(to_agency=MISSION_LOCALE)
    ).when(closed(), by=MISSION_LOCALE).then_fact("closed", agency=MISSION_LOCALE)
    given(AssignReferent(to_agency=MISSION_LOCALE)).when(closed(), by=CCAS).then_fact("closed", agency=CCAS)


def test_every_command_is_reached_by_one_path() -> None:
    assert len({spec.path for spec in COMMANDS}) == len(COMMANDS)
