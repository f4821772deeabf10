"""The episodes of a pathway worked out instead of lived: each expectation is unmet from one instant to another.

Between two recordings only time passes: a plain rule is out of step from its deadline to its first answer, as long as
both are known. Pathways and rules for which this does not hold are lived again, step by step: `replay`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from application.backtest.histories import Cause, History, Step, apply
from application.backtest.replay import Episode, Found, Key, order_of, owner_of, reason_of, replay, was_imported
from domain.alert import ClearedBecause
from domain.facts import Fact, FactState
from domain.rules import Calendars, CompiledRules
from domain.rules.case import Case
from domain.rules.evaluate import Stage
from domain.rules.instants import FOREVER, moment_of
from domain.rules.plan import Plan
from domain.rules.rule import OnClose, Require, Selector, Use
from domain.rules.scene import Scene
from domain.rules.targets import is_target, pool_of
from domain.rules.territories import territories_of
from domain.rules.timeline import EMPTY_POOL, Placed
from domain.rules.values import Of
from domain.rules.vocabulary import CLOSED, LIFE_TYPES, OPENED
from domain.rules.where import references_of

Tick: TypeAlias = int
"""Logical time: an instant, and the step recorded at it. Deadlines come before what is recorded at their instant."""

STEP_BITS = 20
STEPS_MAX = (1 << STEP_BITS) - 1
Stretch: TypeAlias = tuple[Tick, Tick]


class Unmet(NamedTuple):
    """A stretch during which what an activation calls for is out of step."""

    activation: Fact
    at: int
    """When it fell out of step."""
    first: Tick
    end: Tick
    because: ClearedBecause | None
    """Why it ends, when that is plain to see."""


class FastReplay:
    """`judge` says what `replay` says. For many pathways, under the same rules and calendars."""

    def __init__(self, rules: CompiledRules, calendars: Calendars) -> None:
        self._rules = rules
        self._calendars = calendars
        plain = {plan.rule.slug for plan in rules.plans}
        self._exotic = frozenset(plan.rule.slug for plan in rules.plans if not _is_plain(plan))
        self._plain = tuple(plan for plan in rules.plans if plan.rule.slug in plain - self._exotic)
        self._shut_by_force = frozenset(plan.rule.slug for plan in self._plain if plan.rule.on_close is OnClose.FORCE)
        self._subsets: dict[frozenset[str], CompiledRules] = {}

    def judge(self, history: History, until: int) -> Found:
        versions = _Versions.of(history, until)
        if versions is None:
            return replay(history, self._rules, self._calendars, until)
        if not versions.facts:
            return Found([], Counter())
        territories = territories_of(versions.facts, self._calendars)
        (calendar,) = territories.calendars
        scene = Scene(versions.facts, calendar, until, {}, territories, explained=False)
        if not versions.take_closing(scene):
            return replay(history, self._rules, self._calendars, until)
        exotic = self._exotic if versions.closing is None else self._exotic | self._shut_by_force
        found = self._worked_out(history, scene, versions, exotic)
        if exotic:
            lived = replay(history, self._only(exotic), self._calendars, until)
            return Found(sorted(found.episodes + lived.episodes, key=order_of), found.activations + lived.activations)
        return found

    def judge_all(self, histories: Sequence[History], until: int) -> list[Found]:
        """One answer for each history, in their order."""
        return [self.judge(history, until) for history in histories]

    def _only(self, slugs: frozenset[str]) -> CompiledRules:
        known = self._subsets.get(slugs)
        if known is None:
            known = self._subsets[slugs] = self._rules.only(*slugs)
        return known

    def _worked_out(self, history: History, scene: Scene, versions: "_Versions", exotic: frozenset[str]) -> Found:
        unmet: dict[Key, list[tuple[Unmet, Plan]]] = {}
        activations: Counter[tuple[str, int]] = Counter()
        for plan in self._plain:
            rule = plan.rule
            if rule.slug in exotic:
                continue
            find = _unmet_of_require if isinstance(rule.body, Require) else _unmet_of_silence
            count = 0
            for one in find(scene, plan, versions):
                if one is None:
                    count += 1
                else:
                    unmet.setdefault((rule.slug, one.activation.fact_id, None), []).append((one, plan))
            if count:
                activations[rule.slug, rule.version] = count
        found = [self._episode(history, versions, joined) for some in unmet.values() for joined in _joined(some)]
        return Found(sorted(found, key=order_of), activations)

    def _episode(self, history: History, versions: "_Versions", joined: tuple[Unmet, Plan, Plan]) -> Episode:
        unmet, plan, last_plan = joined
        closed = because = None
        if unmet.end <= versions.last:
            closed = unmet.end >> STEP_BITS
            because = self._because(history, unmet, last_plan)
        return Episode(
            rule=plan.rule.slug,
            version=plan.rule.version,
            pathway=history.pathway,
            activation=unmet.activation.fact_id,
            target=None,
            agency=owner_of(plan.rule, unmet.activation),
            imported=was_imported(unmet.activation, unmet.at),
            at=unmet.at,
            opened=unmet.first >> STEP_BITS,
            closed=closed,
            because=because,
        )

    def _because(self, history: History, unmet: Unmet, plan: Plan) -> ClearedBecause:
        """What the step says, what is plain to see, or else what the evaluator says of that very moment."""
        number = unmet.end & STEPS_MAX
        cause = history.steps[number - 1].cause if number else Cause.NEWS
        if cause is Cause.RETRACTION:
            return ClearedBecause.RETRACTED
        if cause is Cause.CORRECTION:
            return ClearedBecause.CORRECTED
        if unmet.because is not None:
            return unmet.because
        facts = _known_at(history.steps, unmet.end)
        now = moment_of(unmet.end >> STEP_BITS)
        assert now is not None
        stage = Stage(facts, self._rules, self._calendars, now, explained=False)
        judged = (one for one in stage.judge(plan).obligations if one.activation == unmet.activation.fact_id)
        return reason_of(next(judged, None))


def _is_plain(plan: Plan) -> bool:
    """Whether each of its expectations is answered or not by each fact alone."""
    rule, body = plan.rule, plan.rule.body
    if any(sought.relation is not None or _reads_pathway(sought.selector) for sought in plan.sought.values()):
        return False
    if isinstance(body, Require):
        is_self = plan.sought["expect"].filter.is_self
        return body.use is Use.SHARED and plan.sought.keys() == {"when", "expect"} and not is_self
    of = plan.sought.get("of")
    if rule.kind != "silence" or of is None or "while" in plan.sought:
        return False
    return not rule.strict and of.key is None and of.depends is None


def _reads_pathway(selector: Selector) -> bool:
    references = [link.value for link in selector.match + selector.differ]
    return any(reference.of is Of.PATHWAY for reference in (*references, *references_of(selector.where)))


class _Versions:
    """Every version of every fact of a pathway, and from when to when each was what was known."""

    __slots__ = ("_closed_by", "closed_at", "closing", "facts", "last", "opening", "shut_at", "spans", "until")

    def __init__(self, until: int) -> None:
        self.until = until
        self.last: Tick = (until << STEP_BITS) | STEPS_MAX
        self.facts: list[Fact] = []
        self.spans: dict[int, Stretch] = {}
        """By identity of the version."""
        self.opening: Fact | None = None
        self._closed_by: Fact | None = None
        self.closing: Placed | None = None
        self.closed_at: Tick = 0
        """When the closing became known."""
        self.shut_at: Tick = 0
        """When it began to end what waits."""

    @classmethod
    def of(cls, history: History, until: int) -> "_Versions | None":
        """None when the pathway's life or its territory has more than one version: what counts then depends on when."""
        if len(history.steps) > STEPS_MAX:
            return None
        versions = cls(until)
        facts, spans = versions.facts, versions.spans
        present: dict[str, tuple[Fact, Tick]] = {}
        territory: object = versions
        for number, step in enumerate(history.steps, start=1):
            if step.on > until:
                break
            tick = (step.on << STEP_BITS) | number
            for change in step.changes:
                replaced = present.pop(change.fact_id, None)
                if replaced is not None:
                    spans[id(replaced[0])] = (replaced[1], tick)
                fact = change.fact
                if fact is None:
                    continue
                if territory is versions:
                    territory = fact.territory
                if fact.territory != territory or id(fact) in spans:
                    return None
                if fact.type in LIFE_TYPES and not versions._take_life(fact, number, tick):
                    return None
                present[change.fact_id] = (fact, tick)
                spans[id(fact)] = (tick, FOREVER << STEP_BITS)
                facts.append(fact)
        return versions if versions._is_lively(spans) else None

    def _take_life(self, fact: Fact, number: int, tick: Tick) -> bool:
        """One opening, known from the beginning, and one closing without end: no other life is taken."""
        if fact.state is not FactState.DONE:
            return False
        match LIFE_TYPES[fact.type]:
            case kind if kind == OPENED and self.opening is None and number == 1:
                self.opening = fact
            case kind if kind == CLOSED and self._closed_by is None and fact.end in (None, fact.start):
                self._closed_by = fact
                self.closed_at = tick
            case _:
                return False
        return True

    def _is_lively(self, spans: dict[int, Stretch]) -> bool:
        """Whether what opens and closes is never taken back."""
        life = [fact for fact in (self.opening, self._closed_by) if fact is not None]
        return all(spans[id(fact)][1] == FOREVER << STEP_BITS for fact in life)

    def take_closing(self, scene: Scene) -> bool:
        """False for a closing before the opening: it closes nothing, and still ends what waits."""
        if self._closed_by is None:
            return True
        (closing,) = scene.life.closures
        self.closing = closing
        self.shut_at = max(self.closed_at, closing.effect << STEP_BITS)
        return not scene.life.openings or closing.last >= scene.life.openings[0].point

    def come(self, placed: Placed) -> Stretch:
        """From when to when it is known, and it has come."""
        known, gone = self.spans[id(placed.fact)]
        return max(known, placed.point << STEP_BITS), gone

    def end_of(self, case: Case, gone: Tick) -> Tick:
        """When an expectation is no more, as far as its activation and the closing of the pathway decide."""
        closing = self.closing
        if closing is None or case.plan.rule.on_close is OnClose.KEEP:
            return gone
        ends = case.activation.point <= closing.last < case.close.instant
        return min(gone, self.shut_at) if ends else gone


def _unmet_of_require(scene: Scene, plan: Plan, versions: _Versions) -> Iterator[Unmet | None]:
    """None for each activation that is one at the end: they are counted."""
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
        pool = pool_of(scene, case, expect)
        met: list[Stretch] = []
        late: list[Stretch] = []
        begin, _ = case.searched(scene.calendar)
        close, is_plain = case.close.instant, plan.is_plain
        for index in range(bisect_left(pool.points, begin), len(pool.items)):
            target = pool.items[index]
            if is_plain:
                is_within = target.point < close
            else:
                is_within = case.admits(target)
                if not is_within and target.point < close:
                    continue
            if not is_target(case, expect, target):
                continue
            stretch = versions.spans[id(target.fact)] if is_within and target.planned else versions.come(target)
            if needed == 1 and stretch[0] <= first and stretch[1] >= end:
                break
            (met if is_within else late).append(stretch)
        else:
            yield from _unmet(case, first, end, met, late, needed)


def _unmet_of_silence(scene: Scene, plan: Plan, versions: _Versions) -> Iterator[Unmet | None]:
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
    scene: Scene, plan: Plan, versions: _Versions, activation: Placed, following: Sequence[Placed]
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
        yield Unmet(case.activation.fact, case.close.instant, begins, ends, because)


def _uncovered(first: Tick, end: Tick, answers: Iterable[Stretch], needed: int) -> Iterator[Stretch]:
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


def _joined(some: Sequence[tuple[Unmet, Plan]]) -> Iterator[tuple[Unmet, Plan, Plan]]:
    """Stretches that touch are one episode: a corrected activation is the same alert. With the first and last plan."""
    first_plan: Plan | None = None
    whole: Unmet | None = None
    last_plan: Plan | None = None
    for unmet, plan in sorted(some, key=lambda each: each[0].first):
        if whole is not None and first_plan is not None and unmet.first == whole.end:
            whole, last_plan = whole._replace(end=unmet.end, because=unmet.because), plan
            continue
        if whole is not None and first_plan is not None and last_plan is not None:
            yield whole, first_plan, last_plan
        whole, first_plan, last_plan = unmet, plan, plan
    if whole is not None and first_plan is not None and last_plan is not None:
        yield whole, first_plan, last_plan


def _known_at(steps: Sequence[Step], tick: Tick) -> list[Fact]:
    """The facts at a deadline: all that was recorded before its instant; after a step: up to it."""
    facts: dict[str, Fact] = {}
    instant, number = tick >> STEP_BITS, tick & STEPS_MAX
    for step in steps[:number] if number else steps:
        if not number and step.on >= instant:
            break
        apply(step, facts)
    return list(facts.values())
