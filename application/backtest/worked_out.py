"""The episodes of a pathway worked out instead of lived: each expectation is unmet from one instant to another.

Between two recordings only time passes: a plain rule is out of step from its deadline to its first answer, as long as
both are known. Pathways and rules for which this does not hold are lived again, step by step: `replay`.
"""

from collections import Counter
from collections.abc import Sequence

from application.backtest.histories import Cause, History, Step, apply
from application.backtest.replay import Episode, Found, Key, order_of, owner_of, replay, was_imported
from application.backtest.unmet import Unmet, is_plain, minds_closing, unmet_of
from application.backtest.versions import STEP_BITS, STEPS_MAX, Tick, Versions
from domain.alert import ClearedBecause
from domain.alert_worth import cleared_because
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules
from domain.rules.evaluate import Stage
from domain.rules.instants import moment_of
from domain.rules.plan import Plan
from domain.rules.scene import Scene
from domain.rules.territories import territories_of
from domain.rules.vocabulary import canonical_type

SUBSETS_MAX = 1_000


class FastReplay:
    """`judge` says what `replay` says. For many pathways, under the same rules and calendars."""

    def __init__(self, rules: CompiledRules, calendars: Calendars) -> None:
        self._rules = rules
        self._calendars = calendars
        self._exotic = frozenset(plan.rule.slug for plan in rules.plans if not is_plain(plan))
        self._plain = tuple(plan for plan in rules.plans if plan.rule.slug not in self._exotic)
        self._minding = frozenset(plan.rule.slug for plan in self._plain if minds_closing(plan))
        self._starting = _starting_types(rules)
        self._subsets: dict[frozenset[str], CompiledRules] = {}

    def judge(self, history: History, until: int) -> Found:
        versions = Versions.of(history, until)
        if versions is None:
            return replay(history, self._rules, self._calendars, until)
        if not versions.facts:
            return Found([], Counter())
        territories = territories_of(versions.facts, self._calendars)
        (calendar,) = territories.calendars
        scene = Scene(versions.facts, calendar, until, {}, territories, explained=False)
        if not versions.take_closing(scene):
            return replay(history, self._rules, self._calendars, until)
        exotic = self._exotic if versions.closing is None else self._exotic | self._minding
        found = self._worked_out(history, scene, versions, exotic)
        beginning = self._beginning(exotic, versions)
        if beginning:
            lived = replay(history, self._only(beginning), self._calendars, until)
            return Found(sorted(found.episodes + lived.episodes, key=order_of), found.activations + lived.activations)
        return found

    def judge_all(self, histories: Sequence[History], until: int) -> list[Found]:
        """One answer for each history, in their order."""
        return [self.judge(history, until) for history in histories]

    def _beginning(self, slugs: frozenset[str], versions: Versions) -> frozenset[str]:
        """Of these rules, those that some fact of the pathway may start."""
        types = {canonical_type(fact.type) for fact in versions.facts}
        return frozenset(slug for slug in slugs if not types.isdisjoint(self._starting.get(slug, types)))

    def _only(self, slugs: frozenset[str]) -> CompiledRules:
        known = self._subsets.get(slugs)
        if known is None:
            if len(self._subsets) >= SUBSETS_MAX:
                self._subsets.clear()
            known = self._subsets[slugs] = self._rules.only(*slugs)
        return known

    def _worked_out(self, history: History, scene: Scene, versions: Versions, exotic: frozenset[str]) -> Found:
        unmet: dict[Key, list[tuple[Unmet, Plan]]] = {}
        activations: Counter[tuple[str, int]] = Counter()
        for plan in self._plain:
            rule = plan.rule
            if rule.slug in exotic:
                continue
            count = 0
            for one in unmet_of(scene, plan, versions):
                if one is None:
                    count += 1
                else:
                    target = None if one.target is None else one.target.fact_id
                    unmet.setdefault((rule.slug, one.activation.fact_id, target), []).append((one, plan))
            if count:
                activations[rule.slug, rule.version] = count
        found = [self._episode(history, versions, joined) for some in unmet.values() for joined in _joined(some)]
        return Found(sorted(found, key=order_of), activations)

    def _episode(self, history: History, versions: Versions, joined: tuple[Unmet, Plan, Plan]) -> Episode:
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
            target=None if unmet.target is None else unmet.target.fact_id,
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
        target = None if unmet.target is None else unmet.target.fact_id
        same = (one for one in stage.judge(plan).obligations if one.activation == unmet.activation.fact_id)
        return cleared_because(next((one for one in same if target in (None, one.target)), None))


def _starting_types(rules: CompiledRules) -> dict[str, frozenset[str]]:
    """By rule, the types of facts without which it expects nothing; the rules that any fact may start are left out."""
    starting: dict[str, frozenset[str]] = {}
    for plan in rules.plans:
        if plan.starters is not None:
            starting[plan.rule.slug] = starting.get(plan.rule.slug, frozenset()) | plan.starters
    anything = {plan.rule.slug for plan in rules.plans if plan.starters is None}
    return {slug: types for slug, types in starting.items() if slug not in anything}


def _joined(some: Sequence[tuple[Unmet, Plan]]) -> Sequence[tuple[Unmet, Plan, Plan]]:
    """Stretches that touch are one episode: a corrected activation is the same alert. With the first and last plan."""
    joined: list[tuple[Unmet, Plan, Plan]] = []
    for unmet, plan in sorted(some, key=lambda each: each[0].first):
        if joined and joined[-1][0].end == unmet.first:
            whole, first_plan, _ = joined[-1]
            joined[-1] = (whole._replace(end=unmet.end, because=unmet.because), first_plan, plan)
        else:
            joined.append((unmet, plan, plan))
    return joined


def _known_at(steps: Sequence[Step], tick: Tick) -> list[Fact]:
    """The facts at a deadline: all that was recorded before its instant; after a step: up to it."""
    facts: dict[str, Fact] = {}
    instant, number = tick >> STEP_BITS, tick & STEPS_MAX
    for step in steps[:number] if number else steps:
        if not number and step.on >= instant:
            break
        apply(step, facts)
    return list(facts.values())
