"""The alert: an intervention found out of step, told to those concerned until it is back in step.

Its identity is that of the situation, not of the rule's version: found again, the same alert is reopened.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.compartments import Case
from domain.ids import uuid8_of
from domain.pathway import SYSTEM


class AlertStatus(StrEnum):
    OPEN = "open"
    CLEARED = "cleared"


class ClearedBecause(StrEnum):
    DONE_LATE = "done_late"  # What was expected happened after the deadline.
    LATE_EVIDENCE = "late_evidence"  # It had happened in time and was recorded late.
    CORRECTED = "corrected"
    RETRACTED = "retracted"
    RULE_CHANGE = "rule_change"
    CALENDAR_CHANGE = "calendar_change"
    CLOSED = "closed"
    SUSPENDED = "suspended"
    RELEASED = "released"
    RESTRICTED = "restricted"  # The person's data are only kept.
    ERASED = "erased"


class RaisedBecause(StrEnum):
    """Why it was found just then, where neither an event of the pathway nor a deadline says so."""

    RULE_CHANGE = "rule_change"


class Role(StrEnum):
    """Why an agency is told."""

    ACTING = "acting"
    REFERENT = "referent"
    ABLE_TO_ACT = "able_to_act"
    WATCHER = "watcher"


class Sees(StrEnum):
    """What an agency is told."""

    CONTENT = "content"
    NOTICE = "notice"  # That there is something to look at; nothing that leads to the person.


class Recipient(msgspec.Struct, frozen=True):
    agency: str
    role: Role
    sees: Sees


class NearMiss(msgspec.Struct, frozen=True):
    """A fact that failed exactly one test."""

    fact_id: str
    failed: str
    detail: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, in codes: enough to explain it without opening anything else."""

    pathway: UUID
    rule: str
    version: int
    severity: str
    activation: str
    target: str | None = None
    opens: datetime | None = None
    closes: datetime | None = None
    at: datetime | None = None
    """When it fell out of step."""
    calendar: str = ""
    evidence: tuple[str, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()


@stored
class AlertRaised(Created, frozen=True, kw_only=True):
    """An intervention was found out of step."""

    TOPIC: ClassVar[str] = "alert.raised"
    ORIGINATOR: ClassVar[str] = "domain.alert:Alert"

    on: Case[datetime]
    """Logical time: that of the deadline or of the event that changed the situation, whenever it was processed."""
    known_at: Case[int]
    """Position up to which the log was known."""
    finding: Case[Finding]
    recipients: Case[tuple[Recipient, ...]]
    quiet: Case[bool] = False
    """Recorded, and nobody told: found long after, by an import, or because the rules changed."""
    hidden: Case[bool] = False
    """Recorded, and told only once no alert that explains it is open on the pathway."""
    because: Case[RaisedBecause | None] = None

    def apply(self, alert: "Alert") -> None:
        alert.revision = 1
        alert.reopen(self)


@stored
class AlertReopened(Event, frozen=True, kw_only=True):
    """The same situation fell out of step again."""

    TOPIC: ClassVar[str] = "alert.reopened"

    on: Case[datetime]
    known_at: Case[int]
    finding: Case[Finding]
    recipients: Case[tuple[Recipient, ...]]
    revision: Case[int]
    quiet: Case[bool] = False
    hidden: Case[bool] = False
    because: Case[RaisedBecause | None] = None

    def apply(self, alert: "Alert") -> None:
        alert.revision = self.revision
        alert.reopen(self)


@stored
class AlertCleared(Event, frozen=True, kw_only=True):
    """The situation is back in step, or no longer counts."""

    TOPIC: ClassVar[str] = "alert.cleared"

    on: Case[datetime]
    known_at: Case[int]
    reason: Case[ClearedBecause]
    pathway: Case[UUID]
    rule: Case[str]
    recipients: Case[tuple[Recipient, ...]] = ()
    quiet: Case[bool] = False

    def apply(self, alert: "Alert") -> None:
        alert.status = AlertStatus.CLEARED
        alert.changed = (self.on, self.known_at)


@stored
class AlertDisclosed(Event, frozen=True, kw_only=True):
    """What hid the alert is over and it still stands: it is told now, as if it were raised."""

    TOPIC: ClassVar[str] = "alert.disclosed"

    on: Case[datetime]
    known_at: Case[int]
    pathway: Case[UUID]
    rule: Case[str]
    recipients: Case[tuple[Recipient, ...]]
    quiet: Case[bool] = False

    def apply(self, alert: "Alert") -> None:
        alert.hidden = False
        alert.quiet = self.quiet
        alert.changed = (self.on, self.known_at)


AlertEvent: TypeAlias = AlertRaised | AlertReopened | AlertDisclosed | AlertCleared
TOLD_TOPICS = frozenset((AlertRaised.TOPIC, AlertReopened.TOPIC, AlertCleared.TOPIC))
"""What agencies are told of."""
ALERT_TOPICS = TOLD_TOPICS | {AlertDisclosed.TOPIC}


class Alert(Aggregate):
    """One situation out of step. Changes come in logical order; one that is not newer than the last is a no-op."""

    def __init__(self) -> None:
        self.status = AlertStatus.OPEN
        self.revision = 0
        self.finding: Finding | None = None
        self.recipients: tuple[Recipient, ...] = ()
        self.quiet = False
        self.hidden = False
        self.changed: tuple[datetime, int] | None = None
        self.erased = False

    def reopen(self, event: AlertRaised | AlertReopened) -> None:
        self.status = AlertStatus.OPEN
        self.finding = event.finding
        self.recipients = event.recipients
        self.quiet = event.quiet
        self.hidden = event.hidden
        self.changed = (event.on, event.known_at)

    def is_past(self, on: datetime, known_at: int) -> bool:
        return self.erased or (self.changed is not None and (on, known_at) <= self.changed)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The situation is out of step."""

    on: datetime
    known_at: int
    finding: Finding
    recipients: tuple[Recipient, ...]
    quiet: bool = False
    hidden: bool = False
    because: RaisedBecause | None = None


class Disclosed(msgspec.Struct, frozen=True, kw_only=True):
    """The situation is out of step still, and nothing hides it any more."""

    on: datetime
    known_at: int
    quiet: bool = False


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """The situation is no longer out of step."""

    on: datetime
    known_at: int
    reason: ClearedBecause
    quiet: bool = False


def decide(alert_id: UUID, alert: Alert | None, change: Found | Disclosed | Resolved) -> AlertEvent | None:
    """The event that a change makes, None when it changes nothing: already so, or already known."""
    if alert is None:
        return _raised(alert_id, change) if isinstance(change, Found) else None
    if alert.is_past(change.on, change.known_at):
        return None
    if isinstance(change, Found):
        return _reopened(alert, change) if alert.status is AlertStatus.CLEARED else None
    if alert.status is AlertStatus.CLEARED:
        return None
    if isinstance(change, Disclosed):
        return _disclosed(alert, change) if alert.hidden else None
    return _cleared(alert, change)


def _raised(alert_id: UUID, found: Found) -> AlertRaised:
    return AlertRaised(
        originator_id=alert_id,
        originator_version=1,
        originator_topic=AlertRaised.ORIGINATOR,
        timestamp=found.on,
        agency=SYSTEM,
        on=found.on,
        known_at=found.known_at,
        finding=found.finding,
        recipients=found.recipients,
        quiet=found.quiet,
        hidden=found.hidden,
        because=found.because,
    )


def _reopened(alert: Alert, found: Found) -> AlertReopened:
    return AlertReopened(
        **_header(alert, found),
        finding=found.finding,
        recipients=found.recipients,
        revision=alert.revision + 1,
        quiet=found.quiet,
        hidden=found.hidden,
        because=found.because,
    )


def _disclosed(alert: Alert, disclosed: Disclosed) -> AlertDisclosed:
    assert alert.finding is not None
    return AlertDisclosed(
        **_header(alert, disclosed),
        pathway=alert.finding.pathway,
        rule=alert.finding.rule,
        recipients=alert.recipients,
        quiet=disclosed.quiet or alert.quiet,
    )


def _cleared(alert: Alert, resolved: Resolved) -> AlertCleared:
    assert alert.finding is not None
    return AlertCleared(
        **_header(alert, resolved),
        reason=resolved.reason,
        pathway=alert.finding.pathway,
        rule=alert.finding.rule,
        recipients=alert.recipients,
        quiet=resolved.quiet or alert.quiet or alert.hidden,
    )


def _header(alert: Alert, change: Found | Disclosed | Resolved) -> dict[str, Any]:
    return {
        "originator_id": alert.id,
        "originator_version": alert.version + 1,
        "timestamp": change.on,
        "agency": SYSTEM,
        "on": change.on,
        "known_at": change.known_at,
    }


def alert_id_of(rule: str, pathway: UUID | str, activation: str, target: str | None = None) -> UUID:
    """The identity of a situation: the same rule, pathway and activation (and target) give the same alert, always.

    A UUIDv8 (RFC 9562: bits of one's own) from a SHA-256. The rule's version takes no part in it.
    """
    return uuid8_of(rule, str(pathway), activation, *((target,) if target else ()))
