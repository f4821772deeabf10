"""What is done about an alert: it reached an agency, which read it, acknowledged it, answered it, or disputes it.

A response is to one revision: found out of step again, everybody is asked again.
"""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from domain.aggregate import Event, stored
from domain.alert import Recipient
from domain.alert_response import AlertChannel, Answer, Wrong
from domain.compartments import Case, Notes

if TYPE_CHECKING:
    from domain.alert import Alert


class AlertStep(Event, frozen=True, kw_only=True):
    """Something done about an alert that was raised. Says of which, so that nothing else need be opened."""

    on: Case[datetime]
    """Logical time: when it was done, or due."""
    revision: Case[int]
    pathway: Case[UUID]
    rule: Case[str]


class AlertStepTold(AlertStep, frozen=True, kw_only=True):
    """A step that others hear of."""

    concerned: Case[tuple[Recipient, ...]]
    """Everybody whom the alert concerned then."""


@stored
class AlertDelivered(AlertStep, frozen=True, kw_only=True):
    """An agency was reached for the first time with this revision."""

    TOPIC: ClassVar[str] = "alert.delivered"

    to: Case[str]
    channel: Case[AlertChannel]

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.to, delivered_at=self.on, delivered_by=self.channel)


@stored
class AlertRead(AlertStep, frozen=True, kw_only=True):
    """An agency opened this revision for the first time."""

    TOPIC: ClassVar[str] = "alert.read"

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.agency, read_at=self.on)


@stored
class AlertAcknowledged(AlertStepTold, frozen=True, kw_only=True):
    """An agency has taken notice: its silence does not escalate for a time."""

    TOPIC: ClassVar[str] = "alert.acknowledged"

    until: Case[datetime]

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.agency, acknowledged_at=self.on, acknowledged_until=self.until)


@stored
class AlertAnswered(AlertStepTold, frozen=True, kw_only=True):
    """An agency said what it does about it, in place of what it said before."""

    TOPIC: ClassVar[str] = "alert.answered"

    answer: Case[Answer]
    until: Case[datetime | None] = None
    """Acknowledged until then by whoever takes it or supports it; None: not concerned."""
    reason: Notes[str] = None

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.agency, answer=self.answer, answered_at=self.on)
        if self.until is not None:
            since = alert.response_of(self.agency).acknowledged_at or self.on
            alert.respond(self.agency, acknowledged_at=since, acknowledged_until=self.until)
        else:
            alert.respond(self.agency, acknowledged_until=None)
        if self.answer is Answer.TAKING:
            if alert.taken_by not in (None, self.agency):  # Taken over: of those before, nobody knows what they do.
                alert.respond(alert.taken_by, answer=None, answered_at=None)
            alert.taken_by = self.agency
        elif alert.taken_by == self.agency:
            alert.taken_by = None


@stored
class AlertDisputed(AlertStepTold, frozen=True, kw_only=True):
    """An agency says that the alert is wrong. It stands until the facts or the rule change."""

    TOPIC: ClassVar[str] = "alert.disputed"

    reason: Case[Wrong]
    text: Notes[str] = None

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.agency, disputed=self.reason, disputed_at=self.on)


STEP_TOPICS = frozenset(
    each.TOPIC for each in (AlertDelivered, AlertRead, AlertAcknowledged, AlertAnswered, AlertDisputed)
)
