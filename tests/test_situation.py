"""Situations: what is not known is not a no."""

from datetime import timedelta

import pytest

from domain.dates import NotYetHappened
from domain.situation import (
    NO_ANSWER,
    VALUES,
    RecordSituation,
    SituationRecorded,
    SituationValue,
    Topic,
    ValueOfAnotherTopic,
)
from tests.support.pathways import TODAY, ago, given


@pytest.mark.parametrize(
    ("topic", "value"), [(topic, value) for topic in Topic for value in sorted(VALUES[topic] | NO_ANSWER)]
)
def test_each_topic_has_its_values_and_may_be_left_unanswered(topic: Topic, value: SituationValue) -> None:
    given().when(RecordSituation(topic=topic, value=value, on=ago(2))).then_recorded(SituationRecorded).then_fact(
        "situation", topic=topic.value, value=value.value, start=ago(2), end=ago(2)
    )


def test_not_known_is_not_a_no() -> None:
    assert SituationValue.NO not in NO_ANSWER
    assert {SituationValue.UNKNOWN, SituationValue.NOT_ASKED} <= NO_ANSWER


def test_a_value_of_another_topic_is_refused() -> None:
    given().when(RecordSituation(topic=Topic.HOUSING, value=SituationValue.EMPLOYED)).then_refused(
        ValueOfAnotherTopic, "/value"
    )


def test_tomorrow_is_not_known() -> None:
    given().when(
        RecordSituation(topic=Topic.HOUSING, value=SituationValue.HOUSED, on=TODAY + timedelta(days=1))
    ).then_refused(NotYetHappened, "/on")
