"""The facts of one pathway laid out on one calendar: each point as an instant and a local day, filed for bisection."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import date, datetime
from itertools import accumulate
from typing import Any

from domain.facts import Fact, FactState, Precision
from domain.rules.calendars import Calendar
from domain.rules.instants import ENDLESS_DAY, FOREVER, instant_of
from domain.rules.plan import Filter
from domain.rules.relations import Interval
from domain.rules.rule import EVERY_TYPE, At
from domain.rules.values import Scope
from domain.rules.vocabulary import LIFE_TYPES

Order = tuple[int, int, str]


class Placed:
    """One point of a fact. A day-precise one stands at its midnight and is equal to every moment of its day."""

    __slots__ = ("day", "exact", "fact", "last", "planned", "point")

    def __init__(self, fact: Fact, point: int, day: int, last: int, *, exact: bool) -> None:
        self.fact = fact
        self.point = point
        self.last = last  # The last instant it may stand for: its own, or the end of its day.
        self.day = day
        self.exact = exact
        self.planned = fact.state is FactState.PLANNED

    @property
    def effect(self) -> int:
        """The instant from which it stops others: its own, or the end of its day, for all that day may hold ties."""
        return self.point if self.exact else self.last + 1

    def ties_with(self, other: "Placed") -> bool:
        """Same instant, or same local day when either is only known to the day."""
        return self.point == other.point if self.exact and other.exact else self.day == other.day

    def is_after_or_ties(self, other: "Placed") -> bool:
        return self.last >= other.point


def order_of(placed: Placed) -> Order:
    """By point, a day standing at its midnight, then by position; ids settle what no event log leaves open."""
    fact = placed.fact
    return (placed.point, fact.position, fact.fact_id)


def precedence_of(placed: Placed) -> tuple[int, int, int, str]:
    """The same, an instant before the whole day it begins: for choices on which a verdict hangs, never by position."""
    fact = placed.fact
    return (placed.point, placed.last, fact.position, fact.fact_id)


def first_to_act(facts: Iterable[Placed]) -> Placed | None:
    """Of facts in the order of their points, the one whose effect comes first."""
    found: Placed | None = None
    for fact in facts:
        if found is not None and fact.point >= found.effect:
            break
        if found is None or fact.effect < found.effect:
            found = fact
    return found


def first_in_time(facts: Iterable[Placed]) -> Placed | None:
    """Of facts in the order of their points, the first; of an instant and the day it begins, the instant."""
    found: Placed | None = None
    for fact in facts:
        if found is not None and fact.point > found.point:
            break
        if found is None or fact.last < found.last:
            found = fact
    return found


class Pool:
    """Facts that pass one filter, in order, with their points apart for bisection."""

    __slots__ = ("items", "points", "reach")

    def __init__(self, items: list[Placed]) -> None:
        self.items = items
        self.points = [item.point for item in items]
        self.reach: list[int] | None = None  # The latest end of an interval so far, for who looks for intervals.


EMPTY_POOL = Pool([])
PlacedFacts = dict[str, Placed]
"""Where facts start, by fact id, for who lays out nearly the same facts again on the same calendar."""


class Timeline:
    """Facts by type and pools by filter, each built when first asked for."""

    def __init__(
        self,
        facts: Iterable[Fact],
        calendar: Calendar,
        pathway: Mapping[str, Any],
        placed: PlacedFacts | None = None,
    ) -> None:
        self.calendar = calendar
        self.scope = Scope(calendar, pathway)
        self._placed: dict[tuple[int, At], Placed | None] = {}
        self._intervals: dict[int, Interval] = {}
        self._pools: dict[int, dict[Hashable, Pool]] = {}
        self._of_types: dict[tuple[tuple[str, ...], At], Pool] = {}
        self.by_type: dict[str, list[Placed]] = {}
        self._all = self._in_order(facts, {} if placed is None else placed)
        for one in self._all:
            kind = one.fact.type
            kind = LIFE_TYPES.get(kind, kind)
            of_type = self.by_type.get(kind)
            if of_type is None:
                self.by_type[kind] = [one]
            else:
                of_type.append(one)

    def _in_order(self, facts: Iterable[Fact], known: PlacedFacts) -> list[Placed]:
        found = []
        for fact in facts:
            placed = known.get(fact.fact_id)
            if placed is None or placed.fact is not fact:
                placed = known[fact.fact_id] = self._place(fact, fact.start)
            found.append(placed)
        found.sort(key=order_of)
        return found

    def of_types(self, types: tuple[str, ...], at: At) -> list[Placed]:
        """All facts of these types, in the order of their point `at`; those without that point are left out."""
        if types == (EVERY_TYPE,):
            found = self._all
        elif len(types) == 1:
            found = self.by_type.get(types[0], [])
        else:
            found = sorted((placed for kind in types for placed in self.by_type.get(kind, ())), key=order_of)
        if at is At.START:
            return found
        moved = (self.place(placed.fact, at) for placed in found)
        return sorted((placed for placed in moved if placed is not None), key=order_of)

    def all_of(self, types: tuple[str, ...], at: At) -> Pool:
        """The same with their points apart, made once."""
        pool = self._of_types.get((types, at))
        if pool is None:
            pool = self._of_types[types, at] = Pool(self.of_types(types, at))
        return pool

    def place(self, fact: Fact, at: At) -> Placed | None:
        key = (id(fact), at)
        if key not in self._placed:
            point = {At.START: fact.start, At.END: fact.end, At.RECORDED: fact.recorded_at}[at]
            exactly = at is At.RECORDED
            self._placed[key] = None if point is None else self._place(fact, point, exactly=exactly)
        return self._placed[key]

    def _place(self, fact: Fact, point: date, *, exactly: bool = False) -> Placed:
        calendar = self.calendar
        if isinstance(point, datetime):
            instant = instant_of(point)
            day = calendar.day_of(instant)
            if exactly or fact.precision is not Precision.DAY:
                return Placed(fact, instant, day, instant, exact=True)
        else:
            day = point.toordinal()
        midnights = calendar.midnights
        return Placed(fact, midnights[day], day, midnights[day + 1] - 1, exact=False)

    def interval(self, fact: Fact) -> Interval:
        found = self._intervals.get(id(fact))
        if found is None:
            start, end = self._place(fact, fact.start), self.place(fact, At.END)
            last, last_day = (FOREVER, ENDLESS_DAY) if end is None else (end.last, end.day)
            found = self._intervals[id(fact)] = Interval(start.point, last, start.day, last_day, start.exact)
        return found

    def reach(self, pool: Pool) -> list[int]:
        """For each place in a pool, the last instant that it or any before it lasts to: it never goes back."""
        if pool.reach is None:
            pool.reach = list(accumulate((self.interval(placed.fact).end for placed in pool.items), max))
        return pool.reach

    def pools(self, wanted: Filter) -> dict[Hashable, Pool]:
        """The facts that pass a filter, by correlation key; under None when it has none."""
        pools = self._pools.get(wanted.number)
        if pools is None:
            pools = self._pools[wanted.number] = self._file(wanted)
        return pools

    def _file(self, wanted: Filter) -> dict[Hashable, Pool]:
        filed: dict[Hashable, list[Placed]] = {}
        scope, states, holds, key = self.scope, wanted.states, wanted.holds, wanted.key
        for placed in self.of_types(wanted.types, wanted.at):
            fact = placed.fact
            if states is not None and fact.state not in states:
                continue
            if holds is not None and not holds(fact, scope):
                continue
            if key is None:
                filed.setdefault(None, []).append(placed)
            elif (value := key(fact)) is not None:
                filed.setdefault(value, []).append(placed)
        return {value: Pool(items) for value, items in filed.items()}
