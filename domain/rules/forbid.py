"""Rules of kind `forbid`: no target around an activation. One obligation for each pair, or one that waits for it."""

from collections.abc import Iterator, Sequence

import msgspec

from domain.rules.case import Case
from domain.rules.cuts import open_case
from domain.rules.obligation import Obligation, Status
from domain.rules.plan import Plan, Sought
from domain.rules.rule import Forbid
from domain.rules.scene import Scene
from domain.rules.targets import in_window, pool_of
from domain.rules.timeline import Placed
from domain.rules.verdict import forbidden, spared


def judge_forbid(scene: Scene, plan: Plan, body: Forbid) -> Iterator[Obligation]:
    """By activation, then by target, each in their order."""
    sought = plan.sought["forbid"]
    for activation in scene.activations(plan):
        case = open_case(scene, plan, activation, body)
        pairs = list(_pairs(scene, case, sought, accepts_planned=body.accepts_planned))
        for target, at in pairs:
            yield forbidden(scene, case, target, at)
        if not pairs:
            yield spared(scene, case)


def _pairs(scene: Scene, case: Case, sought: Sought, *, accepts_planned: bool) -> Iterator[tuple[Placed, int]]:
    """The forbidden targets, each with the instant at which both have come, or will as it is planned and accepted."""
    activation = case.activation
    is_booked = activation.planned and accepts_planned
    if not (is_booked or scene.has_come(activation)):
        return
    for target in in_window(scene, case, sought, pool_of(scene, case, sought)):
        at = max(activation.point, target.point)
        if at <= case.lasts_until and target.point < case.horizon and scene.counts(target):
            yield target, at


def without_mirrors(obligations: Sequence[Obligation]) -> Iterator[Obligation]:
    """Of the pairs (a, b) and (b, a), only that of the earlier activation is raised: one situation makes one alert."""
    seen: set[tuple[str, str | None]] = set()
    for one in obligations:
        if one.status is Status.VIOLATED_OPEN:
            seen.add((one.activation, one.target))
            if one.raised and (one.target, one.activation) in seen:
                yield msgspec.structs.replace(one, raised=False)
                continue
        yield one
