"""One pathway judged again and again: a rule is asked only when what it reads changed, or when its time has come."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.facts import Fact
from domain.rules.calendars import Calendars
from domain.rules.evaluate import Stage, Verdicts
from domain.rules.instants import FOREVER, instant_of, moment_of
from domain.rules.obligation import Evaluation
from domain.rules.plan import CompiledRules, Plan
from domain.rules.vocabulary import LIFE, canonical_type


class Watch:
    """`judge` says what `evaluate` says, near misses aside. For one pathway, under the same rules and calendars."""

    def __init__(self, rules: CompiledRules, calendars: Calendars) -> None:
        self.rules = rules
        self._calendars = calendars
        self._now = FOREVER
        self._facts: dict[str, Fact] = {}
        self._verdicts: list[Verdicts] = []

    def judge(self, facts: Sequence[Fact], now: datetime) -> Evaluation:
        """A fact that did not change is best given as the same object: nothing else is compared."""
        instant = instant_of(now)
        changed = self._changed(facts) if instant >= self._now else None
        stage: Stage | None = None
        verdicts = []
        for number, plan in enumerate(self.rules.plans):
            if changed is not None and self._still_holds(number, plan, changed, instant):
                verdicts.append(self._verdicts[number])
            else:
                stage = stage or Stage(facts, self.rules, self._calendars, now, explained=False)
                verdicts.append(stage.judge(plan))
        self._now, self._verdicts = instant, verdicts
        self._facts = {fact.fact_id: fact for fact in facts}
        next_due = min((verdict.next_due for verdict in verdicts), default=FOREVER)
        return Evaluation(tuple(one for verdict in verdicts for one in verdict.obligations), moment_of(next_due))

    def _still_holds(self, number: int, plan: Plan, changed: frozenset[str], now: int) -> bool:
        if now >= self._verdicts[number].next_due:
            return False
        return plan.types is not None and plan.types.isdisjoint(changed)

    def _changed(self, facts: Sequence[Fact]) -> frozenset[str] | None:
        """The types of the facts that came, went or changed; None when that may matter to every rule."""
        before = self._facts
        come = [fact for fact in facts if before.get(fact.fact_id) is not fact]
        kept = len(facts) - len(come)
        gone: Iterable[Fact] = ()
        if kept < len(before):
            now = {fact.fact_id: fact for fact in facts}
            gone = [fact for fact_id, fact in before.items() if now.get(fact_id) is not fact]
        types = frozenset(canonical_type(fact.type) for fact in (*come, *gone))
        if not LIFE.isdisjoint(types) or len({fact.territory for fact in (*facts, *gone)}) > 1:
            return None
        return types
