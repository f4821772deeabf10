"""What really happened: the facts as known today, judged once, whenever they were recorded."""

from collections import Counter
from collections.abc import Sequence

from application.backtest.histories import History
from application.backtest.replay import Episode, Found, order_of, owner_of
from domain.alert import ClearedBecause
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Obligation, Status, evaluate
from domain.rules.instants import instant_of, moment_of
from domain.rules.plan import Plan
from domain.rules.timeline import Timeline

VIOLATED = frozenset((Status.VIOLATED_OPEN, Status.VIOLATED_LATE))


class Hindsight:
    """For many pathways, under the same rules and calendars."""

    def __init__(self, rules: CompiledRules, calendars: Calendars) -> None:
        self._rules = rules
        self._calendars = calendars
        self._plan_of = {(plan.rule.slug, plan.rule.version): plan for plan in rules.plans}

    def judge(self, history: History, until: int) -> Found:
        """Each violation lasts from the instant at which it came about to the late answer, told of or not."""
        facts = history.known_today()
        now = moment_of(until)
        assert now is not None
        judged = evaluate(facts, self._rules, self._calendars, now, explained=False).obligations
        return self.found(history, facts, judged)

    def found(self, history: History, facts: Sequence[Fact], judged: Sequence[Obligation]) -> Found:
        by_id = {fact.fact_id: fact for fact in facts}
        violated = [one for one in judged if one.status in VIOLATED]
        expecting = {(one.rule, one.version, one.activation) for one in judged}
        return Found(
            sorted((self._episode(history, one, by_id) for one in violated), key=order_of),
            Counter((rule, version) for rule, version, _ in expecting),
        )

    def _episode(self, history: History, one: Obligation, facts: dict[str, Fact]) -> Episode:
        assert one.at is not None
        plan = self._plan_of[one.rule, one.version]
        is_late = one.status is Status.VIOLATED_LATE
        return Episode(
            rule=one.rule,
            version=one.version,
            pathway=history.pathway,
            activation=one.activation,
            target=None if is_late else one.target,
            agency=owner_of(plan.rule, facts[one.activation]),
            imported=False,
            at=instant_of(one.at),
            opened=instant_of(one.at),
            closed=self._answered(plan, one, facts[one.target]) if is_late and one.target is not None else None,
            because=ClearedBecause.DONE_LATE if is_late else None,
        )

    def _answered(self, plan: Plan, one: Obligation, target: Fact) -> int:
        """The point of the late answer."""
        timeline = Timeline([target], self._calendars.of(one.territory), {})
        placed = timeline.place(target, plan.sought[plan.target].filter.at)
        assert placed is not None
        return placed.point
