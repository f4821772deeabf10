"""Rules of kind `limit`: no more than so many facts in a sliding window, or at a time. One obligation per crossing.

A crossing is a fact with which the count around it becomes one too many; what comes on top of that crosses nothing.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from domain.rules.case import Case
from domain.rules.exemptions import exempting
from domain.rules.obligation import Obligation
from domain.rules.plan import Plan
from domain.rules.relations import Interval
from domain.rules.rule import Limit
from domain.rules.scene import Scene
from domain.rules.suspensions import NOT_SUSPENDED
from domain.rules.timeline import Placed, order_of
from domain.rules.verdict import exceeded
from domain.rules.windows import Close

Crossing = tuple[Placed, list[Placed]]


def judge_limit(scene: Scene, plan: Plan, body: Limit) -> Iterator[Obligation]:
    """By the fact that was one too many: the rule's dates and territories are asked of it, not of those counted."""
    crossings: list[Crossing] = []
    for group in scene.timeline.pools(plan.sought["count"].filter).values():
        counted = [fact for fact in group.items if scene.counts(fact)]
        crossings += _at_a_time(scene, counted, body.max) if body.in_last is None else _in_last(scene, plan, counted)
    for fact, counted in sorted(crossings, key=lambda crossing: order_of(crossing[0])):
        if scene.governs(plan, fact):
            yield exceeded(scene, _case(scene, plan, fact), counted)


def _case(scene: Scene, plan: Plan, fact: Placed) -> Case:
    case = Case(scene, plan, fact)
    case.close = Close(fact.point, None, fact.point)
    if plan.exemption is not None:
        case.exemption = exempting(scene, plan.exemption, fact)
    return case


def _in_last(scene: Scene, plan: Plan, counted: Sequence[Placed]) -> Iterator[Crossing]:
    """Each fact counts those in the window that ends with it, up to itself in their order.

    Counted in days, the window opens at a midnight and a bisection counts; else a fact of the day it opens may tie.
    """
    assert isinstance(plan.rule.body, Limit)
    most, calendar = plan.rule.body.max, scene.calendar
    points = [fact.point for fact in counted]
    for index, fact in enumerate(counted):
        opens = plan.stretch(fact.point, fact.day, calendar, NOT_SUSPENDED).open
        first = opens if plan.is_daily else calendar.midnights[calendar.day_of(opens)]
        low = bisect_left(points, first)
        if index + 1 - low <= most or (plan.is_daily and index + 1 - low != most + 1):
            continue
        around = [one for one in counted[low : index + 1] if one.last >= opens]
        if len(around) == most + 1:
            yield fact, around


def _at_a_time(scene: Scene, counted: Sequence[Placed], most: int) -> Iterator[Crossing]:
    """Each fact counts the intervals that hold its start, up to itself in their order."""
    intervals = [scene.timeline.interval(fact.fact) for fact in counted]
    going = _Going()
    for index, interval in enumerate(intervals):
        if going.count_with(interval) == most + 1:
            yield counted[index], [counted[n] for n in range(index + 1) if _holds_start(intervals[n], interval)]


def _holds_start(one: Interval, other: Interval) -> bool:
    """Whether the first, which does not start later, still goes on when the other starts."""
    return one.end >= other.start if one.exact and other.exact else one.last_day >= other.first_day


class _Going:
    """The intervals that still go on, as their starts are gone through in order."""

    def __init__(self) -> None:
        self._last_days: list[int] = []
        self._exact_ends: dict[int, list[int]] = defaultdict(list)

    def count_with(self, interval: Interval) -> int:
        """Add one, and count those that hold its start. On its first day, an exact one may have ended before it."""
        while self._last_days and self._last_days[0] < interval.first_day:
            heappop(self._last_days)
        heappush(self._last_days, interval.last_day)
        ended = sum(end < interval.start for end in self._exact_ends[interval.first_day]) if interval.exact else 0
        if interval.exact:
            self._exact_ends[interval.last_day].append(interval.end)
        return len(self._last_days) - ended
