"""What time does to an alert: the next thing due, worked out from the alert alone, and the event that it makes.

Nothing is trusted but the alert as it stands: a timer only says when to look. docs/explanation/escalation.md tells why.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from domain.alert import Alert, AlertStatus, Recipient, Role, Sees
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import AlertWaiverEnded, AlertWoken, WaiverEnd, WokenBecause
from domain.alert_response import Answer
from domain.pathway import SYSTEM
from domain.rules.calendars import Calendar
from domain.rules.instants import instant_of, moment_of
from domain.rules.rule import AGENCY_LEAD, COORDINATOR, Escalation, Severity
from domain.rules.windows import Duration, Unit, day_close, shift_day

GRAVITY: Mapping[str, int] = {severity.value: rank for rank, severity in enumerate(Severity)}


class Rung(msgspec.Struct, frozen=True):
    """Whose turn it is after so long without an answer."""

    level: EscalationLevel
    after: Duration


Ladder: TypeAlias = Mapping[str, tuple[Rung, ...]]
"""By severity, lowest rung first."""


def _two_rungs(after: Duration) -> tuple[Rung, ...]:
    return Rung(EscalationLevel.LEAD, after), Rung(EscalationLevel.COORDINATOR, after)


LADDER: Ladder = MappingProxyType(
    {
        Severity.CRITICAL.value: _two_rungs(Duration(1, Unit.BUSINESS_DAYS)),
        Severity.WARNING.value: _two_rungs(Duration(3, Unit.BUSINESS_DAYS)),
        Severity.INFO.value: (),
    }
)


HELD_MOST = timedelta(days=60)
"""However often it is acknowledged, taken or put aside: only a waiver, of which all are told, holds a rung longer."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert goes by."""

    calendar: Calendar
    growth: Sequence[Escalation] = ()
    """As its rule lays down."""
    inhibited_by: Collection[str] = ()
    """Rules whose alerts explain this one: while one of them stands on the pathway, this one reminds nobody."""
    asleep: bool = False
    """Its pathway is closed or suspended, and its rule ends there: what was missed stays missed, nobody is reminded."""
    ladder: Ladder = LADDER


class WaiverEnds(msgspec.Struct, frozen=True):
    due: datetime


class SnoozeEnds(msgspec.Struct, frozen=True):
    due: datetime
    of: str
    because: WokenBecause


class Rises(msgspec.Struct, frozen=True):
    """To the next rung, or as its rule says."""

    due: datetime
    level: EscalationLevel
    severity: str
    notify: str | None
    """COORDINATOR, AGENCY_LEAD, an agency, or nobody more."""


Step: TypeAlias = WaiverEnds | SnoozeEnds | Rises


def next_step(alert: Alert, beside: Iterable[Alert], course: Course) -> Step | None:
    """What comes next if nobody does anything; it may be long due. None: nothing ever.

    `beside` are the other alerts of the same pathway.
    """
    return min(_steps(alert, list(beside), course), key=lambda step: step.due, default=None)


def _steps(alert: Alert, beside: Sequence[Alert], course: Course) -> Iterator[Step]:
    if alert.erased or alert.finding is None:
        return
    if alert.waived_until is not None:
        yield WaiverEnds(alert.waived_until)
    if alert.status is AlertStatus.CLEARED:
        return
    yield from _wakings(alert, beside)
    explained = any(is_told(other) and _rule_of(other) in course.inhibited_by for other in beside)
    if alert.waived_until is None and is_told(alert) and not explained and not course.asleep:
        yield from _growth(alert, course)
        yield from _climb(alert, course)


def is_told(alert: Alert) -> bool:
    """Open, and its recipients know: nothing else can be waited for."""
    return alert.status is AlertStatus.OPEN and not (alert.quiet or alert.hidden or alert.erased)


def _rule_of(alert: Alert) -> str:
    return "" if alert.finding is None else alert.finding.rule


def _wakings(alert: Alert, beside: Sequence[Alert]) -> Iterator[SnoozeEnds]:
    """When it is due, and no later than something graver of which that agency was told."""
    for agency in sorted(alert.responses):
        response = alert.responses[agency]
        if response.snoozed_until is None or response.snoozed_at is None:
            continue
        yield SnoozeEnds(response.snoozed_until, agency, WokenBecause.DUE)
        snoozed = _gravity_at(alert, response.snoozed_at)
        told = [other for other in beside if is_told(other) and other.recipient(agency) is not None]
        for other in (alert, *told):
            since = _graver_since(other, snoozed)
            if since is not None and since > response.snoozed_at:
                yield SnoozeEnds(since, agency, WokenBecause.GRAVER)


def _gravity_at(alert: Alert, at: datetime) -> int:
    assert alert.finding is not None
    grown = [step.severity for step in alert.escalated if step.on <= at]
    return GRAVITY[grown[-1] if grown else alert.finding.severity]


def _graver_since(alert: Alert, than: int) -> datetime | None:
    """When its recipients had to do with something graver; None: they have not."""
    assert alert.finding is not None
    if GRAVITY[alert.finding.severity] > than:
        return alert.told_at
    return next((step.on for step in alert.escalated if GRAVITY[step.severity] > than), None)


def _growth(alert: Alert, course: Course) -> Iterator[Rises]:
    """The next step that the rule lays down. Whatever anybody answered: time passes for the person too."""
    assert alert.told_at is not None
    done = sum(step.level is EscalationLevel.RULE for step in alert.escalated)
    steps = [(due, step) for step in course.growth if (due := _after(alert.told_at, step.after, course.calendar))]
    for due, step in sorted(steps, key=lambda each: each[0])[done : done + 1]:
        severity = max(step.to.value, alert.severity, key=lambda each: GRAVITY[each])
        yield Rises(max(due, alert.waits_since or due), EscalationLevel.RULE, severity, step.notify)


def _climb(alert: Alert, course: Course) -> Iterator[Rises]:
    """The rung above the highest reached; its days are counted from the last time that somebody was waited for."""
    rungs = course.ladder[alert.severity]
    reached = _reached(alert)
    above = [rung for rung in rungs if rung.level not in reached]
    if EscalationLevel.COORDINATOR in reached or not above:
        return
    rung = above[0]
    refused, since = None if reached else _refused_by_all(alert), _waits_since(alert)
    due = max(refused, since) if refused else _after(since, rung.after, course.calendar)
    if due is not None:
        due = max([due, *(step.on for step in alert.escalated)])
        notify = COORDINATOR if rung.level is EscalationLevel.COORDINATOR else AGENCY_LEAD
        yield Rises(due, rung.level, alert.severity, notify)


def _reached(alert: Alert) -> set[EscalationLevel]:
    """Rungs that were climbed, be it by a step of the rule."""
    reached: set[EscalationLevel] = {step.level for step in alert.escalated if step.level is not EscalationLevel.RULE}
    for step in alert.escalated:
        called = {one.agency for one in step.recipients}
        if any(one.role is Role.COORDINATOR for one in step.recipients):
            reached.add(EscalationLevel.COORDINATOR)
        elif called and called <= set(alert.owners):
            reached.add(EscalationLevel.LEAD)
    return reached


def _refused_by_all(alert: Alert) -> datetime | None:
    """When the last of the owners said that it is not concerned: then there is nobody left to wait for."""
    responses = [alert.response_of(owner) for owner in alert.owners]
    if not responses or any(each.answer is not Answer.NOT_CONCERNED for each in responses):
        return None
    return max((each.answered_at for each in responses if each.answered_at is not None), default=None)


def _waits_since(alert: Alert) -> datetime:
    """The end of the last pause, or when the alert was told or last rose; pauses on pauses do not go on for ever."""
    assert alert.waits_since is not None
    assert alert.rung_since is not None
    return min(max([alert.waits_since, *_pauses(alert)]), alert.rung_since + HELD_MOST)


def _pauses(alert: Alert) -> Iterator[datetime]:
    """Until when somebody who should act, or took it, is to be left alone."""
    for agency, response in alert.responses.items():
        called = agency in alert.answerable
        if response.acknowledged_until is not None and (called or response.answer is Answer.TAKING):
            yield response.acknowledged_until
        if response.snoozed_until is not None and called:
            yield response.snoozed_until


def _after(since: datetime, span: Duration, calendar: Calendar) -> datetime | None:
    """The end of the last of so many days, the day of `since` excluded, as deadlines are counted. None: never."""
    if span.unit is None:
        return None
    instant = instant_of(since)
    if span.is_exact:
        return moment_of(instant + span.exact)
    return moment_of(day_close(shift_day(calendar.day_of(instant), span, calendar), calendar).instant)


def called_upon(
    alert: Alert, step: Rises, coordinators: Collection[str], participants: Collection[str]
) -> tuple[Recipient, ...]:
    """Whom a step calls upon. Content is only for who takes part in the pathway, whatever the level."""
    if step.notify is None:
        return ()
    if step.notify == AGENCY_LEAD:
        return tuple(one for one in alert.recipients if one.agency in alert.owners)
    if step.notify == COORDINATOR:
        agencies, role = sorted(coordinators), Role.COORDINATOR
    else:
        agencies, role = [step.notify], Role.WATCHER
    return tuple(
        Recipient(agency, role, Sees.CONTENT if agency in participants else Sees.NOTICE) for agency in agencies
    )


def event_of(
    alert: Alert, step: Step, now: datetime, called: tuple[Recipient, ...] = ()
) -> AlertWaiverEnded | AlertWoken | AlertEscalated:
    """True from when it was due, though it be known only `now`."""
    assert alert.finding is not None
    common: dict[str, Any] = {
        "originator_id": alert.id,
        "originator_version": alert.version + 1,
        "timestamp": now,
        "agency": SYSTEM,
        "on": step.due,
        "revision": alert.revision,
        "pathway": alert.finding.pathway,
        "rule": alert.finding.rule,
    }
    match step:
        case WaiverEnds():
            return AlertWaiverEnded(**common, concerned=alert.recipients, because=WaiverEnd.EXPIRED)
        case SnoozeEnds():
            return AlertWoken(**common, of=step.of, because=step.because)
        case Rises():
            return AlertEscalated(
                **common, concerned=alert.recipients, level=step.level, severity=step.severity, recipients=called
            )
