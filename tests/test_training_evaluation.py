"""What a training brought."""

import pytest

from domain.correction import CorrectEntry
from domain.errors import DomainError
from domain.evaluation import EvaluateTraining, EvaluationOutcome, TrainingEvaluated
from domain.pathway import ImpossibleTransition, OutOfOrder, UnknownEntry
from domain.training import PhysicalDemand, RecordTraining, TrainingKind, TrainingStatus
from tests.support.pathways import ago, an_id, given

THEME, OTHER = "se-former--trouver-sa-formation", "se-former--monter-son-dossier-de-formation"
TRAINING, PROPOSED = an_id("training"), an_id("proposed")
STARTED = RecordTraining(
    theme=THEME,
    kind=TrainingKind.LANGUAGE,
    status=TrainingStatus.STARTED,
    physical=PhysicalDemand.HEAVY,
    start=ago(30),
    id=TRAINING,
)


def evaluated(training: object = TRAINING, days_ago: int = 3) -> EvaluateTraining:
    outcome = EvaluationOutcome.ACQUIRED
    return EvaluateTraining(training_id=training, outcome=outcome, on=ago(days_ago))  # type: ignore[arg-type]


def test_a_training_says_how_demanding_it_is() -> None:
    given(STARTED).then_fact("training", physical="heavy")


def test_an_evaluation_is_a_fact_of_its_training_and_follows_its_theme() -> None:
    given(STARTED).when(evaluated()).then_recorded(TrainingEvaluated).then_fact(
        "evaluation", training_id=str(TRAINING), outcome="acquired", theme=THEME, kind="language"
    ).when(CorrectEntry(entry_id=TRAINING, theme=OTHER)).then_fact("evaluation", theme=OTHER)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (evaluated(an_id("?")), UnknownEntry),
        (evaluated(PROPOSED), ImpossibleTransition),
        (evaluated(days_ago=31), OutOfOrder),
    ],
)
def test_an_evaluation_is_refused(command: EvaluateTraining, error: type[DomainError]) -> None:
    given(STARTED, RecordTraining(theme=THEME, start=ago(-9), id=PROPOSED)).when(command).then_refused(error)
