"""One event of each kind that happens to an alert, with whom it concerns; what agencies must not learn is marked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from application.event_log import Stored
from domain.aggregate import Created, Event
from domain.alert import (
    Alert,
    AlertCleared,
    AlertDisclosed,
    AlertRaised,
    AlertReopened,
    ClearedBecause,
    Finding,
    NearMiss,
    Recipient,
    Role,
    Sees,
)
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import (
    AlertSnoozed,
    AlertWaived,
    AlertWaiverEnded,
    AlertWoken,
    WaiverCode,
    WaiverEnd,
    WokenBecause,
)
from domain.alert_response import AlertChannel, Answer, Wrong
from domain.alert_steps import AlertAcknowledged, AlertAnswered, AlertDelivered, AlertDisputed, AlertRead
from domain.pathway import SYSTEM

TERRITORY = "FR-34"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALERT, PATHWAY = UUID(int=0xA1E27), UUID(int=0x9A7)
ACTING, REFERENT, ABLE, WATCHER, COORDINATOR = "acting-agency", "referent", "able-outside", "watcher", "coordination"

RECIPIENTS = (
    Recipient(ACTING, Role.ACTING, Sees.CONTENT),
    Recipient(REFERENT, Role.REFERENT, Sees.CONTENT),
    Recipient(ABLE, Role.ABLE_TO_ACT, Sees.NOTICE),
    Recipient(WATCHER, Role.WATCHER, Sees.NOTICE),
)
COORDINATION = Recipient(COORDINATOR, Role.COORDINATOR, Sees.NOTICE)
CANARY = "canary"
"""In every field that may say something of the person, of what was found, or of what somebody wrote."""

FINDING = Finding(
    pathway=PATHWAY,
    rule=f"{CANARY}-rule",
    version=1,
    severity="critical",
    activation=f"{CANARY}-activation",
    target=f"{CANARY}-target",
    at=NOON,
    calendar=f"{CANARY}-calendar",
    evidence=(f"{CANARY}-evidence",),
    near_misses=(NearMiss(f"{CANARY}-fact", f"{CANARY}-test", f"{CANARY}-detail"),),
)


def stored(event_type: type[Event], position: int, agency: str = SYSTEM, **fields: Any) -> Stored:
    """As read from the log."""
    origin = {"originator_topic": event_type.ORIGINATOR} if issubclass(event_type, Created) else {}
    event = event_type(
        originator_id=ALERT,
        originator_version=position,
        timestamp=NOON + timedelta(minutes=position),
        agency=agency,
        actor=f"{CANARY}-actor",
        position=position,
        **origin,
        **fields,
    )
    return Stored(
        territory=TERRITORY,
        position=position,
        topic=event_type.TOPIC,
        event=event,
        subject=None,
        correlation_id=None,
        causation_id=None,
    )


FOUND: dict[str, Any] = {"on": NOON, "known_at": 1, "finding": FINDING, "recipients": RECIPIENTS}
ABOUT: dict[str, Any] = {"on": NOON, "revision": 1, "pathway": PATHWAY, "rule": f"{CANARY}-rule"}
TOLD: dict[str, Any] = ABOUT | {"concerned": RECIPIENTS}
SITUATION: dict[str, Any] = {
    "on": NOON,
    "known_at": 2,
    "pathway": PATHWAY,
    "rule": f"{CANARY}-rule",
    "recipients": RECIPIENTS,
}


def raised(**changes: Any) -> Stored:
    return stored(AlertRaised, 1, **FOUND | changes)


def reopened(**changes: Any) -> Stored:
    return stored(AlertReopened, 2, **FOUND | {"revision": 2} | changes)


def disclosed(**changes: Any) -> Stored:
    return stored(AlertDisclosed, 3, **SITUATION | changes)


def cleared(**changes: Any) -> Stored:
    return stored(AlertCleared, 4, **SITUATION | {"reason": ClearedBecause.DONE_LATE} | changes)


def acknowledged(by: str = REFERENT) -> Stored:
    return stored(AlertAcknowledged, 5, by, until=NOON, **TOLD)


def answered(by: str = REFERENT) -> Stored:
    return stored(AlertAnswered, 6, by, answer=Answer.NOT_CONCERNED, reason=f"{CANARY}-reason", **TOLD)


def disputed(by: str = REFERENT) -> Stored:
    return stored(AlertDisputed, 7, by, reason=Wrong.DATA_ERROR, text=f"{CANARY}-text", **TOLD)


def waived(by: str = REFERENT) -> Stored:
    return stored(AlertWaived, 8, by, code=WaiverCode.OTHER, until=NOON, text=f"{CANARY}-text", **TOLD)


def waiver_ended(by: str = SYSTEM) -> Stored:
    because = WaiverEnd.EXPIRED if by == SYSTEM else WaiverEnd.WITHDRAWN
    return stored(AlertWaiverEnded, 9, by, because=because, **TOLD)


def woken(of: str = REFERENT) -> Stored:
    return stored(AlertWoken, 10, of=of, because=WokenBecause.DUE, **ABOUT)


def escalated(level: EscalationLevel, *called: Recipient) -> Stored:
    return stored(AlertEscalated, 11, level=level, severity="critical", recipients=called, **TOLD)


def snoozed(by: str = REFERENT) -> Stored:
    return stored(AlertSnoozed, 12, by, until=NOON, reason=f"{CANARY}-reason", **ABOUT)


def delivered() -> Stored:
    return stored(AlertDelivered, 13, to=REFERENT, channel=AlertChannel.WEBHOOK, **ABOUT)


def read(by: str = REFERENT) -> Stored:
    return stored(AlertRead, 14, by, **ABOUT)


TELLING = (
    raised(),
    reopened(),
    disclosed(),
    cleared(),
    acknowledged(),
    answered(),
    disputed(),
    waived(),
    waiver_ended(),
    woken(),
    escalated(EscalationLevel.COORDINATOR, COORDINATION),
)
SILENT = (snoozed(), delivered(), read())


def alert_as_raised() -> Alert:
    alert: Alert | None = raised().event.mutate(None)
    assert alert is not None
    return alert
