"""One pathway judged again and again: a rule is asked only when what it reads changed, or when its time has come.

Of a rule that is asked, what was answered before anything new stays answered: a history costs what is open in it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.facts import Fact
from domain.rules.calendars import Calendars
from domain.rules.evaluate import NOTHING_SAID, NOTHING_SETTLED, Stage, Verdicts
from domain.rules.instants import FOREVER, NEVER_BEGAN, instant_of, moment_of
from domain.rules.obligation import Evaluation, Obligation, Status
from domain.rules.plan import CompiledRules, Plan
from domain.rules.timeline import PlacedFacts
from domain.rules.vocabulary import LIFE, canonical_type

ANSWERED = (Status.SATISFIED, Status.VIOLATED_LATE)


class News(NamedTuple):
    """What came, went or changed since a pathway was last judged."""

    types: frozenset[str]
    come: Sequence[Fact]
    is_in_order: bool
    """Nothing went or changed, and what came was learnt after all that was known."""


class Watch:
    """`judge` says what `evaluate` says, near misses aside. For one pathway, under the same rules and calendars."""

    def __init__(self, rules: CompiledRules, calendars: Calendars) -> None:
        self.rules = rules
        self._calendars = calendars
        self._now = FOREVER
        self._facts: dict[str, Fact] = {}
        self._placed: PlacedFacts = {}
        self._verdicts: list[Verdicts] = []

    def judge(self, facts: Sequence[Fact], now: datetime) -> Evaluation:
        """A fact that did not change is best given as the same object: nothing else is compared."""
        instant = instant_of(now)
        news = self._news(facts) if instant >= self._now else None
        if news is None or not news.is_in_order:
            self._placed = {}
        stage: Stage | None = None
        verdicts = []
        settled_until = NEVER_BEGAN
        for number, plan in enumerate(self.rules.plans):
            before = NOTHING_SAID if news is None else self._verdicts[number]
            if news is not None and _still_holds(plan, before, news, instant):
                verdicts.append(before)
                continue
            if stage is None:
                stage = Stage(facts, self.rules, self._calendars, now, None, self._placed, explained=False)
                settled_until = self._settled_until(news) if stage.is_quiet else NEVER_BEGAN
            verdicts.append(stage.judge(plan, self._settled(plan, before, settled_until)))
        self._now, self._verdicts = instant, verdicts
        self._facts = {fact.fact_id: fact for fact in facts}
        next_due = min((verdict.next_due for verdict in verdicts), default=FOREVER)
        return Evaluation(tuple(one for verdict in verdicts for one in verdict.obligations), moment_of(next_due))

    def _settled_until(self, news: News | None) -> int:
        """Nothing that came, nor what was booked or foretold when last judged, has its place before this instant."""
        if news is None or not news.is_in_order:
            return NEVER_BEGAN
        return min((self._now, *(self._placed[fact.fact_id].point for fact in news.come)))

    def _settled(self, plan: Plan, before: Verdicts, until: int) -> Mapping[str, Obligation]:
        """By activation, what was answered by then."""
        if not plan.is_steady or until == NEVER_BEGAN:
            return NOTHING_SETTLED
        placed = self._placed
        return {
            one.activation: one
            for one in before.obligations
            if one.status in ANSWERED and one.target is not None and placed[one.target].point <= until
        }

    def _news(self, facts: Sequence[Fact]) -> News | None:
        """None when it may matter to every rule."""
        before = self._facts
        come = [fact for fact in facts if before.get(fact.fact_id) is not fact]
        gone: Collection[Fact] = ()
        if len(facts) - len(come) < len(before):
            now = {fact.fact_id: fact for fact in facts}
            gone = [fact for fact_id, fact in before.items() if now.get(fact_id) is not fact]
        types = frozenset(canonical_type(fact.type) for fact in (*come, *gone))
        if not LIFE.isdisjoint(types) or len({fact.territory for fact in (*facts, *gone)}) > 1:
            return None
        latest = max((fact.position for fact in before.values()), default=0)
        return News(types, come, not gone and all(fact.position > latest for fact in come))


def _still_holds(plan: Plan, before: Verdicts, news: News, now: int) -> bool:
    if now >= before.next_due:
        return False
    return plan.types is not None and plan.types.isdisjoint(news.types)
