"""How long after the fact each agency records, and the grace that this suggests."""

from collections import Counter
from datetime import datetime

import msgspec

from application.backtest.histories import History
from domain.facts import Fact, FactState
from domain.rules.calendars import Calendar
from domain.rules.instants import instant_of


class AgencyLag(msgspec.Struct, frozen=True, kw_only=True):
    """Local days from what an agency did to its recording; what was recorded ahead counts as the same day."""

    agency: str
    facts: int
    days_median: int
    days_p95: int
    suggested_grace: str
    """With it, 95 % of what this agency does in time is known before anybody is told that it was not done."""


class RecordingLag:
    """Counts days, so that memory does not grow with facts."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._days: dict[str, Counter[int]] = {}

    def add(self, history: History) -> None:
        """Each fact counts once: when it was first recorded as done."""
        done: set[str] = set()
        for step in history.steps:
            for change in step.changes:
                fact = change.fact
                if fact is not None and fact.state is FactState.DONE and change.fact_id not in done:
                    done.add(change.fact_id)
                    self._days.setdefault(fact.agency, Counter())[self._lag(fact, step.on)] += 1

    def by_agency(self) -> list[AgencyLag]:
        return [_lag_of(agency, self._days[agency]) for agency in sorted(self._days)]

    def _lag(self, fact: Fact, recorded: int) -> int:
        start = fact.start
        calendar = self._calendar
        day = calendar.day_of(instant_of(start)) if isinstance(start, datetime) else start.toordinal()
        return max(0, calendar.day_of(recorded) - day)


def _lag_of(agency: str, days: Counter[int]) -> AgencyLag:
    late = percentile(days, 95)
    return AgencyLag(
        agency=agency,
        facts=days.total(),
        days_median=percentile(days, 50),
        days_p95=late,
        suggested_grace=f"{late}d",
    )


def percentile(counts: Counter[int], percent: int) -> int:
    """The least value that at least so many percent of the values do not exceed."""
    wanted = -(-counts.total() * percent // 100)
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    raise ValueError("no values")
