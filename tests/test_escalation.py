"""What time does to an alert: who is called upon next and when, in the working days of the territory."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.alert import (
    Alert,
    ClearedBecause,
    Disclosed,
    Finding,
    Found,
    Recipient,
    Resolved,
    Role,
    Sees,
    alert_id_of,
    decide,
)
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import AlertSnoozed, AlertWaived, AlertWoken, WaiverCode, WokenBecause
from domain.alert_response import Answer
from domain.alert_steps import AlertAcknowledged, AlertAnswered, AlertStep
from domain.escalation import (
    Course,
    Rises,
    SnoozeEnds,
    Step,
    WaiverEnds,
    called_upon,
    event_of,
    next_step,
)
from domain.rules import Calendars
from domain.rules.rule import Escalation, Severity
from domain.rules.windows import parse_duration

CCAS, MISSION, HOUSING = "ccas-montpellier", "mission-locale", "siao-34"
PATHWAY = UUID("01890000-0000-7000-8000-000000000001")
TOLD = (
    Recipient(CCAS, Role.ACTING, Sees.CONTENT),
    Recipient(MISSION, Role.ABLE_TO_ACT, Sees.CONTENT),
    Recipient(HOUSING, Role.WATCHER, Sees.NOTICE),
)
CALENDARS = Calendars()
PARIS = Course(calendar=CALENDARS.of("FR-34"))
MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)


class Case:
    """An alert, and what is done to it one after another."""

    def __init__(
        self, severity: str = "warning", at: datetime = MONDAY, *, rule: str = "silence-90", untold: str = ""
    ) -> None:
        finding = Finding(pathway=PATHWAY, rule=rule, version=1, severity=severity, activation="fact-1")
        self._change(Found(on=at, known_at=1, finding=finding, recipients=TOLD), rule, untold)

    def _change(self, change: Found | Disclosed | Resolved, rule: str, untold: str = "") -> None:
        if untold:
            change = msgspec.structs.replace(change, **{untold: True})
        event = decide(alert_id_of(rule, PATHWAY, "fact-1"), getattr(self, "alert", None), change)
        assert event is not None
        self.alert: Alert = event.mutate(getattr(self, "alert", None))  # type: ignore[assignment]

    def disclosed(self, at: datetime) -> None:
        self._change(Disclosed(on=at, known_at=2), "silence-90")

    def cleared(self, at: datetime) -> None:
        self._change(Resolved(on=at, known_at=2, reason=ClearedBecause.DONE_LATE), "silence-90")

    def did(self, step: type[AlertStep], agency: str, at: datetime, **fields: Any) -> None:
        if "concerned" in step.__struct_fields__:
            fields["concerned"] = TOLD
        event = step(
            originator_id=self.alert.id,
            originator_version=self.alert.version + 1,
            timestamp=at,
            agency=agency,
            on=at,
            revision=self.alert.revision,
            pathway=PATHWAY,
            rule="silence-90",
            **fields,
        )
        self.alert = event.mutate(self.alert)  # type: ignore[assignment]

    def next(self, course: Course = PARIS, *beside: Alert) -> Step | None:
        return next_step(self.alert, beside, course)

    def passed(self, course: Course = PARIS, *beside: Alert) -> Step:
        """The next step, done when it is due."""
        step = self.next(course, *beside)
        assert step is not None
        called = called_upon(self.alert, step, [HOUSING], [CCAS, MISSION]) if isinstance(step, Rises) else ()
        self.alert = event_of(self.alert, step, step.due, called).mutate(self.alert)  # type: ignore[assignment]
        return step


def paris(year: int, month: int, day: int) -> datetime:
    """Midnight, where the territory is."""
    return datetime(year, month, day, tzinfo=CALENDARS.of("FR-34").tz).astimezone(UTC)


def rises(step: Step | None) -> tuple[datetime, str]:
    assert isinstance(step, Rises)
    return step.due, step.level.value


def test_it_goes_from_the_owner_to_its_lead_then_to_the_coordinator_then_no_further() -> None:
    """Three working days each: Monday's is the lead's on Thursday's last stroke of midnight."""
    case = Case()
    assert rises(case.passed()) == (paris(2026, 1, 9), "lead")
    assert rises(case.passed()) == (paris(2026, 1, 15), "coordinator")
    assert case.next() is None


def test_pause_after_pause_holds_it_back_for_sixty_days_and_no_longer() -> None:
    """By acknowledging, by putting it aside again and again, by taking it anew."""
    day = timedelta(days=1)
    pauses: dict[type[AlertStep], dict[str, Any]] = {
        AlertAcknowledged: {},
        AlertSnoozed: {},
        AlertAnswered: {"answer": Answer.TAKING},
    }
    for step, fields in pauses.items():
        case = Case("critical")
        for after in range(0, 90, 29):
            at = MONDAY + after * day
            if step is AlertSnoozed and after:
                case.did(AlertWoken, MISSION, at, of=MISSION, because=WokenBecause.ASKED)
            case.did(step, MISSION, at, until=at + 30 * day, **fields)
        assert rises(case.next()) == (paris(2026, 3, 10), "lead"), step


def test_what_is_critical_goes_up_after_one_working_day() -> None:
    case = Case("critical")
    assert rises(case.passed()) == (paris(2026, 1, 7), "lead")
    assert rises(case.passed()) == (paris(2026, 1, 9), "coordinator")


def test_what_is_only_for_information_never_goes_up() -> None:
    assert Case("info").next() is None


@pytest.mark.parametrize(
    ("raised", "due"),
    [
        (datetime(2026, 3, 27, 9, tzinfo=UTC), paris(2026, 3, 31)),  # Friday before summer time begins.
        (datetime(2026, 10, 23, 9, tzinfo=UTC), paris(2026, 10, 27)),  # Friday before it ends.
        (datetime(2026, 4, 30, 9, tzinfo=UTC), paris(2026, 5, 5)),  # 1 May is a Friday off.
        (datetime(2026, 12, 24, 22, 59, tzinfo=UTC), paris(2026, 12, 29)),  # Christmas, then a week-end.
        (datetime(2026, 1, 5, 23, 30, tzinfo=UTC), paris(2026, 1, 8)),  # Tuesday already, in Paris.
    ],
)
def test_days_are_the_working_days_of_the_territory(raised: datetime, due: datetime) -> None:
    assert rises(Case("critical", raised).next()) == (due, "lead")


def test_overseas_it_is_another_midnight() -> None:
    reunion = Course(calendar=CALENDARS.of("FR-974"))
    assert rises(Case("critical").next(reunion))[0] == datetime(2026, 1, 6, 20, tzinfo=UTC)


def test_acknowledged_it_waits_until_the_acknowledgement_times_out_then_counts_again() -> None:
    case = Case()
    case.did(AlertAcknowledged, MISSION, MONDAY, until=paris(2026, 1, 12))
    assert rises(case.next()) == (paris(2026, 1, 16), "lead")


def test_only_those_who_should_act_can_hold_it_back() -> None:
    case = Case()
    case.did(AlertAcknowledged, CCAS, MONDAY, until=paris(2026, 1, 12))
    assert rises(case.next()) == (paris(2026, 1, 9), "lead")
    case.did(AlertAnswered, CCAS, MONDAY, answer=Answer.TAKING, until=paris(2026, 1, 12))
    assert rises(case.next()) == (paris(2026, 1, 16), "lead")


def test_when_every_owner_says_that_it_is_not_concerned_nobody_is_waited_for() -> None:
    case, tuesday = Case(), MONDAY + timedelta(days=1)
    case.did(AlertAnswered, MISSION, tuesday, answer=Answer.NOT_CONCERNED)
    assert rises(case.passed()) == (tuesday, "lead")
    assert rises(case.next()) == (paris(2026, 1, 10), "coordinator")


def test_snoozed_by_an_owner_it_waits_and_comes_back_by_itself() -> None:
    case, until = Case(), paris(2026, 1, 19)
    case.did(AlertSnoozed, MISSION, MONDAY, until=until)
    assert case.passed() == SnoozeEnds(until, MISSION, WokenBecause.DUE)
    assert rises(case.next()) == (paris(2026, 1, 23), "lead")


def test_snoozed_by_a_watcher_it_goes_up_all_the_same() -> None:
    case = Case()
    case.did(AlertSnoozed, HOUSING, MONDAY, until=paris(2026, 1, 19))
    assert rises(case.passed()) == (paris(2026, 1, 9), "lead")


def test_a_snooze_does_not_outlive_something_graver_on_the_same_pathway() -> None:
    case, tuesday = Case(), MONDAY + timedelta(days=1)
    case.did(AlertSnoozed, MISSION, MONDAY, until=paris(2026, 1, 19))
    graver, same = Case("critical", tuesday, rule="other").alert, Case("warning", tuesday, rule="another").alert
    assert case.next(PARIS, same) == SnoozeEnds(paris(2026, 1, 19), MISSION, WokenBecause.DUE)
    assert case.next(PARIS, same, graver) == SnoozeEnds(tuesday, MISSION, WokenBecause.GRAVER)


def test_what_was_graver_before_the_snooze_ends_it_not() -> None:
    case, tuesday = Case(), MONDAY + timedelta(days=1)
    graver = Case("critical", MONDAY, rule="other").alert
    case.did(AlertSnoozed, MISSION, tuesday, until=paris(2026, 1, 19))
    assert case.next(PARIS, graver) == SnoozeEnds(paris(2026, 1, 19), MISSION, WokenBecause.DUE)


@pytest.mark.parametrize("untold", ["quiet", "hidden"])
def test_a_snooze_does_not_betray_what_its_agency_was_not_told(untold: str) -> None:
    case = Case()
    case.did(AlertSnoozed, MISSION, MONDAY, until=paris(2026, 1, 19))
    graver = Case("critical", MONDAY + timedelta(days=1), rule="other", untold=untold).alert
    assert case.next(PARIS, graver) == SnoozeEnds(paris(2026, 1, 19), MISSION, WokenBecause.DUE)
    elsewhere = Case("critical", MONDAY + timedelta(days=1), rule="other").alert
    elsewhere.recipients = (Recipient(CCAS, Role.ACTING, Sees.CONTENT),)
    assert case.next(PARIS, elsewhere) == SnoozeEnds(paris(2026, 1, 19), MISSION, WokenBecause.DUE)


def growing(*steps: tuple[str, str, str | None]) -> Course:
    growth = [Escalation(after=parse_duration(after), to=Severity(to), notify=notify) for after, to, notify in steps]
    return msgspec.structs.replace(PARIS, growth=growth)


def test_as_its_rule_says_it_grows_and_calls_upon_whom_the_rule_names() -> None:
    case, course = Case("info"), growing(("5bd", "warning", None), ("10bd", "critical", "coordinator"))
    assert case.passed(course) == Rises(paris(2026, 1, 13), EscalationLevel.RULE, "warning", None)
    assert rises(case.passed(course)) == (paris(2026, 1, 13), "lead")  # Counted from when it was raised.
    assert rises(case.passed(course)) == (paris(2026, 1, 17), "coordinator")
    assert rises(case.passed(course)) == (paris(2026, 1, 20), "rule")
    assert case.next(course) is None
    assert case.alert.severity == "critical"
    assert case.alert.recipient(HOUSING) == Recipient(HOUSING, Role.WATCHER, Sees.NOTICE)


def test_a_rung_that_the_rule_has_reached_is_not_climbed_again() -> None:
    case, course = Case(), growing(("1bd", "critical", "coordinator"))
    assert rises(case.passed(course)) == (paris(2026, 1, 7), "rule")
    assert case.next(course) is None


def test_growing_ends_the_snooze_of_everybody() -> None:
    case, course = Case(), growing(("1bd", "critical", None))
    case.did(AlertSnoozed, MISSION, MONDAY, until=paris(2026, 1, 19))
    assert rises(case.passed(course)) == (paris(2026, 1, 7), "rule")
    assert case.passed(course) == SnoozeEnds(paris(2026, 1, 7), MISSION, WokenBecause.GRAVER)


def test_acknowledging_does_not_stop_it_from_growing() -> None:
    case, course = Case(), growing(("1bd", "critical", None))
    case.did(AlertAcknowledged, MISSION, MONDAY, until=paris(2026, 1, 19))
    assert rises(case.next(course)) == (paris(2026, 1, 7), "rule")


def test_while_it_is_waived_nothing_happens_and_then_it_counts_again() -> None:
    case, until = Case(), paris(2026, 2, 2)
    case.did(AlertWaived, CCAS, MONDAY, code=WaiverCode.AGREED_DELAY, until=until)
    course = growing(("1bd", "critical", None))
    assert case.passed(course) == WaiverEnds(until)
    assert case.passed(course) == Rises(until, EscalationLevel.RULE, "critical", None)
    assert rises(case.next(course)) == (paris(2026, 2, 4), "lead")


def test_of_a_waived_alert_that_is_cleared_the_waiver_still_ends() -> None:
    case, until = Case(), paris(2026, 2, 2)
    case.did(AlertWaived, CCAS, MONDAY, code=WaiverCode.AGREED_DELAY, until=until)
    case.cleared(MONDAY + timedelta(days=1))
    assert case.passed() == WaiverEnds(until)
    assert case.next() is None


@pytest.mark.parametrize("untold", ["quiet", "hidden"])
def test_of_what_nobody_was_told_nobody_is_asked(untold: str) -> None:
    assert Case(untold=untold).next() is None


def test_while_another_alert_explains_it_it_reminds_nobody() -> None:
    case, parent = Case(), Case(rule="parent")
    course = msgspec.structs.replace(PARIS, inhibited_by=("parent",))
    assert case.next(course, parent.alert) is None
    assert rises(case.next(course)) == (paris(2026, 1, 9), "lead")
    assert rises(case.next(course, Case(rule="parent", untold="hidden").alert)) == (paris(2026, 1, 9), "lead")


def test_disclosed_it_counts_from_then_on() -> None:
    case = Case(untold="hidden")
    case.disclosed(MONDAY + timedelta(days=7))
    assert rises(case.next()) == (paris(2026, 1, 16), "lead")


def test_cleared_it_ends() -> None:
    case = Case()
    case.cleared(MONDAY + timedelta(days=1))
    assert case.next() is None


def test_processed_late_the_next_in_line_still_has_all_of_its_time() -> None:
    """Nobody is passed over because the service was stopped for two weeks."""
    case, late = Case(), MONDAY + timedelta(days=14)
    step = case.next()
    assert isinstance(step, Rises)
    event = event_of(case.alert, step, late, called_upon(case.alert, step, [], []))
    case.alert = event.mutate(case.alert)  # type: ignore[assignment]
    assert (event.on, event.timestamp) == (paris(2026, 1, 9), late)
    assert rises(case.next()) == (paris(2026, 1, 23), "coordinator")


def test_content_is_only_for_who_takes_part_whatever_the_level() -> None:
    case = Case()
    case.passed()
    step = case.next()
    assert isinstance(step, Rises)
    assert called_upon(case.alert, step, ["metropole", CCAS], [CCAS]) == (
        Recipient(CCAS, Role.COORDINATOR, Sees.CONTENT),
        Recipient("metropole", Role.COORDINATOR, Sees.NOTICE),
    )


def test_where_no_coordinator_is_named_it_is_recorded_all_the_same() -> None:
    case = Case()
    case.passed()
    step = case.next()
    assert isinstance(step, Rises)
    event = event_of(case.alert, step, step.due, called_upon(case.alert, step, [], []))
    assert isinstance(event, AlertEscalated)
    assert event.recipients == ()


def test_a_step_says_who_did_it_and_of_which_revision() -> None:
    case = Case()
    case.did(AlertSnoozed, MISSION, MONDAY, until=MONDAY + timedelta(days=1))
    step = case.next()
    assert step is not None
    event = event_of(case.alert, step, MONDAY + timedelta(days=1))
    assert isinstance(event, AlertWoken)
    assert (event.agency, event.revision, event.of, event.rule) == ("unisson", 1, MISSION, "silence-90")


def test_a_decreed_day_off_moves_it() -> None:
    bridge = CALENDARS.with_days_off("FR-34", "2026-2", added=[date(2026, 1, 6)])
    moved = Course(calendar=bridge.of("FR-34"))
    assert rises(Case("critical").next(moved))[0] == paris(2026, 1, 8)


def test_refused_by_all_while_it_is_waived_it_rises_when_the_waiver_ends() -> None:
    case, end = Case(), MONDAY + timedelta(days=1)
    case.did(AlertWaived, CCAS, MONDAY, code=WaiverCode.AGREED_DELAY, until=end)
    case.did(AlertAnswered, MISSION, MONDAY, answer=Answer.NOT_CONCERNED)
    case.passed()
    assert rises(case.next()) == (end, "lead")


def test_refused_by_all_who_should_act_it_is_still_left_to_who_took_it() -> None:
    case, end = Case(), MONDAY + timedelta(days=10)
    case.did(AlertAnswered, CCAS, MONDAY, answer=Answer.TAKING, until=end)
    case.did(AlertAnswered, MISSION, MONDAY, answer=Answer.NOT_CONCERNED)
    assert rises(case.next()) == (end, "lead")


ACTS = st.lists(
    st.tuples(
        st.sampled_from([CCAS, MISSION, HOUSING]),
        st.sampled_from(["acknowledge", "take", "refuse", "snooze", "waive"]),
        st.integers(0, 30),
        st.integers(1, 40),
    ),
    max_size=8,
)


@given(acts=ACTS, severity=st.sampled_from(Severity), grows=st.booleans())
@example(acts=[(CCAS, "waive", 0, 1), (MISSION, "refuse", 0, 1)], severity=Severity.WARNING, grows=False)
def test_whatever_people_do_it_comes_to_an_end_in_order_and_calls_upon_nobody_twice(
    acts: list[tuple[str, str, int, int]], severity: Severity, grows: bool
) -> None:
    case, now = Case(severity), MONDAY
    course = growing(("2bd", "warning", None), ("4bd", "critical", "coordinator")) if grows else PARIS
    dues: list[datetime] = []
    for agency, act, after, length in sorted(acts, key=lambda each: each[2]):
        now = max(now, MONDAY + timedelta(days=after))
        dues += until(case, course, now)
        done_by(case, agency, act, now, now + timedelta(days=length))
    dues += until(case, course, MONDAY + timedelta(days=1000))
    assert dues == sorted(dues)
    assert case.next(course) is None
    levels = [step.level for step in case.alert.escalated]
    assert levels.count(EscalationLevel.LEAD) <= 1
    assert levels.count(EscalationLevel.COORDINATOR) <= 1
    assert levels.count(EscalationLevel.RULE) == (2 if grows else 0)
    assert severity is Severity.INFO or EscalationLevel.COORDINATOR in levels or grows


def until(case: Case, course: Course, now: datetime) -> list[datetime]:
    """All that is due by then, done when it was due."""
    dues = []
    while (step := case.next(course)) is not None and step.due <= now:
        dues.append(case.passed(course).due)
    return dues


def done_by(case: Case, agency: str, act: str, now: datetime, later: datetime) -> None:
    match act:
        case "acknowledge":
            case.did(AlertAcknowledged, agency, now, until=later)
        case "take":
            case.did(AlertAnswered, agency, now, answer=Answer.TAKING, until=later)
        case "refuse":
            case.did(AlertAnswered, agency, now, answer=Answer.NOT_CONCERNED)
        case "snooze":
            case.did(AlertSnoozed, agency, now, until=later)
        case "waive":
            case.did(AlertWaived, agency, now, code=WaiverCode.AGREED_DELAY, until=later)
