"""Near misses: facts that would have counted, had they not failed exactly one test. They say why nothing was found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domain.facts import Fact
from domain.rules.instants import iso_duration
from domain.rules.obligation import NearMiss
from domain.rules.plan import Sought
from domain.rules.timeline import Placed, Timeline, order_of
from domain.rules.values import Scope, field_of, key_of
from domain.rules.where import found_in

if TYPE_CHECKING:
    from domain.rules.case import Case

SHOWN_MAX = 3
Failure = tuple[str, str]


def near_misses(timeline: Timeline, case: "Case", used: Sequence[Placed]) -> tuple[NearMiss, ...]:
    """At most three, those in the window or nearest to it first."""
    sought = case.plan.sought[case.plan.target]
    skipped = {case.activation.fact.fact_id, *(placed.fact.fact_id for placed in used)}
    found: list[tuple[int, tuple[int, int, str], Failure]] = []
    for target in timeline.of_types(sought.filter.types, sought.filter.at):
        if target.fact.fact_id in skipped:
            continue
        failure = _only_failure(sought, case, target)
        if failure is not None:
            found.append((_distance(case, target), order_of(target), failure))
    found.sort(key=lambda item: item[:2])
    return tuple(NearMiss(order[2], *failure) for _, order, failure in found[:SHOWN_MAX])


def _only_failure(sought: Sought, case: "Case", target: Placed) -> Failure | None:
    """The one test that failed; None when none or several did."""
    only: Failure | None = None
    if not case.admits(target):
        only = ("window", _away(case, target))
    for failure in _failures(sought, target.fact, case.scope):
        if only is not None:
            return None
        only = failure
    return only


def _failures(sought: Sought, fact: Fact, scope: Scope) -> "list[Failure]":
    """Every failed test but the window's; stops at the second."""
    failures: list[Failure] = []
    states = sought.filter.states
    if states is not None and fact.state not in states:
        failures.append(("state", fact.state.value))
    for link in sought.selector.match:
        found, wanted = field_of(fact, link.field), scope.read(link.value)
        key = key_of(found)
        if key is None or key != key_of(wanted):
            failures.append((f"match.{link.field}", "absent" if found is None else str(found)))
    if len(failures) > 1:
        return failures
    for label, condition, holds in sought.tests:
        if not holds(fact, scope):
            failures.append((label, found_in(fact, condition)))
    for link in sought.selector.differ:
        found, other = key_of(field_of(fact, link.field)), key_of(scope.read(link.value))
        if found is None or other is None or found == other:
            failures.append((f"differ.{link.field}", "absent" if found is None else str(found)))
    return failures


def _distance(case: "Case", target: Placed) -> int:
    if target.last < case.open:
        return case.open - target.last
    return max(0, target.point - case.close.instant + 1)


def _away(case: "Case", target: Placed) -> str:
    """By how much it missed the window."""
    if target.last < case.open:
        if target.exact and case.plan.window.is_exact:
            return f"before by {iso_duration(case.open - target.point)}"
        return f"before by P{_day_of_open(case) - target.day}D"
    if target.point >= case.close.instant:
        last_day = case.close.last_day
        if last_day is None:
            return f"after by {iso_duration(target.point - case.close.deadline)}"
        return f"after by P{target.day - last_day}D"
    return "same moment"


def _day_of_open(case: "Case") -> int:
    return case.scope.calendar.day_of(case.open)
