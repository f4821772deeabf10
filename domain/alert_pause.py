"""Putting an alert aside: an agency snoozes it for itself; a waiver, a justified exception, holds for all concerned."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from domain.aggregate import stored
from domain.alert_steps import AlertStep, AlertStepTold
from domain.compartments import Case, Notes

if TYPE_CHECKING:
    from domain.alert import Alert


class WaiverCode(StrEnum):
    """Why it is right, here and for a time, that nothing is done."""

    PERSON_DECLINED = "person_declined"
    ARRANGED_OTHERWISE = "arranged_otherwise"
    NOTHING_AVAILABLE = "nothing_available"
    EXEMPT = "exempt"  # A text says so.
    AGREED_DELAY = "agreed_delay"
    OTHER = "other"


class WaiverEnd(StrEnum):
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class WokenBecause(StrEnum):
    DUE = "due"
    GRAVER = "graver"  # Something worse came up on the same pathway, or the alert itself grew.
    ASKED = "asked"


@stored
class AlertWaived(AlertStepTold, frozen=True, kw_only=True):
    """A justified exception, known to all concerned: until it ends nobody is reminded. Waiving again replaces it."""

    TOPIC: ClassVar[str] = "alert.waived"

    code: Case[WaiverCode]
    until: Case[datetime]
    text: Notes[str] = None

    def apply(self, alert: "Alert") -> None:
        alert.waived_until = self.until
        alert.waived_by = self.agency
        alert.waiver_code = self.code


@stored
class AlertWaiverEnded(AlertStepTold, frozen=True, kw_only=True):
    """The exception is over: if the alert still stands, it counts again."""

    TOPIC: ClassVar[str] = "alert.waiver-ended"

    because: Case[WaiverEnd]

    def apply(self, alert: "Alert") -> None:
        alert.waived_until = None
        alert.waived_by = None
        alert.waiver_code = None
        alert.waits_since = alert.rung_since = self.timestamp
        if alert.hushed_by_waiver:
            alert.told_at = self.timestamp
            alert.quiet = False
            alert.hushed_by_waiver = False


@stored
class AlertSnoozed(AlertStep, frozen=True, kw_only=True):
    """The acting agency put it aside for itself, until then."""

    TOPIC: ClassVar[str] = "alert.snoozed"

    until: Case[datetime]
    reason: Notes[str] = None

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.agency, snoozed_at=self.on, snoozed_until=self.until)


@stored
class AlertWoken(AlertStep, frozen=True, kw_only=True):
    """A snooze is over; the alert is back among what the agency has to do."""

    TOPIC: ClassVar[str] = "alert.woken"

    of: Case[str]
    """The agency that had snoozed it."""
    because: Case[WokenBecause]

    def apply(self, alert: "Alert") -> None:
        alert.respond(self.of, snoozed_at=None, snoozed_until=None)
        if self.of in alert.answerable:
            alert.waits_since = self.timestamp


PAUSE_TOPICS = frozenset(each.TOPIC for each in (AlertWaived, AlertWaiverEnded, AlertSnoozed, AlertWoken))
