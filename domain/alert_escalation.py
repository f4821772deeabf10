"""An alert that nobody takes up goes higher: to the owner's lead, the territory's coordinator, or as its rule says."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec

from domain.aggregate import stored
from domain.alert import Recipient, Role
from domain.alert_steps import AlertStepTold
from domain.compartments import Case

if TYPE_CHECKING:
    from domain.alert import Alert


class EscalationLevel(StrEnum):
    LEAD = "lead"
    COORDINATOR = "coordinator"
    RULE = "rule"  # A step that the rule itself lays down.


class Escalated(msgspec.Struct, frozen=True, kw_only=True):
    """One step up, of the present revision."""

    on: datetime
    level: EscalationLevel
    severity: str
    recipients: tuple[Recipient, ...]


@stored
class AlertEscalated(AlertStepTold, frozen=True, kw_only=True):
    """Nobody took it up in time. Empty `recipients`: nobody is named at that level, and it is recorded all the same."""

    TOPIC: ClassVar[str] = "alert.escalated"

    level: Case[EscalationLevel]
    severity: Case[str]
    """From now on."""
    recipients: Case[tuple[Recipient, ...]] = ()
    """Those whom this step calls upon; the alert concerns them from now on."""

    def apply(self, alert: "Alert") -> None:
        alert.severity = self.severity
        alert.escalated.append(
            Escalated(on=self.on, level=self.level, severity=self.severity, recipients=self.recipients)
        )
        alert.concern(self.recipients)
        if self.recipients or self.level is not EscalationLevel.RULE:
            alert.waits_since = alert.rung_since = self.timestamp


def level_of(alert: "Alert") -> EscalationLevel | None:
    """How high it has come: with the coordinators by the ladder, even with nobody named, or by its rule."""
    if any(step.level is EscalationLevel.COORDINATOR or _calls_coordinators(step) for step in alert.escalated):
        return EscalationLevel.COORDINATOR
    return alert.escalated[-1].level if alert.escalated else None


def _calls_coordinators(step: Escalated) -> bool:
    return any(one.role is Role.COORDINATOR for one in step.recipients)


ESCALATION_TOPICS = frozenset({AlertEscalated.TOPIC})
