"""Reviews of an accompaniment, and its summary."""

import pytest

from domain.accompaniment import AccompanimentKind, AccompanimentStatus, MoveAccompaniment, RecordAccompaniment
from domain.closure import ClosePathway, ClosureOutcome
from domain.command import Command
from domain.correction import RetractEntry
from domain.dates import NotYetHappened
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, OutOfOrder, PathwayClosed, UnknownEntry
from domain.review import (
    AccompanimentReviewed,
    AccompanimentSummedUp,
    ReviewAccompaniment,
    ReviewOutcome,
    SummaryOutcome,
    SumUpAccompaniment,
)
from tests.support.pathways import ago, an_id, given

ACCOMPANIMENT, PLANNED = an_id("accompaniment"), an_id("planned")
STARTED = RecordAccompaniment(kind=AccompanimentKind.SOCIAL, start=ago(30), id=ACCOMPANIMENT)
ENDED = MoveAccompaniment(accompaniment_id=ACCOMPANIMENT, status=AccompanimentStatus.ENDED, on=ago(5))
REVIEW = ReviewAccompaniment(accompaniment_id=ACCOMPANIMENT, outcome=ReviewOutcome.ADJUST, on=ago(10))
SUMMARY = SumUpAccompaniment(accompaniment_id=ACCOMPANIMENT, outcome=SummaryOutcome.REACHED, on=ago(2))


def test_a_review_is_a_fact_of_its_accompaniment() -> None:
    given(STARTED).when(REVIEW).then_recorded(AccompanimentReviewed).then_fact(
        "review", accompaniment_id=str(ACCOMPANIMENT), kind="social", outcome="adjust", start=ago(10)
    )


def test_a_review_may_be_recorded_after_the_accompaniment_has_ended() -> None:
    given(STARTED, ENDED).when(REVIEW).then_fact("review", start=ago(10))


def test_an_accompaniment_is_summed_up_even_once_the_pathway_is_closed() -> None:
    closed = ClosePathway(outcome=ClosureOutcome.GOALS_REACHED, on=ago(4))
    given(STARTED, ENDED, closed).when(SUMMARY).then_recorded(AccompanimentSummedUp).then_fact(
        "summary", accompaniment_id=str(ACCOMPANIMENT), kind="social", outcome="reached", start=ago(2)
    ).when(REVIEW).then_refused(PathwayClosed)


def test_reviews_and_summaries_fall_with_their_accompaniment() -> None:
    given(STARTED, REVIEW, SUMMARY).when(RetractEntry(entry_id=ACCOMPANIMENT)).then_no_fact("review").then_no_fact(
        "summary"
    )


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (ReviewAccompaniment(accompaniment_id=an_id("?")), UnknownEntry),
        (ReviewAccompaniment(accompaniment_id=ACCOMPANIMENT, on=ago(31)), OutOfOrder),
        (ReviewAccompaniment(accompaniment_id=ACCOMPANIMENT, on=ago(-1)), NotYetHappened),
        (ReviewAccompaniment(accompaniment_id=PLANNED), ImpossibleTransition),
        (SumUpAccompaniment(accompaniment_id=PLANNED, outcome=SummaryOutcome.REACHED), ImpossibleTransition),
        (SumUpAccompaniment(accompaniment_id=ACCOMPANIMENT, outcome=SummaryOutcome.REACHED, on=ago(31)), OutOfOrder),
    ],
)
def test_a_review_is_refused(command: Command, error: type[DomainError]) -> None:
    planned = RecordAccompaniment(kind=AccompanimentKind.SOCIAL, start=ago(-9), planned=True, id=PLANNED)
    given(STARTED, planned).when(command).then_refused(error)
