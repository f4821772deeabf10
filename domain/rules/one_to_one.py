"""`use: one_to_one`: targets in time order go to the pending activation that closes first (RULES 4.14)."""

from collections.abc import Callable, Sequence

from domain.rules.case import Case
from domain.rules.scene import Scene
from domain.rules.timeline import Placed, Pool, order_of

Given = tuple[list[Placed], list[Placed]]


def allocate(
    scene: Scene, pool: Pool, cases: Sequence[Case], needed: int, suits: Callable[[Case, Placed], bool]
) -> dict[int, Given]:
    """By case identity: the targets given in its window, then those given late. Pending cases come before late ones."""
    given: dict[int, Given] = {id(case): ([], []) for case in cases}
    by_close = sorted(cases, key=lambda case: (case.close.instant, order_of(case.activation)))
    for target in pool.items:
        if not scene.counts(target):
            continue
        waiting = [case for case in by_close if sum(map(len, given[id(case)])) < needed and suits(case, target)]
        pending = next((case for case in waiting if case.admits(target) and case.is_in_time(target)), None)
        if pending is not None:
            given[id(pending)][0].append(target)
            continue
        late = next((case for case in waiting if _is_late(scene, case, target)), None)
        if late is not None:
            given[id(late)][1].append(target)
    return given


def _is_late(scene: Scene, case: Case, target: Placed) -> bool:
    was_open_at_close = case.shut is None or case.shut.last >= case.close.instant
    return (
        was_open_at_close
        and case.excuse is None
        and case.is_not_exempt(target)
        and target.point >= case.close.instant
        and target.point <= scene.now
        and not case.admits(target)
    )
