"""Situations: how the person stood on a day, per topic. Unknown, not asked, declined and no are different values."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.command import Act, Command, Text
from domain.compartments import Case, Notes
from domain.dates import must_have_happened
from domain.errors import DomainError

if TYPE_CHECKING:
    from domain.pathway import Pathway


class Topic(StrEnum):
    HOUSING = "housing"
    EMPLOYMENT = "employment"
    ACCESS_TO_CARE = "access_to_care"
    ISOLATION = "isolation"


class SituationValue(StrEnum):
    HOUSED = "housed"
    HOUSED_AT_RISK = "housed_at_risk"
    HOSTED = "hosted"
    TEMPORARY_ACCOMMODATION = "temporary_accommodation"
    EMERGENCY_SHELTER = "emergency_shelter"
    INSTITUTION = "institution"
    HOMELESS = "homeless"
    EMPLOYED = "employed"
    PART_TIME = "part_time"
    SELF_EMPLOYED = "self_employed"
    IN_TRAINING = "in_training"
    JOB_SEEKING = "job_seeking"
    INACTIVE = "inactive"
    YES = "yes"
    PARTIAL = "partial"
    NO = "no"
    UNKNOWN = "unknown"
    NOT_ASKED = "not_asked"
    DECLINED = "declined"


V = SituationValue
VALUES: Mapping[Topic, frozenset[SituationValue]] = {
    Topic.HOUSING: frozenset(
        {
            V.HOUSED,
            V.HOUSED_AT_RISK,
            V.HOSTED,
            V.TEMPORARY_ACCOMMODATION,
            V.EMERGENCY_SHELTER,
            V.INSTITUTION,
            V.HOMELESS,
        }
    ),
    Topic.EMPLOYMENT: frozenset(
        {V.EMPLOYED, V.PART_TIME, V.SELF_EMPLOYED, V.IN_TRAINING, V.JOB_SEEKING, V.INACTIVE, V.NO}
    ),
    Topic.ACCESS_TO_CARE: frozenset({V.YES, V.PARTIAL, V.NO}),
    Topic.ISOLATION: frozenset({V.YES, V.PARTIAL, V.NO}),
}
NO_ANSWER = frozenset({V.UNKNOWN, V.NOT_ASKED, V.DECLINED})
"""Allowed for every topic: missing data is a matter of data quality, never a social alert."""


@stored
class SituationRecorded(Event, frozen=True, kw_only=True):
    """An agency recorded how the person stood on a day."""

    TOPIC: ClassVar[str] = "situation.recorded"

    situation_id: Case[UUID]
    topic: Case[Topic]
    value: Case[SituationValue]
    on: Case[date]
    note: Notes[str] = None

    def apply(self, pathway: "Pathway") -> None:
        pathway.add(
            self,
            self.situation_id,
            type="situation",
            start=self.on,
            end=self.on,
            attrs={"topic": self.topic.value, "value": self.value.value},
        )


class RecordSituation(Command, frozen=True, kw_only=True):
    """Record how the person stands: housing, employment, access to care or isolation."""

    topic: Topic
    value: SituationValue
    on: date | None = None
    note: Text | None = None
    id: UUID | None = None

    def decide(self, pathway: "Pathway", act: Act) -> UUID:
        pathway.must_be_open()
        must_fit(self.topic, self.value)
        on = must_have_happened(self.on or act.today, act, "/on", pathway)
        situation_id = pathway.new_entry_id(self.id, act)
        pathway.record(
            SituationRecorded,
            act,
            situation_id=situation_id,
            topic=self.topic,
            value=self.value,
            on=on,
            note=self.note,
        )
        return situation_id


def must_fit(topic: Topic, value: SituationValue) -> None:
    if value not in VALUES[topic] | NO_ANSWER:
        raise ValueOfAnotherTopic(f"{value} says nothing about {topic}.", field="/value")


class ValueOfAnotherTopic(DomainError):
    """This value does not belong to this topic."""

    code = "value_of_another_topic"
    status = 422
    title_fr = "Cette valeur n'appartient pas à ce sujet."
