"""One activation of one rule while it is judged: its window, and what ends the wait before the close."""

from domain.facts import Fact
from domain.rules.calendars import Calendar
from domain.rules.instants import FOREVER
from domain.rules.obligation import Reason
from domain.rules.plan import Plan
from domain.rules.relations import Interval, Relations
from domain.rules.rule import OnClose, OnSuspend
from domain.rules.scene import Scene
from domain.rules.suspensions import NOT_SUSPENDED
from domain.rules.timeline import Placed
from domain.rules.values import Scope
from domain.rules.windows import Close


class Case:
    """An activation, its window, and what cuts it short."""

    __slots__ = (
        "activation",
        "close",
        "excuse",
        "exemption",
        "horizon",
        "is_cut_open",
        "lasts_until",
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
        self.exemption: Placed | None = None
        self.is_cut_open = False
        self.horizon = FOREVER
        self.lasts_until = FOREVER
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
        if fact is None:
            return
        self.lasts_until = min(self.lasts_until, fact.last)
        if not scene.has_acted(fact):
            return
        if self.shut is None or fact.effect < self.shut.effect:
            self.shut, self.reason = fact, reason

    def close_with(self, interval: Interval) -> None:
        """Close when the activation's own interval ends; what still lasts closes nothing."""
        if interval.end < self.close.instant:
            self.close = Close(interval.end + 1, None if interval.exact else interval.last_day, interval.end)

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

    def is_related(self, target: Fact, wanted: Relations) -> bool:
        timeline = self.scene.timeline
        return wanted.hold(timeline.interval(self.activation.fact), timeline.interval(target))

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
        return (self.shut is None or target.point <= self.shut.last) and self.is_not_exempt(target)

    def is_not_exempt(self, target: Placed) -> bool:
        """It came before an exempting fact did: what was done by then stays done."""
        return self.exemption is None or target.point <= self.exemption.point

    def ended_by(self) -> tuple[Placed, Reason] | None:
        """What ended the wait before it closed, an exemption aside."""
        if self.excuse is not None:
            return self.excuse, Reason.RELEASED
        if self.shut is not None and self.reason is not None and self.shut.last < self.close.instant:
            return self.shut, self.reason
        return None

    def was_lifted(self, ended: tuple[Placed, Reason] | None) -> bool:
        """An exempting fact came, and nothing had ended the wait by then."""
        if self.exemption is None:
            return False
        return ended is None or self.exemption.point < ended[0].effect


def _close_with(fact: Placed, *, before: bool) -> Close:
    if before:
        return Close(fact.point, None if fact.exact else fact.day - 1, fact.point)
    if fact.exact:
        return Close(fact.point + 1, None, fact.point)
    return Close(fact.last + 1, fact.day, fact.last)
