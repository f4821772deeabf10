"""When what a plain rule expects of a pathway is out of step: from its deadline to its first answer."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from application.backtest.versions import STEP_BITS, Stretch, Tick, Versions
from domain.alert import ClearedBecause
from domain.facts import Fact
from domain.rules.case import Case
from domain.rules.cuts import open_case
from domain.rules.instants import instant_of
from domain.rules.plan import Plan, Sought
from domain.rules.rule import EVERY_TYPE, Forbid, OnClose, Require, Selector, Use
from domain.rules.scene import Scene
from domain.rules.targets import in_window, is_target, pool_of
from domain.rules.timeline import EMPTY_POOL, Placed
from domain.rules.values import Of
from domain.rules.where import references_of
from domain.rules.windows import Close, after_close


class Unmet(NamedTuple):
    """A stretch during which what an activation calls for is out of step."""

    activation: Fact
    target: Fact | None
    """Of a pair that must not be, the other fact."""
    at: int
    """When it fell out of step."""
    first: Tick
    end: Tick
    because: ClearedBecause | None
    """Why it ends, when that is plain to see."""


def unmet_of(scene: Scene, plan: Plan, versions: Versions) -> Iterator[Unmet | None]:
    """For plans that are plain. None for each activation that is one at the end: they are counted."""
    match plan.rule.body:
        case Require():
            return _of_require(scene, plan, versions)
        case Forbid():
            return _of_forbid(scene, plan, versions)
        case _:
            return _of_silence(scene, plan, versions)


def is_plain(plan: Plan) -> bool:
    """Whether each of its expectations is answered or not by each fact alone."""
    if any(_reads_pathway(sought.selector) for sought in plan.sought.values()):
        return False
    match plan.rule.body:
        case Require() as body:
            expect = plan.sought["expect"]
            is_bare = plan.sought.keys() == {"when", "expect"} and expect.relation is None
            return body.use is Use.SHARED and is_bare and not expect.filter.is_self
        case Forbid() as body:
            return plan.sought.keys() == {"when", "forbid"} and are_apart(body.when, body.forbid)
    of = plan.sought.get("of")
    if of is None or "while" in plan.sought:
        return False
    return not plan.rule.strict and of.key is None and of.depends is None


def minds_closing(plan: Plan) -> bool:
    """Whether the closing of a pathway does more to it than to end what waits."""
    on_close = plan.rule.on_close
    return on_close is OnClose.FORCE or (isinstance(plan.rule.body, Forbid) and on_close is not OnClose.KEEP)


def are_apart(one: Selector, other: Selector) -> bool:
    """No fact may be both: no pair is told twice, the other way round."""
    return EVERY_TYPE not in (*one.types, *other.types) and set(one.types).isdisjoint(other.types)


def _reads_pathway(selector: Selector) -> bool:
    references = [link.value for link in selector.match + selector.differ]
    return any(reference.of is Of.PATHWAY for reference in (*references, *references_of(selector.where)))


def _of_require(scene: Scene, plan: Plan, versions: Versions) -> Iterator[Unmet | None]:
    body = plan.rule.body
    assert isinstance(body, Require)
    expect, needed, last = plan.sought["expect"], body.min, versions.last
    for activation in scene.timeline.pools(plan.sought["when"].filter).get(None, EMPTY_POOL).items:
        if not scene.governs(plan, activation):
            continue
        case = Case(scene, plan, activation)
        known, gone = versions.spans[id(activation.fact)]
        if gone > last:
            yield None
        first = max(known, case.stretch.raise_at << STEP_BITS)
        end = versions.end_of(case, gone)
        if first >= end or first > last:
            continue
        met: list[Stretch] = []
        late: list[Stretch] = []
        for is_within, stretch in _answers(scene, case, expect, versions):
            if needed == 1 and stretch[0] <= first and stretch[1] >= end:
                break
            (met if is_within else late).append(stretch)
        else:
            yield from _unmet(case, first, end, met, late, needed)


def _answers(scene: Scene, case: Case, expect: Sought, versions: Versions) -> Iterator[tuple[bool, Stretch]]:
    """Whether it is in the window, or else late, and from when to when it is known and counts."""
    pool = pool_of(scene, case, expect)
    begin, _ = case.searched(scene.calendar)
    close, is_plain = case.close.instant, case.plan.is_plain
    for index in range(bisect_left(pool.points, begin), len(pool.items)):
        target = pool.items[index]
        is_within = target.point < close if is_plain else case.admits(target)
        if (is_within or target.point >= close) and is_target(case, expect, target):
            yield is_within, versions.spans[id(target.fact)] if is_within and target.planned else versions.come(target)


def _of_forbid(scene: Scene, plan: Plan, versions: Versions) -> Iterator[Unmet | None]:
    """A pair is out of step as long as both of its facts are known and have come."""
    body, sought = plan.rule.body, plan.sought["forbid"]
    assert isinstance(body, Forbid)
    for activation in scene.timeline.pools(plan.sought["when"].filter).get(None, EMPTY_POOL).items:
        if not scene.governs(plan, activation):
            continue
        known, gone = versions.spans[id(activation.fact)]
        if gone > versions.last:
            yield None
        if not (activation.planned and body.accepts_planned):
            known, gone = versions.come(activation)
        case = open_case(scene, plan, activation, body)
        for target in in_window(scene, case, sought, pool_of(scene, case, sought)):
            learnt, lost = versions.spans[id(target.fact)] if target.planned else versions.come(target)
            raise_at = _raised_at(scene, plan, activation, target)
            first, end = max(known, learnt, raise_at << STEP_BITS), min(gone, lost)
            if first < end and first <= versions.last:
                at = max(activation.point, target.point)
                yield Unmet(activation.fact, target.fact, at, first, end, None)


def _raised_at(scene: Scene, plan: Plan, activation: Placed, target: Placed) -> int:
    """As `domain.rules.verdict` counts the grace of a pair: from when it comes about, or was booked."""
    due = max(activation.point, target.point)
    if activation.planned or target.planned:
        due = min(due, max(instant_of(placed.fact.recorded_at) for placed in (activation, target)))
    return after_close(Close(due, None, due), plan.rule.grace, scene.calendar)


def _of_silence(scene: Scene, plan: Plan, versions: Versions) -> Iterator[Unmet | None]:
    contacts = scene.timeline.pools(plan.sought["of"].filter).get(None, EMPTY_POOL).items
    opening = scene.life.openings[0] if scene.life.openings else None
    if opening is not None:
        contacts = [contact for contact in contacts if contact.fact is not opening.fact]
        following = [contact for contact in contacts if contact.is_after_or_ties(opening)]
        yield from _unmet_after(scene, plan, versions, opening, following)
    for index, contact in enumerate(contacts):
        if opening is None or contact.last >= opening.point:
            yield from _unmet_after(scene, plan, versions, contact, contacts[index + 1 :])


def _unmet_after(
    scene: Scene, plan: Plan, versions: Versions, activation: Placed, following: Sequence[Placed]
) -> Iterator[Unmet | None]:
    """Whatever contact comes next answers; one that is booked after the deadline does not until it has come."""
    if not scene.governs(plan, activation):
        return
    case = Case(scene, plan, activation)
    close = case.close.instant
    known, gone = versions.spans[id(activation.fact)] if activation.planned else versions.come(activation)
    if versions.closing is not None and activation.point > versions.closing.last:
        gone = min(gone, versions.closed_at)
    if known <= versions.last < gone:
        yield None
    first = max(known, case.stretch.raise_at << STEP_BITS)
    end = versions.end_of(case, gone)
    if first >= end or first > versions.last:
        return
    met: list[Stretch] = []
    late: list[Stretch] = []
    for contact in following:
        is_within = contact.point < close
        stretch = versions.spans[id(contact.fact)] if is_within and contact.planned else versions.come(contact)
        if stretch[0] <= first and stretch[1] >= end:
            return
        (met if is_within else late).append(stretch)
    yield from _unmet(case, first, end, met, late, 1)


def _unmet(
    case: Case, first: Tick, end: Tick, met: Sequence[Stretch], late: Sequence[Stretch], needed: int
) -> Iterator[Unmet]:
    """The parts of [first, end) in which fewer answers than needed are known."""
    for begins, ends in _uncovered(first, end, (*met, *late), needed):
        because = None
        if ends < end:
            in_time = sum(known <= ends < gone for known, gone in met)
            because = ClearedBecause.LATE_EVIDENCE if in_time >= needed else ClearedBecause.DONE_LATE
        yield Unmet(case.activation.fact, None, case.close.instant, begins, ends, because)


def _uncovered(first: Tick, end: Tick, answers: Sequence[Stretch], needed: int) -> Iterator[Stretch]:
    if needed == 1 and all(gone >= end for _, gone in answers):
        soonest = min((known for known, _ in answers), default=end)
        if soonest > first:
            yield first, min(soonest, end)
        return
    changes: dict[Tick, int] = {}
    for known, gone in answers:
        begins = max(known, first)
        if begins < min(gone, end):
            changes[begins] = changes.get(begins, 0) + 1
            changes[gone] = changes.get(gone, 0) - 1
    count = changes.pop(first, 0)
    began, was_unmet = first, count < needed
    for tick in sorted(tick for tick in changes if tick < end):
        count += changes[tick]
        is_unmet = count < needed
        if is_unmet != was_unmet:
            if was_unmet:
                yield began, tick
            began, was_unmet = tick, is_unmet
    if was_unmet:
        yield began, end
