"""What an agency may say of an alert, and what follows from it: pure decisions, tried in every state."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregate import Event, compartments_of
from domain.alert import Alert, ClearedBecause, Finding, Found, Recipient, Resolved, Role, Sees, decide
from domain.alert_commands import (
    Acknowledge,
    AlertAct,
    AlertCommand,
    AnswerAlert,
    Dispute,
    PutAside,
    Resume,
    Snooze,
    Waive,
)
from domain.alert_escalation import AlertEscalated, EscalationLevel, level_of
from domain.alert_pause import AlertWaived, WaiverCode
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
from domain.alert_steps import AlertAnswered
from domain.command import Act
from domain.errors import DomainError
from domain.pathway import SYSTEM
from domain.rules import Calendars

ALERT, PATHWAY = UUID(int=1), UUID(int=2)
FRIDAY = datetime(2026, 4, 3, 8, tzinfo=UTC)  # Easter Monday comes next.
DAY = timedelta(days=1)
OWNER, REFERENT, WATCHER, NOTIFIED = "owner", "referent", "watcher", "notified"
RECIPIENTS = (
    Recipient(OWNER, Role.ABLE_TO_ACT, Sees.CONTENT),
    Recipient(REFERENT, Role.REFERENT, Sees.CONTENT),
    Recipient(WATCHER, Role.WATCHER, Sees.CONTENT),
    Recipient(NOTIFIED, Role.ABLE_TO_ACT, Sees.NOTICE),
)
CALENDAR = Calendars().of("FR-34")
TEXT = "Parce que."
AGENCIES = (OWNER, REFERENT, WATCHER, NOTIFIED, "stranger")


def found(day: int, severity: str = "warning") -> Found:
    finding = Finding(pathway=PATHWAY, rule="silence-90", version=1, severity=severity, activation="x", at=FRIDAY)
    return Found(on=FRIDAY + day * DAY, known_at=day, finding=finding, recipients=RECIPIENTS)


def alert_of(*changes: Found | Resolved) -> Alert:
    alert: Alert | None = None
    for change in changes or (found(0),):
        event = decide(ALERT, alert, change)
        assert event is not None
        alert = event.mutate(alert)
    assert alert is not None
    return alert


def cleared(day: int) -> Resolved:
    return Resolved(on=FRIDAY + day * DAY, known_at=day, reason=ClearedBecause.DONE_LATE)


def act_of(agency: str = OWNER, after: timedelta = timedelta(), sees: Sees | None = None) -> AlertAct:
    at = FRIDAY + after
    known = Sees.NOTICE if agency == NOTIFIED else Sees.CONTENT
    return AlertAct(
        agency=agency, agent="agent-1", at=at, today=at.date(), calendar=CALENDAR, sees=known if sees is None else sees
    )


def done(alert: Alert, command: AlertCommand, act: AlertAct | None = None) -> list[Event]:
    command.decide(alert, act or act_of())
    return [event for event in alert.collect_events() if isinstance(event, Event)]


def test_to_acknowledge_holds_for_working_days_and_to_take_for_more() -> None:
    alert = alert_of()
    done(alert, Acknowledge())
    # Tuesday, Wednesday, Thursday: to midnight there.
    assert alert.response_of(OWNER).acknowledged_until == datetime(2026, 4, 9, 22, tzinfo=UTC)
    done(alert, AnswerAlert(answer=Answer.TAKING))
    assert alert.response_of(OWNER).acknowledged_until == datetime(2026, 4, 20, 22, tzinfo=UTC)
    assert alert.response_of(OWNER).acknowledged_at == FRIDAY
    critical = alert_of(found(0, severity="critical"))
    done(critical, Acknowledge())
    assert critical.response_of(OWNER).acknowledged_until == datetime(2026, 4, 7, 22, tzinfo=UTC)


def test_one_takes_it_at_a_time_and_may_give_it_up() -> None:
    alert = alert_of()
    done(alert, AnswerAlert(answer=Answer.TAKING))
    with pytest.raises(AlreadyTaken) as refused:
        done(alert, AnswerAlert(answer=Answer.TAKING), act_of(REFERENT))
    assert OWNER in refused.value.detail
    with pytest.raises(AlreadyTaken) as refused:
        done(alert, AnswerAlert(answer=Answer.TAKING), act_of(NOTIFIED))
    assert OWNER not in refused.value.detail
    done(alert, AnswerAlert(answer=Answer.NOT_CONCERNED, reason=TEXT))
    assert (alert.taken_by, alert.response_of(OWNER).acknowledged_until) == (None, None)
    done(alert, AnswerAlert(answer=Answer.TAKING), act_of(REFERENT))
    assert alert.taken_by == REFERENT


def test_who_takes_it_keeps_it_from_nobody_once_its_time_is_over() -> None:
    alert = alert_of()
    done(alert, AnswerAlert(answer=Answer.TAKING))
    with pytest.raises(AlreadyTaken):
        done(alert, AnswerAlert(answer=Answer.TAKING), act_of(REFERENT, 17 * DAY))
    done(alert, AnswerAlert(answer=Answer.TAKING), act_of(REFERENT, 18 * DAY))
    assert (alert.taken_by, alert.response_of(OWNER).answer) == (REFERENT, None)
    with pytest.raises(AlreadyTaken):
        done(alert, AnswerAlert(answer=Answer.TAKING), act_of(OWNER, 18 * DAY))


def test_a_bare_notice_takes_it_from_nobody_who_sees_what_it_is_about() -> None:
    alert = alert_of()
    done(alert, AnswerAlert(answer=Answer.TAKING), act_of(NOTIFIED))
    assert alert.taken_by == NOTIFIED
    done(alert, AnswerAlert(answer=Answer.TAKING), act_of(WATCHER))
    assert (alert.taken_by, alert.response_of(NOTIFIED).answer) == (WATCHER, None)
    with pytest.raises(AlreadyTaken):
        done(alert, AnswerAlert(answer=Answer.TAKING, reason=TEXT), act_of(NOTIFIED))


def test_the_same_again_is_nothing_new() -> None:
    alert, until = alert_of(), FRIDAY + 5 * DAY
    for command in (
        AnswerAlert(answer=Answer.IN_SUPPORT),
        Acknowledge(until=until),
        Snooze(until=until, reason=TEXT),
        Dispute(reason=Wrong.NOT_RELEVANT),
    ):
        assert len(done(alert, command)) == 1
        assert done(alert, command) == []


LATE = datetime(2026, 5, 11, 22, tzinfo=UTC)  # Ten working days after 23 April, two of May being holidays.


def test_what_it_lasts_until_is_kept_in_utc() -> None:
    until = FRIDAY + 10 * DAY
    elsewhere = until.astimezone(timezone(timedelta(hours=11)))
    alert = alert_of()
    done(alert, Acknowledge(until=elsewhere))
    done(alert, Snooze(until=elsewhere, reason=TEXT))
    done(alert, Waive(code=WaiverCode.EXEMPT, until=elsewhere, text=TEXT))
    own = alert.response_of(OWNER)
    kept = (own.acknowledged_until, own.snoozed_until, alert.waived_until)
    assert [str(instant) for instant in kept] == [str(until)] * 3


def test_said_again_once_its_time_is_over_it_holds_anew() -> None:
    alert = alert_of()
    for days in (0, 1, 20, 21):
        done(alert, AnswerAlert(answer=Answer.TAKING), act_of(after=days * DAY))
    assert (alert.version, alert.response_of(OWNER).acknowledged_until) == (3, LATE)


def test_a_new_revision_asks_everybody_again_and_leaves_the_waiver() -> None:
    alert = alert_of()
    done(alert, Waive(code=WaiverCode.EXEMPT, until=FRIDAY + 90 * DAY, text=TEXT))
    done(alert, AnswerAlert(answer=Answer.TAKING))
    for change in (cleared(1), found(2)):
        event = decide(ALERT, alert, change)
        assert event is not None
        alert = event.mutate(alert) or alert
    assert (alert.revision, alert.responses, alert.taken_by) == (2, {}, None)
    assert (alert.quiet, alert.waived_until) == (True, FRIDAY + 90 * DAY)
    done(alert, Resume(what=PutAside.WAIVER), act_of(REFERENT, 3 * DAY))
    assert (alert.quiet, alert.told_at) == (False, FRIDAY + 3 * DAY)


def test_a_waiver_ends_for_a_cleared_alert_too() -> None:
    alert = alert_of()
    done(alert, Waive(code=WaiverCode.EXEMPT, until=FRIDAY + 90 * DAY, text=TEXT))
    event = decide(ALERT, alert, cleared(1))
    assert event is not None
    event.mutate(alert)
    assert len(done(alert, Resume(what=PutAside.WAIVER), act_of(after=2 * DAY))) == 1
    with pytest.raises(AlertOver):
        done(alert, Resume(what=PutAside.SNOOZE), act_of(after=2 * DAY))


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (AnswerAlert(answer=Answer.NOT_CONCERNED), ReasonNeeded),
        (AnswerAlert(answer=Answer.TAKING, revision=2), OtherRevision),
        (Acknowledge(until=FRIDAY), NotInTheFuture),
        (Acknowledge(until=FRIDAY + 31 * DAY), TooFar),
        (Snooze(until=FRIDAY + 31 * DAY, reason=TEXT), TooFar),
        (Waive(code=WaiverCode.OTHER, until=FRIDAY + 367 * DAY, text=TEXT), TooFar),
        (Resume(what=PutAside.SNOOZE), NothingPutAside),
        (Resume(what=PutAside.WAIVER), NothingPutAside),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else type(each).__name__,
)
def test_is_refused(command: AlertCommand, refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        done(alert_of(), command)


def test_a_bare_notice_is_not_judged() -> None:
    for command in (
        Waive(code=WaiverCode.OTHER, until=FRIDAY + DAY, text=TEXT),
        Dispute(reason=Wrong.DATA_ERROR),
        Resume(what=PutAside.WAIVER),
    ):
        with pytest.raises(NoticeOnly):
            done(alert_of(), command, act_of(NOTIFIED))


def test_whoever_coordinates_is_concerned_by_what_came_to_the_coordinators_alone() -> None:
    alert = alert_of()
    act = act_of("metropole")
    with pytest.raises(UnknownAlert):
        done(alert, AnswerAlert(answer=Answer.TAKING), act)
    escalate(alert, EscalationLevel.COORDINATOR)
    assert level_of(alert) is EscalationLevel.COORDINATOR
    coordinator = msgspec.structs.replace(act, coordinates=True)
    done(alert, AnswerAlert(answer=Answer.TAKING), coordinator)
    assert alert.taken_by == "metropole"


def escalate(alert: Alert, level: EscalationLevel, *recipients: Recipient) -> None:
    nobody = Act(agency=SYSTEM, agent=None, at=FRIDAY, today=FRIDAY.date())
    alert.tell(AlertEscalated, nobody, level=level, severity="critical", recipients=recipients)
    alert.collect_events()


def test_whom_it_was_escalated_to_it_concerns_from_then_on() -> None:
    alert, called = alert_of(), Recipient("metropole", Role.COORDINATOR, Sees.NOTICE)
    escalate(alert, EscalationLevel.RULE, called, RECIPIENTS[0])
    assert alert.recipients == (*RECIPIENTS, called)
    assert (alert.severity, level_of(alert)) == ("critical", EscalationLevel.COORDINATOR)
    assert alert.answerable == {OWNER, "metropole"}


def test_what_is_told_says_whom_it_concerns_and_hides_what_was_written() -> None:
    [waived] = done(alert_of(), Waive(code=WaiverCode.OTHER, until=FRIDAY + DAY, text=TEXT))
    assert isinstance(waived, AlertWaived)
    assert (waived.concerned, waived.pathway, waived.rule, waived.revision) == (RECIPIENTS, PATHWAY, "silence-90", 1)
    assert compartments_of(AlertWaived)["text"] == compartments_of(AlertAnswered)["reason"] == "notes"


instants = st.integers(-2, 400).map(lambda days: FRIDAY + days * DAY)
commands: st.SearchStrategy[AlertCommand] = st.one_of(
    st.builds(Acknowledge, until=st.none() | instants),
    st.builds(AnswerAlert, answer=st.sampled_from(Answer), reason=st.none() | st.just(TEXT)),
    st.builds(Waive, code=st.sampled_from(WaiverCode), until=instants, text=st.just(TEXT)),
    st.builds(Snooze, until=instants, reason=st.just(TEXT)),
    st.builds(Resume, what=st.sampled_from(PutAside)),
    st.builds(Dispute, reason=st.sampled_from(Wrong), text=st.none() | st.just(TEXT)),
)
moves: st.SearchStrategy[Any] = st.tuples(st.sampled_from(AGENCIES), commands) | st.sampled_from(["clear", "find"])


@settings(max_examples=150)
@given(st.lists(moves, max_size=15))
def test_any_command_in_any_state_is_refused_whole_or_carried_out_whole(said: list[Any]) -> None:
    alert: Alert | None = None
    log: list[Event] = []
    for day, move in enumerate(["find", *said], start=1):
        alert, events = _moved(alert, move, day)
        log += events
    assert alert is not None
    again: Alert | None = None
    for event in log:
        again = event.mutate(again)
    assert again == alert
    holders = [agency for agency, each in alert.responses.items() if each.answer is Answer.TAKING]
    assert holders == ([] if alert.taken_by is None else [alert.taken_by])
    assert "stranger" not in alert.responses


def _moved(alert: Alert | None, move: Any, day: int) -> tuple[Alert | None, list[Event]]:
    if isinstance(move, str):
        event = decide(ALERT, alert, found(day) if move == "find" else cleared(day))
        return (alert, []) if event is None else (event.mutate(alert), [event])
    assert alert is not None
    agency, command = move
    version = alert.version
    try:
        return alert, done(alert, command, act_of(agency, day * DAY))
    except DomainError:
        assert (alert.version, alert.collect_events()) == (version, [])
        return alert, []
