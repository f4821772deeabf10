"""A backtest from end to end: histories in, one table out."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Protocol

import msgspec

from application.backtest.fast_hindsight import FastHindsight
from application.backtest.histories import History
from application.backtest.replay import Found
from application.backtest.table import BacktestTable, Tally
from application.backtest.worked_out import FastReplay
from domain.rulebook import BacktestMode
from domain.rules import Calendars, CompiledRules, Ruleset, compile_rules
from domain.rules.calendars import Calendar
from domain.rules.instants import moment_of, rfc3339
from domain.rules.rule import Rule, RuleState

FACTS_AT_ONCE = 5_000


class Period(msgspec.Struct, frozen=True):
    """Alerts raised from `since` (from the first when None) to `until`, both included, in microseconds."""

    since: int | None
    until: int


class Judge(Protocol):
    def judge_all(self, histories: Sequence[History], until: int) -> list[Found]:
        """What the rules make of each pathway, in their order."""


class Backtest:
    """Fed one pathway after another, so that it can be stopped, and its progress told, between any two."""

    def __init__(
        self,
        rules: Ruleset,
        calendars: Calendars,
        calendar: Calendar,
        mode: BacktestMode,
        period: Period,
        in_force: Ruleset | None = None,
    ) -> None:
        """`calendar` is that of the months; `in_force`: what alerts are compared with, rule by rule."""
        last_day = calendar.day_of(period.until)
        self._rules = compile_rules(as_tried(rules, last_day))
        self._calendars = calendars
        self._calendar = calendar
        self._mode = mode
        self._period = period
        self._judge = self._judging(self._rules)
        self._before: Judge | None = None
        self._waiting: list[History] = []
        self._facts_waiting = 0
        against = None
        if in_force is not None:
            same = {rule.slug for rule in rules}
            current = compile_rules(rule for rule in in_force if rule.slug in same and rule.state is RuleState.ACTIVE)
            self._before = self._judging(current)
            against = {plan.rule.slug: plan.rule.version for plan in current.plans}
        self._tally = Tally(self._rules, calendar, period.since, period.until, against)

    def _judging(self, rules: CompiledRules) -> Judge:
        judge = FastHindsight if self._mode is BacktestMode.HINDSIGHT else FastReplay
        return judge(rules, self._calendars)

    def add(self, history: History) -> None:
        """Pathways are judged some at a time: what comes to little together costs less."""
        self._waiting.append(history)
        self._facts_waiting += history.count()
        if self._facts_waiting >= FACTS_AT_ONCE:
            self._judge_waiting()

    def _judge_waiting(self) -> None:
        until, some = self._period.until, self._waiting
        before = repeat(None) if self._before is None else self._before.judge_all(some, until)
        for history, found, was in zip(some, self._judge.judge_all(some, until), before, strict=False):
            self._tally.add(history, found, was)
        self._waiting = []
        self._facts_waiting = 0

    def table(self, known_at: int | None = None) -> BacktestTable:
        """Everything that was added, counted."""
        self._judge_waiting()
        since, until = self._period.since, self._period.until
        tally = self._tally
        rules = tally.rules()
        return BacktestTable(
            mode=self._mode,
            since=None if since is None else rfc3339(moment_of(since)),
            until=rfc3339(moment_of(until)) or "",
            known_at=known_at,
            calendar=self._calendar.version,
            pathways=tally.pathways,
            versions=tally.versions,
            alerts=sum(each.alerts for each in rules),
            rules=rules,
            load=tally.load(),
            overlap=tally.overlap(),
            recording_lag=tally.recording_lag(),
            samples=tally.sampler.explained(self._mode, self._rules, self._calendars, until),
        )


def as_tried(rules: Iterable[Rule], last_day: int) -> Ruleset:
    """Drafts and shadows judged as if active, and what is to take effect after the period as if it already had."""
    tried = (rule for rule in rules if rule.state is not RuleState.RETIRED)
    return Ruleset(tuple(msgspec.structs.replace(rule, **_in_effect(rule, last_day)) for rule in tried))


def _in_effect(rule: Rule, last_day: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"state": RuleState.ACTIVE}
    if rule.effective_from is not None and rule.effective_from > last_day:
        changes |= {"effective_from": None, "effective_to": None}
    return changes
