"""Hindsight on many pathways at once: column by column where numpy is there, and the evaluator for all the rest."""

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from application.backtest.hindsight import Hindsight
from application.backtest.histories import History
from application.backtest.replay import Episode, Found, order_of, owner_of
from domain.alert import ClearedBecause
from domain.facts import Fact
from domain.rules import Calendars, CompiledRules, Status
from domain.rules.plan import Plan

if TYPE_CHECKING:
    from application.backtest.columns import Columns
    from application.backtest.vectors import Vectors

HAS_NUMPY = find_spec("numpy") is not None


class FastHindsight:
    """`judge_all` says what `Hindsight` says of each. Without numpy, it asks it."""

    def __init__(self, rules: CompiledRules, calendars: Calendars) -> None:
        self._rules = rules
        self._calendars = calendars
        self._slow = Hindsight(rules, calendars)
        self._plain: tuple[Plan, ...] = ()
        if HAS_NUMPY:
            from application.backtest.vectors import is_vectorised

            exotic = {plan.rule.slug for plan in rules.plans if not is_vectorised(plan)}
            self._plain = tuple(plan for plan in rules.plans if plan.rule.slug not in exotic)
            self._exotic = Hindsight(rules.only(*exotic), calendars) if exotic else None

    def judge_all(self, histories: Sequence[History], until: int) -> list[Found]:
        """One answer for each history, in their order."""
        if not self._plain:
            return [self._slow.judge(history, until) for history in histories]
        from application.backtest.columns import ColumnsBuilder
        from application.backtest.vectors import Vectors

        builder = ColumnsBuilder(self._rules, self._calendars, until)
        taken: list[_Taken] = []
        answers: list[_Taken | Found] = []
        for history in histories:
            facts = history.known_today()
            if builder.add(history.pathway, facts):
                taken.append(_Taken(history, facts))
                answers.append(taken[-1])
            else:
                answers.append(self._slow.judge(history, until))
        columns = builder.build()
        vectors = Vectors(columns, until)
        for plan in self._plain:
            _put(plan, columns, vectors, taken)
        return [self._whole(one, until) if isinstance(one, _Taken) else one for one in answers]

    def _whole(self, one: "_Taken", until: int) -> Found:
        if self._exotic is None:
            return Found(sorted(one.episodes, key=order_of), one.activations)
        more = self._exotic.judge(one.history, until)
        return Found(sorted(one.episodes + more.episodes, key=order_of), one.activations + more.activations)


class _Taken:
    """A pathway in the columns, and what is found of it."""

    def __init__(self, history: History, facts: Sequence[Fact]) -> None:
        self.history = history
        self.episodes: list[Episode] = []
        self.activations: Counter[tuple[str, int]] = Counter()
        self._facts = facts
        self._by_id: dict[str, Fact] = {}

    def fact(self, fact_id: str) -> Fact:
        self._by_id = self._by_id or {fact.fact_id: fact for fact in self._facts}
        return self._by_id[fact_id]


def _put(plan: Plan, columns: "Columns", vectors: "Vectors", taken: Sequence[_Taken]) -> None:
    """Give each pathway what one rule makes of it."""
    import numpy as np

    from application.backtest.columns import NO_ROW
    from application.backtest.vectors import CODES

    key = (plan.rule.slug, plan.rule.version)
    verdicts = vectors.judge(plan)
    expecting = np.unique(verdicts.activation)  # A pair of a forbidden kind has a row of its own.
    counts = np.bincount(columns.pathway[expecting], minlength=len(taken))
    for number in map(int, np.flatnonzero(counts)):
        taken[number].activations[key] = int(counts[number])
    late = CODES[Status.VIOLATED_LATE]
    is_violated = (verdicts.status == late) | (verdicts.status == CODES[Status.VIOLATED_OPEN])
    for index in map(int, np.flatnonzero(is_violated)):
        row = int(verdicts.activation[index])
        mine = taken[int(columns.pathway[row])]
        activation = mine.fact(columns.ids[row].decode())
        target = int(verdicts.target[index])
        is_late = bool(verdicts.status[index] == late)
        mine.episodes.append(
            Episode(
                rule=plan.rule.slug,
                version=plan.rule.version,
                pathway=mine.history.pathway,
                activation=activation.fact_id,
                target=None if is_late or target == NO_ROW else columns.ids[target].decode(),
                agency=owner_of(plan.rule, activation),
                imported=False,
                at=int(verdicts.at[index]),
                opened=int(verdicts.at[index]),
                closed=int(columns.point[target]) if is_late else None,
                because=ClearedBecause.DONE_LATE if is_late else None,
            )
        )
