"""Near misses: facts that would have counted, had they not failed exactly one test. They say why nothing was found.

What is forbidden, or too many, was found: its near misses are the facts that nearly exempted it.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import islice
from typing import Any

from domain.facts import FactState
from domain.rules.case import Case
from domain.rules.instants import iso_duration
from domain.rules.obligation import NearMiss
from domain.rules.plan import Sought
from domain.rules.relations import relation_of
from domain.rules.timeline import EMPTY_POOL, Placed, order_of
from domain.rules.values import Scope, field_of, key_of, reader_of
from domain.rules.where import Predicate, found_in
from domain.rules.windows import EVER

SHOWN_MAX = 3
WINDOW = "window"
STATE = "state"
RELATION = "relation"
Check = tuple[str, Predicate]


def near_misses(case: Case, used: Sequence[Placed]) -> tuple[NearMiss, ...]:
    """At most three, those in the window or nearest to it first."""
    sought, scope = case.plan.sought[case.plan.target], case.scope
    skipped = {case.activation.fact.fact_id, *(placed.fact.fact_id for placed in used)}
    if sought.relation is not None and case.plan.window == EVER:
        candidates = list(_around(case, sought, scope, skipped))
        distance = _gap
    else:
        first, end = case.searched(case.scene.timeline.calendar)
        candidates = list(_near(case, sought, scope, skipped, first, end))
        candidates += [(target, WINDOW) for target in _far(case, sought, scope, skipped, first, end)]
        distance = _distance
    found = sorted(candidates, key=lambda miss: (distance(case, miss[0]), order_of(miss[0])))
    return tuple(
        NearMiss(target.fact.fact_id, failed, _detail(sought, case, failed, target))
        for target, failed in found[:SHOWN_MAX]
    )


def _near(
    case: Case, sought: Sought, scope: Scope, skipped: set[str], first: int, end: int
) -> Iterator[tuple[Placed, str]]:
    """What may be in the window and failed one test. Ends with the third that is: none comes before these."""
    tests = _tests(case, sought, scope)
    pool = case.scene.timeline.all_of(sought.filter.types, sought.filter.at)
    left = SHOWN_MAX
    for index in range(bisect_left(pool.points, first), bisect_left(pool.points, end)):
        target = pool.items[index]
        failed = _only_failure(sought.filter.states, tests, scope, target, case.admits)
        if failed is not None and target.fact.fact_id not in skipped:
            yield target, failed
            left -= _distance(case, target) == 0
            if not left:
                return


def _around(case: Case, sought: Sought, scope: Scope, skipped: set[str]) -> Iterator[tuple[Placed, str]]:
    """Where a relation stands for a window: what failed one test, the nearest three before and three after."""
    tests = _tests(case, sought, scope)
    pool = case.scene.timeline.all_of(sought.filter.types, sought.filter.at)
    split = bisect_left(pool.points, case.activation.point)
    for indices in (range(split, len(pool.items)), range(split - 1, -1, -1)):
        left = SHOWN_MAX
        for index in indices:
            target = pool.items[index]
            failed = _only_failure(sought.filter.states, tests, scope, target, lambda _: True)
            if failed is not None and target.fact.fact_id not in skipped:
                yield target, failed
                left -= 1
                if not left:
                    break


def _far(case: Case, sought: Sought, scope: Scope, skipped: set[str], first: int, end: int) -> Iterator[Placed]:
    """What is out of the window and passed all else, nearest first: three after it, the days of three before."""
    origin = case.span if case.span is not None else case.activation.fact
    key = None if sought.key is None else sought.key(origin, case.scene.pathway)
    if key is None and sought.key is not None:
        return
    pool = case.scene.timeline.pools(sought.filter).get(key, EMPTY_POOL)

    def suits(target: Placed) -> bool:
        if target.fact.fact_id in skipped or (sought.depends is not None and not sought.depends(target.fact, scope)):
            return False
        return sought.relation is None or case.is_related(target.fact, sought.relation)

    after = (pool.items[index] for index in range(bisect_left(pool.points, end), len(pool.items)))
    yield from islice(filter(suits, after), SHOWN_MAX)
    before = (pool.items[index] for index in range(bisect_left(pool.points, first) - 1, -1, -1))
    count, day = 0, 0
    for target in filter(suits, before):
        if count >= SHOWN_MAX and target.day != day:
            return
        yield target
        count, day = count + 1, target.day


def _tests(case: Case, sought: Sought, scope: Scope) -> list[Check]:
    tests = [*_link_tests(sought, scope), *((label, holds) for label, _, holds in sought.tests)]
    wanted = sought.relation
    return tests if wanted is None else [*tests, (RELATION, lambda fact, _scope: case.is_related(fact, wanted))]


def _link_tests(sought: Sought, scope: Scope) -> Iterator[Check]:
    """`match` and `differ` as tests of the candidate alone: the activation's side is read once."""
    for link in sought.selector.match:
        yield f"match.{link.field}", _has_key(link.field, key_of(scope.read(link.value)))
    for link in sought.selector.differ:
        yield f"differ.{link.field}", _has_other_key(link.field, key_of(scope.read(link.value)))


def _has_key(field: str, wanted: Hashable) -> Predicate:
    read = reader_of(field)
    return lambda fact, _scope: wanted is not None and key_of(read(fact)) == wanted


def _has_other_key(field: str, other: Hashable) -> Predicate:
    read = reader_of(field)
    return lambda fact, _scope: other is not None and key_of(read(fact)) not in (None, other)


def _only_failure(
    states: frozenset[FactState] | None,
    tests: Sequence[Check],
    scope: Scope,
    target: Placed,
    admits: Callable[[Placed], bool],
) -> str | None:
    """The one test that failed; None when none or several did. Stops at the second."""
    fact = target.fact
    only = None if states is None or fact.state in states else STATE
    for label, holds in tests:
        if not holds(fact, scope):
            if only is not None:
                return None
            only = label
    if not admits(target):
        return WINDOW if only is None else None
    return only


def _detail(sought: Sought, case: Case, failed: str, target: Placed) -> str:
    """What was found in place of what was wanted."""
    if failed == WINDOW:
        return _away(case, target)
    if failed == STATE:
        return target.fact.state.value
    if failed == RELATION:
        interval = case.scene.timeline.interval
        return relation_of(interval(case.activation.fact), interval(target.fact)).value
    for label, condition, holds in sought.tests:
        if label == failed and not holds(target.fact, case.scope):
            return found_in(target.fact, condition)
    value: Any = field_of(target.fact, failed.partition(".")[2])
    return "absent" if value is None else str(value)


def _distance(case: Case, target: Placed) -> int:
    if target.last < case.open:
        return case.open - target.last
    return max(0, target.point - case.close.instant + 1)


def _gap(case: Case, target: Placed) -> int:
    """Between the two intervals; none when they share an instant."""
    interval = case.scene.timeline.interval
    own, other = interval(case.activation.fact), interval(target.fact)
    return max(0, other.start - own.end, own.start - other.end)


def _away(case: Case, target: Placed) -> str:
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
    if target.exact and case.activation.exact and target.point != case.activation.point:
        side = "before" if target.point < case.activation.point else "after"
        return f"{side} by {iso_duration(abs(target.point - case.activation.point))}"
    return "same moment"
