"""Rules of kind `require`: each activation needs its targets in the window."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from domain.facts import Fact
from domain.rules.case import Case, Scene, settle
from domain.rules.obligation import Obligation, Reason
from domain.rules.one_to_one import allocate
from domain.rules.plan import Plan, Sought
from domain.rules.rule import Effect, Require, Use
from domain.rules.timeline import EMPTY_POOL, Placed, Pool, first_in_time, first_to_act


def judge_require(scene: Scene, plan: Plan, body: Require) -> Iterator[Obligation]:
    """One obligation per activation, in their order."""
    candidates = scene.timeline.pools(plan.sought["when"].filter).get(None, EMPTY_POOL).items
    activations = [candidate for candidate in candidates if scene.governs(plan, candidate)]
    if not activations:
        return
    if body.use is Use.ONE_TO_ONE:
        yield from _judge_one_to_one(scene, plan, activations, body)
        return
    expect, needed = plan.sought["expect"], body.min
    for activation in activations:
        case = open_case(scene, plan, activation, body)
        pool = pool_of(scene, case, expect)
        within = _within(scene, case, expect, pool, needed)
        late = []
        if len(within) < needed and scene.now >= case.close.instant:
            late = _late(scene, case, expect, pool, needed - len(within))
        yield settle(scene, case, within, late, needed)


def open_case(scene: Scene, plan: Plan, activation: Placed, body: Require) -> Case:
    case = Case(scene, plan, activation)
    if plan.is_cut:
        _apply_cuts(scene, case, body)
    if not scene.life.is_quiet:
        case.live_through(scene)
    return case


def _apply_cuts(scene: Scene, case: Case, body: Require) -> None:
    sought = case.plan.sought
    if body.until is not None:
        _apply_until(scene, case, sought["until"], body.until.effect)
    if body.since is not None:
        _apply_since(scene, case, sought["since"], body.since.effect)
    if body.next_among:
        following = first_in_time(_following(scene, case, sought["next_among"]))
        if following is not None:
            case.cut_by(scene, following)
    if body.prev_among:
        preceding = _preceding(scene, case, sought["prev_among"])
        if preceding is not None:
            case.open_from(preceding.point)


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
    return sought.depends is None or sought.depends(candidate.fact, case.scope)


def _is_wanted(sought: Sought, fact: Fact, case: Case) -> bool:
    states, holds = sought.filter.states, sought.filter.holds
    return (states is None or fact.state in states) and (holds is None or holds(fact, case.scope))


def _within(scene: Scene, case: Case, sought: Sought, pool: Pool, needed: int) -> list[Placed]:
    """The targets that count in the window, no more than needed. The innermost loop: it asks only what it must."""
    first, end = case.searched(scene.calendar)
    items, points, now = pool.items, pool.points, scene.now
    is_plain = case.plan.is_plain and not case.is_cut_open
    is_free = case.shut is None and case.horizon >= end
    within: list[Placed] = []
    for index in range(bisect_left(points, first), len(items)):
        if points[index] >= end:
            break
        target = items[index]
        if not (is_plain or case.admits(target)) or not is_target(case, sought, target):
            continue
        if points[index] > now and not scene.counts(target):
            continue
        if is_free or case.is_in_time(target):
            within.append(target)
            if len(within) == needed:
                break
    return within


def _late(scene: Scene, case: Case, sought: Sought, pool: Pool, needed: int) -> list[Placed]:
    """The targets that came after the close, no more than needed."""
    late: list[Placed] = []
    for index in range(bisect_left(pool.points, case.close.instant), len(pool.items)):
        target = pool.items[index]
        if not scene.has_come(target):
            break
        if is_target(case, sought, target) and not case.admits(target):
            late.append(target)
            if len(late) == needed:
                break
    return late


def _judge_one_to_one(scene: Scene, plan: Plan, activations: list[Placed], body: Require) -> Iterator[Obligation]:
    """Cases that share a pool share its targets."""
    cases = [open_case(scene, plan, activation, body) for activation in activations]
    sought = plan.sought["expect"]
    groups: dict[int, tuple[Pool, list[Case]]] = {}
    for case in cases:
        pool = pool_of(scene, case, sought)
        groups.setdefault(id(pool), (pool, []))[1].append(case)
    given: dict[int, tuple[list[Placed], list[Placed]]] = {}
    for pool, sharing in groups.values():
        given |= allocate(scene, pool, sharing, body.min, lambda case, target: is_target(case, sought, target))
    for case in cases:
        within, late = given[id(case)]
        yield settle(scene, case, within, late, body.min)


def _apply_until(scene: Scene, case: Case, sought: Sought, effect: Effect) -> None:
    strict = case.plan.rule.strict
    following = _following(scene, case, sought, strict=strict)
    if effect is Effect.RELEASE:
        case.shut_by(scene, first_to_act(following), Reason.RELEASED)
    elif (next_one := first_in_time(following)) is not None:
        case.cut_by(scene, next_one, before=strict)


def _apply_since(scene: Scene, case: Case, sought: Sought, effect: Effect) -> None:
    preceding = _preceding(scene, case, sought, strict=case.plan.rule.strict)
    if preceding is None:
        return
    excuses = effect is Effect.RELEASE and preceding.last >= case.open and preceding.point < case.close.instant
    if excuses and scene.has_come(preceding):
        case.excuse = preceding
    case.open_from(preceding.last + 1 if case.plan.rule.strict else preceding.point)


def _following(scene: Scene, case: Case, sought: Sought, *, strict: bool = False) -> Iterator[Placed]:
    """Such facts at or after the activation, in order; ties count unless `strict`."""
    pool, activation = pool_of(scene, case, sought), case.activation
    for index in range(bisect_left(pool.points, scene.calendar.midnights[activation.day]), len(pool.items)):
        fact = pool.items[index]
        if not fact.is_after_or_ties(activation) or not is_target(case, sought, fact):
            continue
        if not (strict and fact.ties_with(activation)):
            yield fact


def _preceding(scene: Scene, case: Case, sought: Sought, *, strict: bool = False) -> Placed | None:
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
