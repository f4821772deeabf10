"""The alert: an intervention found out of step, told to those concerned until it is back in step.

Its identity is that of the situation, not of the rule's version: found again, the same alert is reopened.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.alert_response import NO_RESPONSE, Response
from domain.command import Act
from domain.compartments import Case
from domain.ids import uuid8_of
from domain.pathway import SYSTEM

if TYPE_CHECKING:
    from domain.alert_escalation import Escalated
    from domain.alert_pause import WaiverCode


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
    COORDINATOR = "coordinator"  # Called upon because nobody took it up.


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
        alert.told_at = alert.waits_since = alert.rung_since = self.timestamp
        alert.changed = (self.on, self.known_at)


AlertEvent: TypeAlias = AlertRaised | AlertReopened | AlertDisclosed | AlertCleared
SITUATION_TOPICS = frozenset(each.TOPIC for each in (AlertRaised, AlertReopened, AlertDisclosed, AlertCleared))
"""What the rules find. What people and time do about it: domain/alert_topics.py."""


class Alert(Aggregate):
    """One situation out of step, and what is done about it.

    What the rules find comes in logical order; a change that is not newer than the last is a no-op.
    """

    def __init__(self) -> None:
        self.status = AlertStatus.OPEN
        self.revision = 0
        self.finding: Finding | None = None
        self.recipients: tuple[Recipient, ...] = ()
        self.quiet = False
        self.hidden = False
        self.changed: tuple[datetime, int] | None = None
        self.erased = False
        self.severity = ""
        """That of the rule when it was found, then as it was escalated."""
        self.responses: dict[str, Response] = {}
        """To the present revision, of the agencies that gave one or were reached."""
        self.taken_by: str | None = None
        self.escalated: list[Escalated] = []
        self.waived_until: datetime | None = None
        self.waived_by: str | None = None
        self.waiver_code: WaiverCode | None = None
        self.hushed_by_waiver = False
        """Found again while a waiver was in force: recorded, and nobody told."""
        self.told_at: datetime | None = None
        """When this revision could be known to its recipients: later than `changed` where it was processed late."""
        self.waits_since: datetime | None = None
        """Since when an answer is waited for; then who is next in line hears of it."""
        self.rung_since: datetime | None = None
        """When it was last told, or last rose: nothing that one agency says of it moves that."""

    def reopen(self, event: AlertRaised | AlertReopened) -> None:
        """A new revision: everybody is asked again. A waiver in force stays."""
        self.status = AlertStatus.OPEN
        self.finding = event.finding
        self.recipients = event.recipients
        self.quiet = event.quiet
        self.hidden = event.hidden
        self.changed = (event.on, event.known_at)
        self.severity = event.finding.severity
        self.responses = {}
        self.taken_by = None
        self.escalated = []
        self.hushed_by_waiver = event.quiet and self.is_waived(event.on)
        self.told_at = self.waits_since = self.rung_since = event.timestamp

    @property
    def owners(self) -> tuple[str, ...]:
        """Who should act: the agencies able to, else the referent, else whoever acted; failing all, everybody told.

        Of those, the ones that see what it is about; failing these, the ones that had a notice.
        """
        for sees in (Sees.CONTENT, Sees.NOTICE):
            told = [one for one in self.recipients if one.sees is sees]
            for role in (Role.ABLE_TO_ACT, Role.REFERENT, Role.ACTING):
                if owners := tuple(one.agency for one in told if one.role is role):
                    return owners
        return tuple(one.agency for one in self.recipients)

    @property
    def answerable(self) -> frozenset[str]:
        """Whose silence counts: the owners, and whom the alert was escalated to."""
        return frozenset(self.owners) | {one.agency for step in self.escalated for one in step.recipients}

    def step(self, event_type: type[Event], act: Act, *, on: datetime | None = None, **fields: Any) -> None:
        """Trigger a step that says of what it is a step. `on` is when it was done, unless just now."""
        assert self.finding is not None
        self.trigger_event(
            event_type,
            agency=act.agency,
            actor=act.agent,
            timestamp=act.at,
            on=on or act.at,
            revision=self.revision,
            pathway=self.finding.pathway,
            rule=self.finding.rule,
            **fields,
        )

    def tell(self, event_type: type[Event], act: Act, **fields: Any) -> None:
        """Trigger a step that others hear of."""
        self.step(event_type, act, concerned=self.recipients, **fields)

    def recipient(self, agency: str) -> Recipient | None:
        return next((one for one in self.recipients if one.agency == agency), None)

    def response_of(self, agency: str) -> Response:
        """An empty one of an agency that neither responded nor was reached."""
        return self.responses.get(agency, NO_RESPONSE)

    def respond(self, agency: str, **fields: Any) -> None:
        self.responses[agency] = msgspec.structs.replace(self.response_of(agency), **fields)

    def concern(self, recipients: tuple[Recipient, ...]) -> None:
        """Add those whom it did not concern yet."""
        known = {one.agency for one in self.recipients}
        self.recipients += tuple(one for one in recipients if one.agency not in known)

    def is_waived(self, at: datetime) -> bool:
        return self.waived_until is not None and at < self.waived_until

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
        quiet=found.quiet or alert.is_waived(found.on),
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
