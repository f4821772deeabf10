"""Suspending and resuming a pathway."""

from datetime import timedelta

import pytest

from domain.dates import NotYetHappened
from domain.errors import DomainError
from domain.pathway import OutOfOrder, Overlaps
from domain.suspension import (
    AlreadySuspended,
    NotSuspended,
    PathwayResumed,
    PathwaySuspended,
    ResumePathway,
    SuspendPathway,
    SuspensionMotive,
)
from tests.support.pathways import TODAY, ago, given

TOMORROW = TODAY + timedelta(days=1)


def suspended(days_ago: int = 20) -> SuspendPathway:
    return SuspendPathway(motive=SuspensionMotive.HOSPITAL_STAY, on=ago(days_ago))


def test_a_suspension_lasts_until_the_pathway_is_resumed() -> None:
    scenario = (
        given()
        .when(suspended())
        .then_recorded(PathwaySuspended)
        .then_fact("suspension", start=ago(20), end=None, motive="hospital_stay")
    )
    assert scenario.pathway.is_suspended
    scenario.when(ResumePathway(on=ago(5))).then_recorded(PathwayResumed).then_fact("suspension", end=ago(5))
    assert not scenario.pathway.is_suspended


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (suspended(), AlreadySuspended),
        (ResumePathway(on=ago(21)), OutOfOrder),
        (ResumePathway(on=TOMORROW), NotYetHappened),
    ],
)
def test_a_suspended_pathway_refuses(command: SuspendPathway, error: type[DomainError]) -> None:
    given(suspended()).when(command).then_refused(error)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (suspended(6), Overlaps),
        (SuspendPathway(motive=SuspensionMotive.OTHER, on=TOMORROW), NotYetHappened),
        (ResumePathway(), NotSuspended),
    ],
)
def test_a_resumed_pathway_refuses(command: SuspendPathway, error: type[DomainError]) -> None:
    given(suspended(), ResumePathway(on=ago(5))).when(command).then_refused(error)


def test_a_pathway_may_be_suspended_again_later() -> None:
    given(suspended(), ResumePathway(on=ago(5))).when(suspended(5)).then_fact("suspension", start=ago(5), end=None)
