"""What the oracle knows of one pathway in one clock: its facts in order, its suspensions, its stretches of activity."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from domain.facts import Fact
from tests.support.oracle_time import FAR_DAY, LONG_AGO, ONE_DAY, Clock, Moment, tie


class Life(NamedTuple):
    """A stretch of activity: what starts it, what closes it, and the closures that came before it."""

    start: Fact | None
    end: Fact | None
    before: tuple[Fact, ...]


class Pathway:
    def __init__(self, facts: Sequence[Fact], clock: Clock, now: datetime) -> None:
        self.clock = clock
        self.now = now
        self.facts = sorted(facts, key=lambda fact: (self.moment(fact).first, fact.position, fact.fact_id))
        self.instants_first = sorted(facts, key=lambda fact: (*self.moment(fact)[:2], fact.position, fact.fact_id))
        """At one point, an instant stands before the day it begins."""

    def moment(self, fact: Fact, at: str = "start") -> Moment:
        found = self.point(fact, at)
        assert found is not None
        return found

    def point(self, fact: Fact, at: str = "start") -> Moment | None:
        """None for the end of what still lasts."""
        value = {"start": fact.start, "end": fact.end, "recorded": fact.recorded_at}[at]
        return None if value is None else self.clock.moment(value)

    def in_order(self, at: str) -> list[tuple[Moment, Fact]]:
        """The facts that have such a point, by it, then by position."""
        placed = [(moment, fact) for fact in self.facts if (moment := self.point(fact, at)) is not None]
        return sorted(placed, key=lambda one: (one[0].first, one[1].position, one[1].fact_id))

    def done(self, kind: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.type == kind and fact.state == "done"]

    # Suspensions.

    def frozen_days(self) -> set[date]:
        days = set()
        for fact in self.done("suspension"):
            day = self.moment(fact).day
            end = self.point(fact, "end")
            while day <= (FAR_DAY if end is None else end.day):
                days.add(day)
                day += ONE_DAY
        return days

    def is_frozen(self, instant: datetime) -> bool:
        for fact in self.done("suspension"):
            end = self.point(fact, "end")
            if instant >= self.moment(fact).first and (end is None or instant < end.over):
                return True
        return False

    def suspensions_since(self, a: Moment) -> list[Fact]:
        return [fact for fact in self.done("suspension") if self.moment(fact).last >= a.first]

    # Openings and closures.

    def opening(self) -> Fact | None:
        return next((one for one in self.instants_first if one.type == "opened" and one.state == "done"), None)

    def lives(self) -> list[Life]:
        start, before = self.opening(), tuple[Fact, ...]()
        is_open, seen, unused, lives = True, list[Fact](), list[Fact](), list[Life]()
        for fact in self.instants_first:
            if fact.state != "done":
                continue
            if fact.type == "reopened" and is_open:
                unused.append(fact)
            elif fact.type == "reopened":
                start, before, is_open = fact, tuple(seen), True
            elif fact.type == "closed":
                seen.append(fact)
                if is_open and self.moment(fact).last >= self.beginning(start):
                    lives.append(Life(start, fact, before))
                    is_open = False
                    again = [one for one in unused if tie(self.moment(one), self.moment(fact))]
                    unused = []
                    if again:  # The reopening of that day comes after the closing, whichever stands first.
                        start, before, is_open = again[0], tuple(seen), True
        return [*lives, Life(start, None, before)] if is_open else lives

    def beginning(self, start: Fact | None) -> datetime:
        return LONG_AGO if start is None else self.moment(start).first

    def holds(self, life: Life, moment: Moment) -> bool:
        """The days of opening and closing included."""
        ends = life.end is None or moment.first <= self.moment(life.end).last
        return ends and moment.last >= self.beginning(life.start)

    def is_active(self, moment: Moment) -> bool:
        return any(self.holds(life, moment) for life in self.lives())

    def is_closed(self, moment: Moment) -> bool:
        """Not active any more; before it was opened, a pathway was not closed."""
        return not self.is_active(moment) and moment.last >= self.beginning(self.opening())

    def closings(self, activation: Fact, a: Moment) -> list[Fact]:
        """Closures at the activation or later, save those that came before the last time it was active."""
        behind: tuple[Fact, ...] = ()
        for life in self.lives():
            if life.start is not None and life.start.fact_id == activation.fact_id:
                behind = life.before
                break
            if self.holds(life, a):
                behind = life.before
        return [one for one in self.done("closed") if self.moment(one).last >= a.first and one not in behind]
