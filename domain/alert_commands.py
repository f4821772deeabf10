"""What an agency may do about an alert. Each command is the body of its HTTP request and knows how to decide."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

import msgspec

from domain.alert import Alert, AlertStatus, Sees
from domain.alert_pause import (
    AlertSnoozed,
    AlertWaived,
    AlertWaiverEnded,
    AlertWoken,
    WaiverCode,
    WaiverEnd,
    WokenBecause,
)
from domain.alert_refusals import (
    AlertOver,
    AlreadyTaken,
    NothingPutAside,
    NoticeOnly,
    NotInTheFuture,
    OtherRevision,
    ReasonNeeded,
    TooFar,
    UnknownAlert,
)
from domain.alert_response import Answer, Wrong
from domain.alert_steps import AlertAcknowledged, AlertAnswered, AlertDisputed
from domain.command import Act, Instant, Text
from domain.rules.calendars import Calendar
from domain.rules.instants import instant_of, moment_of
from domain.rules.rule import Severity
from domain.rules.windows import Duration, Unit, day_close, shift_day

SNOOZED_FOR_MAX = timedelta(days=30)
ACKNOWLEDGED_FOR_MAX = timedelta(days=30)
WAIVED_FOR_MAX = timedelta(days=366)

ACKNOWLEDGED_WORKING_DAYS: Mapping[str, int] = MappingProxyType(
    {Severity.CRITICAL: 1, Severity.WARNING: 3, Severity.INFO: 5}
)
"""By severity: how long taking notice, or helping, is enough."""
TAKEN_WORKING_DAYS: Mapping[str, int] = MappingProxyType(
    {Severity.CRITICAL: 3, Severity.WARNING: 10, Severity.INFO: 20}
)
"""By severity: how long whoever takes it is left alone."""

Revision = Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="That was seen; refused once there is another.")]


class AlertAct(Act, frozen=True, kw_only=True):
    """Who acts on an alert, when, and how much of it they may know."""

    calendar: Calendar
    sees: Sees
    """Asked just now of the pathway, whatever the alert once said."""
    coordinates: bool = False
    """A coordinator, of an alert that was escalated to them: concerned whichever agency they act for."""

    def is_concerned_by(self, alert: Alert) -> bool:
        return not alert.erased and (self.coordinates or alert.recipient(self.agency) is not None)


class AlertCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request about one alert. `decide` triggers events or raises a DomainError; it never does both."""

    revision: Revision | None = None

    def decide(self, alert: Alert, act: AlertAct) -> None:
        raise NotImplementedError  # pragma: no cover

    def must_stand(self, alert: Alert, act: AlertAct) -> None:
        """Raises UnknownAlert, AlertOver, OtherRevision."""
        if not act.is_concerned_by(alert):
            raise UnknownAlert
        if alert.status is AlertStatus.CLEARED:
            raise AlertOver
        if self.revision not in (None, alert.revision):
            raise OtherRevision(alert.revision)


class Acknowledge(AlertCommand, frozen=True, kw_only=True):
    """Say that you have taken notice: your silence does not escalate until then, by default a few working days."""

    until: Instant | None = None

    def decide(self, alert: Alert, act: AlertAct) -> None:
        self.must_stand(alert, act)
        until = self.until or _working_days(act, ACKNOWLEDGED_WORKING_DAYS[alert.severity])
        until = _must_come_within(until, act, ACKNOWLEDGED_FOR_MAX)
        if alert.response_of(act.agency).acknowledged_until != until:
            alert.tell(AlertAcknowledged, act, until=until)


class AnswerAlert(AlertCommand, frozen=True, kw_only=True):
    """Say what you do about it: you take it, you are in support, or, with a reason, you are not concerned.

    One agency takes it at a time, for as long as that holds. A later answer replaces your earlier one.
    """

    answer: Answer
    reason: Text | None = None

    def decide(self, alert: Alert, act: AlertAct) -> None:
        self.must_stand(alert, act)
        if self.answer is Answer.NOT_CONCERNED and self.reason is None:
            raise ReasonNeeded(field="/reason")
        if self.answer is Answer.TAKING and _is_held_against(alert, act):
            raise AlreadyTaken(by=alert.taken_by if act.sees is Sees.CONTENT else None)
        if self.reason is not None or not self._holds_already(alert, act):
            alert.tell(AlertAnswered, act, answer=self.answer, until=self._until(alert, act), reason=self.reason)

    def _holds_already(self, alert: Alert, act: AlertAct) -> bool:
        """Said again once its time is over, it holds anew."""
        before = alert.response_of(act.agency)
        until = before.acknowledged_until
        in_time = self.answer is Answer.NOT_CONCERNED or (until is not None and act.at < until)
        return before.answer is self.answer and in_time

    def _until(self, alert: Alert, act: AlertAct) -> datetime | None:
        match self.answer:
            case Answer.TAKING:
                return _working_days(act, TAKEN_WORKING_DAYS[alert.severity])
            case Answer.IN_SUPPORT:
                return _working_days(act, ACKNOWLEDGED_WORKING_DAYS[alert.severity])
            case Answer.NOT_CONCERNED:
                return None


class Waive(AlertCommand, frozen=True, kw_only=True):
    """Say why it is right that nothing is done, until a date within a year. Everybody concerned is told."""

    code: WaiverCode
    until: Instant
    text: Text

    def decide(self, alert: Alert, act: AlertAct) -> None:
        self.must_stand(alert, act)
        _must_see_content(act)
        until = _must_come_within(self.until, act, WAIVED_FOR_MAX)
        alert.tell(AlertWaived, act, code=self.code, until=until, text=self.text)


class Snooze(AlertCommand, frozen=True, kw_only=True):
    """Put it aside, for your agency alone, until a date within thirty days. It comes back by itself."""

    until: Instant
    reason: Text

    def decide(self, alert: Alert, act: AlertAct) -> None:
        self.must_stand(alert, act)
        until = _must_come_within(self.until, act, SNOOZED_FOR_MAX)
        if alert.response_of(act.agency).snoozed_until != until:
            alert.step(AlertSnoozed, act, until=until, reason=self.reason)


class PutAside(StrEnum):
    SNOOZE = "snooze"  # One's own.
    WAIVER = "waiver"


class Resume(AlertCommand, frozen=True, kw_only=True):
    """End your snooze, or the waiver, before its time."""

    what: PutAside

    def decide(self, alert: Alert, act: AlertAct) -> None:
        if self.what is PutAside.SNOOZE:
            self.must_stand(alert, act)
            if alert.response_of(act.agency).snoozed_until is None:
                raise NothingPutAside
            alert.step(AlertWoken, act, of=act.agency, because=WokenBecause.ASKED)
            return
        if not act.is_concerned_by(alert):
            raise UnknownAlert
        _must_see_content(act)
        if not alert.is_waived(act.at):
            raise NothingPutAside
        alert.tell(AlertWaiverEnded, act, because=WaiverEnd.WITHDRAWN)


class Dispute(AlertCommand, frozen=True, kw_only=True):
    """Say that this alert is wrong, and why. It stands until the facts or the rule are put right."""

    reason: Wrong
    text: Text | None = None

    def decide(self, alert: Alert, act: AlertAct) -> None:
        self.must_stand(alert, act)
        _must_see_content(act)
        if alert.response_of(act.agency).disputed is not self.reason or self.text is not None:
            alert.tell(AlertDisputed, act, reason=self.reason, text=self.text)


def _is_held_against(alert: Alert, act: AlertAct) -> bool:
    """By another agency. Once its time is over it holds nothing; and a bare notice, nothing against who sees more."""
    if alert.taken_by in (None, act.agency):
        return False
    until = alert.response_of(alert.taken_by).acknowledged_until
    taker = alert.recipient(alert.taken_by)
    outranked = act.sees is Sees.CONTENT and taker is not None and taker.sees is Sees.NOTICE
    return until is not None and act.at < until and not outranked


def _must_see_content(act: AlertAct) -> None:
    if act.sees is not Sees.CONTENT:
        raise NoticeOnly


def _must_come_within(until: datetime, act: AlertAct, longest: timedelta) -> datetime:
    """The instant in UTC."""
    if until <= act.at:
        raise NotInTheFuture(field="/until")
    if until > act.at + longest:
        raise TooFar(field="/until", days_most=longest.days)
    return until.astimezone(UTC)


def _working_days(act: AlertAct, days: int) -> datetime:
    """The end of the last of so many working days, today excluded, as deadlines are counted."""
    today = act.calendar.day_of(instant_of(act.at))
    last = shift_day(today, Duration(days, Unit.BUSINESS_DAYS), act.calendar)
    until = moment_of(day_close(last, act.calendar).instant)
    assert until is not None, "a few days from now there is a calendar still"
    return until
