"""Rules of kind `require`: each activation needs its targets in the window."""

from bisect import bisect_left
from collections.abc import Iterator

from domain.rules.case import Case
from domain.rules.cuts import open_case
from domain.rules.instants import FOREVER
from domain.rules.obligation import Obligation
from domain.rules.one_to_one import allocate
from domain.rules.plan import Plan, Sought
from domain.rules.rule import Require, Use
from domain.rules.scene import Scene
from domain.rules.targets import in_window, is_target, pool_of
from domain.rules.timeline import Placed, Pool
from domain.rules.verdict import settle


def judge_require(scene: Scene, plan: Plan, body: Require) -> Iterator[Obligation]:
    """One obligation per activation, in their order."""
    activations = scene.activations(plan)
    if not activations:
        return
    if body.use is Use.ONE_TO_ONE:
        yield from _judge_one_to_one(scene, plan, activations, body)
        return
    expect, needed = plan.sought["expect"], body.min
    for activation in activations:
        known = scene.settled.get(activation.fact.fact_id)
        if known is not None:
            yield known
            continue
        case = open_case(scene, plan, activation, body)
        pool = pool_of(scene, case, expect)
        within = _within(scene, case, expect, pool, needed)
        late = []
        if len(within) < needed and scene.now >= case.close.instant and case.ended_by() is None:
            late = _late(scene, case, expect, pool, needed - len(within))
        yield settle(scene, case, within, late, needed)


def _within(scene: Scene, case: Case, sought: Sought, pool: Pool, needed: int) -> list[Placed]:
    """The targets that count in the window, no more than needed."""
    now = scene.now
    is_free = case.shut is None and case.exemption is None and case.horizon >= FOREVER
    within: list[Placed] = []
    for target in in_window(scene, case, sought, pool):
        if target.point > now and not scene.counts(target):
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
        if not scene.has_come(target) or not case.is_not_exempt(target):
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
