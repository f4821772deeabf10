"""The verdict on an activation once its targets are known, as an obligation (RULES 4.5, 4.6)."""

from collections.abc import Sequence

from domain.rules.case import Case
from domain.rules.instants import instant_of, iso_duration, moment_of
from domain.rules.near_misses import near_misses
from domain.rules.obligation import NearMiss, Obligation, Reason, Status
from domain.rules.rule import Limit, RuleState
from domain.rules.scene import Scene
from domain.rules.timeline import Placed
from domain.rules.windows import NEVER_CLOSES, Close, after_close


def settle(scene: Scene, case: Case, within: Sequence[Placed], late: Sequence[Placed], needed: int) -> Obligation:
    """What is required, at the scene's clock. `within`, `late`: the targets that count, in order, `needed` at most."""
    if len(within) >= needed:
        deciding = within[needed - 1]
        return _obligation(scene, case, Status.SATISFIED, within[:needed], deciding=deciding, at=deciding.point)
    close = case.close.instant
    ended = case.ended_by()
    is_late = scene.now >= close and len(within) + len(late) >= needed
    if case.was_lifted(ended) and not is_late:
        return _lifted(scene, case)
    if ended is not None:
        return _cancelled(scene, case, *ended)
    if scene.now < close:
        scene.note(close)
        return _obligation(scene, case, Status.PENDING, within, at=None)
    if is_late:
        used = [*within, *late][:needed]
        return _obligation(scene, case, Status.VIOLATED_LATE, used, deciding=used[-1], at=close)
    return _obligation(scene, case, Status.VIOLATED_OPEN, within, at=close)


def forbidden(scene: Scene, case: Case, target: Placed, at: int) -> Obligation:
    """A pair that must not be. `at` is when it came about, or will.

    Its grace counts from there; for one that is booked, from when that was learnt: there is time to move it yet.
    """
    if case.excuse is not None:
        return _cancelled(scene, case, case.excuse, Reason.RELEASED, target)
    if case.exemption is not None:
        return _lifted(scene, case, target)
    used = (case.activation, target)
    due = min(at, _learnt(used)) if case.activation.planned or target.planned else at
    return _obligation(scene, case, Status.VIOLATED_OPEN, used, deciding=target, at=at, due=Close(due, None, due))


def _learnt(used: Sequence[Placed]) -> int:
    """When the last of these facts was recorded."""
    return max(instant_of(placed.fact.recorded_at) for placed in used)


def spared(scene: Scene, case: Case) -> Obligation:
    """Nothing forbidden was found, so far or for good: nothing can be before the activation has come."""
    close = case.close.instant
    ended = case.ended_by()
    settled = max(close, case.activation.point)
    if case.exemption is not None and case.was_lifted(ended) and case.exemption.point < settled:
        return _lifted(scene, case)
    if ended is not None:
        return _cancelled(scene, case, *ended)
    if scene.now < settled:
        scene.note(settled)
        return _obligation(scene, case, Status.PENDING, (), at=None)
    return _obligation(scene, case, Status.SATISFIED, (), at=close)


def exceeded(scene: Scene, case: Case, counted: Sequence[Placed]) -> Obligation:
    """One fact too many: the case's activation, by which its window closes."""
    if case.exemption is not None:
        return _lifted(scene, case)
    at = case.activation.point
    return _obligation(scene, case, Status.VIOLATED_OPEN, counted, at=at, due=case.close)


def _lifted(scene: Scene, case: Case, target: Placed | None = None) -> Obligation:
    assert case.exemption is not None
    return _cancelled(scene, case, case.exemption, Reason.RELEASED, target)


def _cancelled(scene: Scene, case: Case, by: Placed, reason: Reason | None, target: Placed | None = None) -> Obligation:
    return _obligation(scene, case, Status.CANCELLED, [by], deciding=target, at=by.point, reason=reason)


def _obligation(
    scene: Scene,
    case: Case,
    status: Status,
    used: Sequence[Placed],
    *,
    at: int | None,
    deciding: Placed | None = None,
    reason: Reason | None = None,
    due: Close | None = None,
) -> Obligation:
    """`due` is what the grace of a fault counts from; that of a duty counts from the close."""
    rule, close, stretch, is_duty = case.plan.rule, case.close, case.stretch, case.plan.is_duty
    fact = case.activation.fact
    is_open = status is Status.VIOLATED_OPEN
    close_moment = stretch.close_moment if close is stretch.close else moment_of(close.instant)
    if is_duty and close is stretch.close:
        raise_at, raise_moment = stretch.raise_at, stretch.raise_moment
    else:
        raise_at = after_close(close if is_duty else due or NEVER_CLOSES, rule.grace, scene.calendar)
        raise_moment = moment_of(raise_at)
    if is_open:
        scene.note(raise_at)
    return Obligation(
        rule=rule.slug,
        version=rule.version,
        pathway=fact.pathway,
        activation=fact.fact_id,
        target=None if deciding is None else deciding.fact.fact_id,
        status=status,
        open=moment_of(case.open) if case.is_cut_open else stretch.open_moment,
        close=close_moment,
        at=close_moment if at == close.instant else None if at is None else moment_of(at),
        late_by=_lateness(close, deciding) if status is Status.VIOLATED_LATE and deciding is not None else None,
        evidence=evidence_of(used),
        near_misses=_near_misses(scene, case, status, used, deciding) if scene.explained else (),
        occurred=moment_of(case.activation.point),
        raise_at=raise_moment,
        raised=is_open and scene.now >= raise_at,
        reason=reason,
        calendar=scene.calendar.version,
        territory=scene.territories.of(fact),
        shadow=rule.state is RuleState.SHADOW,
    )


def _near_misses(
    scene: Scene, case: Case, status: Status, used: Sequence[Placed], deciding: Placed | None
) -> tuple[NearMiss, ...]:
    """What nearly answered, or nearly was forbidden; of a fault that was found, what nearly exempted it."""
    plan = case.plan
    if status is Status.SATISFIED:
        return ()
    if plan.is_duty or (deciding is None and not isinstance(plan.rule.body, Limit)):
        return near_misses(case, used)
    if plan.exemption is None or status is Status.CANCELLED:
        return ()
    return near_misses(Case(scene, plan.exemption, case.activation), ())


def evidence_of(used: Sequence[Placed]) -> tuple[str, ...]:
    """Ids of the facts used, sorted."""
    if len(used) == 1:
        return (used[0].fact.fact_id,)
    return tuple(sorted({placed.fact.fact_id for placed in used}))


def _lateness(close: Close, target: Placed) -> str:
    """Whole local days after the last allowed day, or the exact span after the last allowed instant."""
    if close.last_day is not None:
        return f"P{target.day - close.last_day}D"
    return iso_duration(target.point - close.deadline)
