"""One activation of one rule while it is judged, and the verdict once its targets are known (RULES 4.4 to 4.6)."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.facts import Fact
from domain.rules.calendars import Calendar
from domain.rules.instants import FOREVER, iso_duration, moment_of
from domain.rules.life import Life
from domain.rules.near_misses import near_misses
from domain.rules.obligation import NearMiss, Obligation, Reason, Status
from domain.rules.plan import Plan
from domain.rules.rule import OnClose, OnSuspend, RuleState
from domain.rules.suspensions import NOT_SUSPENDED
from domain.rules.territories import Territories
from domain.rules.timeline import Placed, Timeline
from domain.rules.values import Scope
from domain.rules.windows import Close, after_close


class Scene:
    """A pathway's facts on one calendar, at one instant. Remembers when to look again."""

    def __init__(
        self,
        facts: Sequence[Fact],
        calendar: Calendar,
        now: int,
        pathway: Mapping[str, Any],
        territories: Territories,
        *,
        explained: bool,
    ) -> None:
        self.calendar = calendar
        self.now = now
        self.pathway = pathway
        self.timeline = Timeline(facts, calendar, pathway)
        self.life = Life(self.timeline)
        self.territories = territories
        self.explained = explained
        self.next_due = FOREVER

    def governs(self, plan: Plan, activation: Placed) -> bool:
        """Whether an activation is this scene's to judge, under this version, in a territory of the rule."""
        if plan.takes_all:
            return self.territories.is_home(self.calendar, activation.fact)
        if not plan.takes(activation.day):
            return False
        fact, wanted = activation.fact, plan.rule.territories
        if wanted is not None and self.territories.of(fact) not in wanted:
            return False
        return self.territories.is_home(self.calendar, fact)

    def note(self, instant: int) -> None:
        """Something may change at this instant, if it is still to come."""
        if self.now < instant < self.next_due:
            self.next_due = instant

    def has_acted(self, placed: Placed) -> bool:
        """Whether it stops others by now; when it will is noted."""
        if placed.effect <= self.now:
            return True
        self.note(placed.effect)
        return False

    def has_come(self, placed: Placed) -> bool:
        """Whether it counts as done now; what is still to come is noted."""
        if placed.point <= self.now:
            return True
        self.note(placed.point)
        return False

    def counts(self, target: Placed) -> bool:
        """What is planned and accepted counts at once, what is done from its own point on."""
        return target.planned or self.has_come(target)

    def near_misses(self, case: "Case", used: Sequence[Placed]) -> tuple[NearMiss, ...]:
        return near_misses(self.timeline, case, used) if self.explained else ()


class Case:
    """An activation, its window, and what cuts it short."""

    __slots__ = (
        "activation",
        "close",
        "excuse",
        "horizon",
        "is_cut_open",
        "open",
        "plan",
        "reason",
        "scene",
        "shut",
        "span",
        "stretch",
    )

    def __init__(self, scene: Scene, plan: Plan, activation: Placed, span: Fact | None = None) -> None:
        self.plan = plan
        self.activation = activation
        self.scene = scene
        self.span = span
        self.shut: Placed | None = None
        self.reason: Reason | None = None
        self.excuse: Placed | None = None
        self.is_cut_open = False
        self.horizon = FOREVER
        life = scene.life
        freezes = life.suspended and plan.rule.on_suspend is OnSuspend.FREEZE
        suspensions = life.suspensions if freezes else NOT_SUSPENDED
        self.stretch = stretch = plan.stretch(activation.point, activation.day, scene.calendar, suspensions)
        self.open = stretch.open
        self.close = stretch.close

    @property
    def scope(self) -> Scope:
        """What references are read from."""
        return Scope(self.scene.calendar, self.scene.pathway, self.activation.fact, self.span)

    def live_through(self, scene: Scene) -> None:
        """Let the pathway's suspensions and closures end the wait, as the rule wants."""
        rule, life = self.plan.rule, scene.life
        if life.suspended and rule.on_suspend is OnSuspend.CANCEL:
            self.shut_by(scene, life.suspension_from(self.activation), Reason.SUSPENDED)
        if life.closures and rule.on_close is not OnClose.KEEP:
            closure = life.closure_from(self.activation)
            if rule.on_close is OnClose.CANCEL:
                self.shut_by(scene, closure, Reason.CLOSED)
            elif closure is not None:
                self.cut_by(scene, closure)

    def shut_by(self, scene: Scene, fact: Placed | None, reason: Reason) -> None:
        """Of several facts that end the wait, the first to act. A day acts when it is over: all it holds counts."""
        if fact is None or not scene.has_acted(fact):
            return
        if self.shut is None or fact.effect < self.shut.effect:
            self.shut, self.reason = fact, reason

    def cut_by(self, scene: Scene, fact: Placed, *, before: bool = False) -> None:
        """Close with this fact once it has come, ties included; `before` excludes them."""
        close = _close_with(fact, before=before)
        if not scene.has_come(fact):
            self.horizon = min(self.horizon, close.instant)
        elif close.instant < self.close.instant:
            self.close = close

    def open_from(self, instant: int) -> None:
        """Nothing before this instant counts."""
        if instant > self.open:
            self.open, self.is_cut_open = instant, True

    def is_excluded_tie(self, target: Placed) -> bool:
        """Under `strict`: what ties with the activation and, on its day, what is on the wrong side of it."""
        if target.ties_with(self.activation):
            return True
        if self.plan.window.is_exact or target.day != self.activation.day:
            return False
        if target.point < self.activation.point:
            return self.plan.window.start.count >= 0
        return self.plan.window.looks_back

    def admits(self, target: Placed) -> bool:
        """Whether a target's point is in the window. A day-precise point counts if any moment of its day is."""
        if self.plan.rule.strict and self.is_excluded_tie(target):
            return False
        if target.last >= self.open and target.point < self.close.instant:
            return True
        is_day_tie = not target.exact and target.day == self.activation.day
        return is_day_tie and self.plan.window.ties_count

    def searched(self, calendar: Calendar) -> tuple[int, int]:
        """Points from the first to before the second may be in the window; `admits` says which are."""
        first, end = self.open, self.close.instant
        if self.plan.is_plain and not self.is_cut_open:
            return first, end
        if self.plan.window.ties_count:
            midnight = calendar.midnights[self.activation.day]
            first, end = min(first, midnight), max(end, midnight + 1)
        if self.plan.window.start.is_exact or self.is_cut_open:
            first = calendar.midnights[calendar.day_of(first)]
        return first, end

    def is_in_time(self, target: Placed) -> bool:
        """Not after what ended the wait, nor booked for after what is known to close it."""
        if target.planned:
            return target.point < self.horizon
        return self.shut is None or target.point <= self.shut.last


def _close_with(fact: Placed, *, before: bool) -> Close:
    if before:
        return Close(fact.point, None if fact.exact else fact.day - 1, fact.point)
    if fact.exact:
        return Close(fact.point + 1, None, fact.point)
    return Close(fact.last + 1, fact.day, fact.last)


def settle(scene: Scene, case: Case, within: Sequence[Placed], late: Sequence[Placed], needed: int) -> Obligation:
    """The verdict at the scene's clock. `within` and `late` are the targets that count, in order, `needed` at most."""
    if len(within) >= needed:
        deciding = within[needed - 1]
        return _obligation(scene, case, Status.SATISFIED, within[:needed], deciding=deciding, at=deciding.point)
    if case.excuse is not None:
        return _cancelled(scene, case, case.excuse, Reason.RELEASED)
    if case.shut is not None and case.shut.last < case.close.instant:
        return _cancelled(scene, case, case.shut, case.reason)
    close = case.close.instant
    if scene.now < close:
        scene.note(close)
        return _obligation(scene, case, Status.PENDING, within, at=None)
    if len(within) + len(late) >= needed:
        used = [*within, *late][:needed]
        return _obligation(scene, case, Status.VIOLATED_LATE, used, deciding=used[-1], at=close)
    return _obligation(scene, case, Status.VIOLATED_OPEN, within, at=close)


def _cancelled(scene: Scene, case: Case, by: Placed, reason: Reason | None) -> Obligation:
    return _obligation(scene, case, Status.CANCELLED, [by], at=by.point, reason=reason)


def _obligation(
    scene: Scene,
    case: Case,
    status: Status,
    used: Sequence[Placed],
    *,
    at: int | None,
    deciding: Placed | None = None,
    reason: Reason | None = None,
) -> Obligation:
    rule, close, stretch = case.plan.rule, case.close, case.stretch
    fact = case.activation.fact
    is_open = status is Status.VIOLATED_OPEN
    if close is stretch.close:
        raise_at, raise_moment, close_moment = stretch.raise_at, stretch.raise_moment, stretch.close_moment
    else:
        raise_at = after_close(close, rule.grace, scene.calendar)
        raise_moment, close_moment = moment_of(raise_at), moment_of(close.instant)
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
        near_misses=() if status is Status.SATISFIED else scene.near_misses(case, used),
        occurred=moment_of(case.activation.point),
        raise_at=raise_moment,
        raised=is_open and scene.now >= raise_at,
        reason=reason,
        calendar=scene.calendar.version,
        territory=scene.territories.of(fact),
        shadow=rule.state is RuleState.SHADOW,
    )


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
