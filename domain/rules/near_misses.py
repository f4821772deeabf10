"""Near misses: facts that would have counted, had they not failed exactly one test. They say why nothing was found."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from domain.facts import Fact
from domain.rules.instants import iso_duration
from domain.rules.obligation import NearMiss
from domain.rules.plan import Sought
from domain.rules.timeline import Placed, Timeline, order_of
from domain.rules.values import Scope, field_of, key_of
from domain.rules.where import Condition, found_in

if TYPE_CHECKING:
    from domain.rules.case import Case

SHOWN_MAX = 3
WINDOW = "window"
STATE = "state"


def near_misses(timeline: Timeline, case: "Case", used: Sequence[Placed]) -> tuple[NearMiss, ...]:
    """At most three, those in the window or nearest to it first."""
    sought, scope = case.plan.sought[case.plan.target], case.scope
    skipped = {case.activation.fact.fact_id, *(placed.fact.fact_id for placed in used)}
    found: list[tuple[int, tuple[int, int, str], str, Placed]] = []
    for target in timeline.of_types(sought.filter.types, sought.filter.at):
        if target.fact.fact_id in skipped:
            continue
        failed = _only_failure(sought, case, scope, target)
        if failed is not None:
            found.append((_distance(case, target), order_of(target), failed, target))
    found.sort(key=lambda miss: miss[:2])
    return tuple(
        NearMiss(target.fact.fact_id, failed, _detail(sought, case, failed, target))
        for _, _, failed, target in found[:SHOWN_MAX]
    )


def _only_failure(sought: Sought, case: "Case", scope: Scope, target: Placed) -> str | None:
    """The one test that failed; None when none or several did. Stops at the second."""
    only = None if case.admits(target) else WINDOW
    for failed in _failures(sought, target.fact, scope):
        if only is not None:
            return None
        only = failed
    return only


def _failures(sought: Sought, fact: Fact, scope: Scope) -> Iterator[str]:
    """Every failed test but the window's, as they are found."""
    states = sought.filter.states
    if states is not None and fact.state not in states:
        yield STATE
    for link in sought.selector.match:
        key = key_of(field_of(fact, link.field))
        if key is None or key != key_of(scope.read(link.value)):
            yield f"match.{link.field}"
    for label, _, holds in sought.tests:
        if not holds(fact, scope):
            yield label
    for link in sought.selector.differ:
        found, other = key_of(field_of(fact, link.field)), key_of(scope.read(link.value))
        if found is None or other is None or found == other:
            yield f"differ.{link.field}"


def _detail(sought: Sought, case: "Case", failed: str, target: Placed) -> str:
    """What was found in place of what was wanted."""
    if failed == WINDOW:
        return _away(case, target)
    if failed == STATE:
        return target.fact.state.value
    for label, condition, _ in sought.tests:
        if label == failed and not _is_met(sought, condition, target.fact, case.scope):
            return found_in(target.fact, condition)
    value: Any = field_of(target.fact, failed.partition(".")[2])
    return "absent" if value is None else str(value)


def _is_met(sought: Sought, condition: Condition, fact: Fact, scope: Scope) -> bool:
    return any(test is condition and holds(fact, scope) for _, test, holds in sought.tests)


def _distance(case: "Case", target: Placed) -> int:
    if target.last < case.open:
        return case.open - target.last
    return max(0, target.point - case.close.instant + 1)


def _away(case: "Case", target: Placed) -> str:
    """By how much it missed the window."""
    if target.last < case.open:
        if target.exact and case.plan.window.is_exact:
            return f"before by {iso_duration(case.open - target.point)}"
        return f"before by P{case.scene.calendar.day_of(case.open) - target.day}D"
    if target.point >= case.close.instant:
        last_day = case.close.last_day
        if last_day is None:
            return f"after by {iso_duration(target.point - case.close.deadline)}"
        return f"after by P{target.day - last_day}D"
    return "same moment"
