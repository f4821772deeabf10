"""Where the facts that could answer an activation are, and which of them its window holds."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from domain.facts import Fact
from domain.rules.case import Case
from domain.rules.plan import Sought
from domain.rules.rule import At
from domain.rules.scene import Scene
from domain.rules.timeline import EMPTY_POOL, Placed, Pool


def pool_of(scene: Scene, case: Case, sought: Sought) -> Pool:
    """The facts that could answer this activation, as far as a key can tell."""
    if sought.filter.is_self:
        own = scene.timeline.place(case.activation.fact, sought.filter.at)
        return Pool([own]) if own is not None and _is_wanted(sought, own.fact, case) else EMPTY_POOL
    pools = scene.timeline.pools(sought.filter)
    if sought.key is None:
        return pools.get(None, EMPTY_POOL)
    key = sought.key(case.activation.fact, scene.pathway)
    return EMPTY_POOL if key is None else pools.get(key, EMPTY_POOL)


def is_target(case: Case, sought: Sought, candidate: Placed) -> bool:
    """An event never matches itself, unless the rule speaks of `self`."""
    if candidate.fact is case.activation.fact:
        return sought.filter.is_self
    if sought.depends is not None and not sought.depends(candidate.fact, case.scope):
        return False
    return sought.relation is None or case.is_related(candidate.fact, sought.relation)


def in_window(scene: Scene, case: Case, sought: Sought, pool: Pool) -> Iterator[Placed]:
    """The targets in the window, in order, whether they have come or not. Innermost: it asks only what it must."""
    first, end = case.searched(scene.calendar)
    items, points = pool.items, pool.points
    low = bisect_left(points, first)
    if sought.relation is not None and sought.relation.is_near:
        low, end = _near(scene, case, sought, pool, low, end)
    is_plain = case.plan.is_plain and not case.is_cut_open
    for index in range(low, len(items)):
        if points[index] >= end:
            return
        target = items[index]
        if (is_plain or case.admits(target)) and is_target(case, sought, target):
            yield target


def _near(scene: Scene, case: Case, sought: Sought, pool: Pool, low: int, end: int) -> tuple[int, int]:
    """Only what may share a day with the activation: nothing before it reaches its first day."""
    interval, midnights = scene.timeline.interval(case.activation.fact), scene.calendar.midnights
    low = max(low, bisect_left(scene.timeline.reach(pool), midnights[interval.first_day]))
    if sought.filter.at is At.START:
        end = min(end, midnights[interval.last_day + 1])
    return low, end


def following(scene: Scene, case: Case, sought: Sought, *, strict: bool = False) -> Iterator[Placed]:
    """Such facts at or after the activation, in order; ties count unless `strict`."""
    pool, activation = pool_of(scene, case, sought), case.activation
    for index in range(bisect_left(pool.points, scene.calendar.midnights[activation.day]), len(pool.items)):
        fact = pool.items[index]
        if not fact.is_after_or_ties(activation) or not is_target(case, sought, fact):
            continue
        if not (strict and fact.ties_with(activation)):
            yield fact


def preceding(scene: Scene, case: Case, sought: Sought, *, strict: bool = False) -> Placed | None:
    """The last such fact at or before the activation, come or not; ties count unless `strict`.

    Of an instant and the day it begins, the day.
    """
    pool, activation = pool_of(scene, case, sought), case.activation
    found: Placed | None = None
    for index in range(bisect_right(pool.points, activation.last) - 1, -1, -1):
        fact = pool.items[index]
        if found is not None and fact.point < found.point:
            break
        if is_target(case, sought, fact) and not (strict and fact.ties_with(activation)):
            found = fact if found is None or fact.last > found.last else found
    return found


def _is_wanted(sought: Sought, fact: Fact, case: Case) -> bool:
    states, holds = sought.filter.states, sought.filter.holds
    return (states is None or fact.state in states) and (holds is None or holds(fact, case.scope))
