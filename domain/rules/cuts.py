"""Cases opened: an activation's window, cut by what the rule says ends or begins it, and by the pathway's life."""

from domain.rules.case import Case
from domain.rules.exemptions import exempting
from domain.rules.obligation import Reason
from domain.rules.plan import Plan, Sought
from domain.rules.rule import Effect, Forbid, Require
from domain.rules.scene import Scene
from domain.rules.targets import following, preceding
from domain.rules.timeline import Placed, first_in_time, first_to_act


def open_case(scene: Scene, plan: Plan, activation: Placed, body: Require | Forbid) -> Case:
    case = Case(scene, plan, activation)
    if body.ends_with_activation:
        case.close_with(scene.timeline.interval(activation.fact))
    if plan.exemption is not None:
        case.exemption = exempting(scene, plan.exemption, activation)
    if plan.is_cut:
        _apply_cuts(scene, case, body)
    if not scene.life.is_quiet:
        case.live_through(scene)
    return case


def _apply_cuts(scene: Scene, case: Case, body: Require | Forbid) -> None:
    sought, strict = case.plan.sought, case.plan.rule.strict
    if body.until is not None:
        _apply_until(scene, case, sought["until"], body.until.effect)
    if body.since is not None:
        _apply_since(scene, case, sought["since"], body.since.effect)
    if body.next_among:
        next_one = first_in_time(following(scene, case, sought["next_among"], strict=strict))
        if next_one is not None:
            case.cut_by(scene, next_one)
    if body.prev_among:
        previous = preceding(scene, case, sought["prev_among"], strict=strict)
        if previous is not None:
            case.open_from(previous.point)


def _apply_until(scene: Scene, case: Case, sought: Sought, effect: Effect) -> None:
    strict = case.plan.rule.strict
    followers = following(scene, case, sought, strict=strict)
    if effect is Effect.RELEASE:
        case.shut_by(scene, first_to_act(followers), Reason.RELEASED)
    elif (next_one := first_in_time(followers)) is not None:
        case.cut_by(scene, next_one, before=strict)


def _apply_since(scene: Scene, case: Case, sought: Sought, effect: Effect) -> None:
    previous = preceding(scene, case, sought, strict=case.plan.rule.strict)
    if previous is None:
        return
    excuses = effect is Effect.RELEASE and previous.last >= case.open and previous.point < case.close.instant
    if excuses and scene.has_come(previous):
        case.excuse = previous
    case.open_from(previous.last + 1 if case.plan.rule.strict else previous.point)
