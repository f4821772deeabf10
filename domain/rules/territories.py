"""Which territory each fact belongs to: the pathway's at that time. It decides scope, time zone and holidays."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from domain.facts import Fact
from domain.rules.calendars import Calendar, Calendars
from domain.rules.rule import At
from domain.rules.timeline import Timeline


class Territories:
    """The same for all facts, nearly always; by fact id for a pathway that moved."""

    __slots__ = ("_by_fact", "_calendars", "_shared", "calendars", "positions")

    def __init__(
        self, calendars: Calendars, shared: str | None, by_fact: Mapping[str, str | None] | None = None
    ) -> None:
        self._calendars = calendars
        self._shared = shared
        self._by_fact = by_fact
        self.positions: Mapping[str, int] = {}
        named = {shared} if by_fact is None else set(by_fact.values())
        self.calendars: list[Calendar] = sorted({calendars.of(name) for name in named}, key=lambda one: one.version)

    def of(self, fact: Fact) -> str | None:
        return self._shared if self._by_fact is None else self._by_fact[fact.fact_id]

    def is_home(self, calendar: Calendar, fact: Fact) -> bool:
        return self._by_fact is None or len(self.calendars) == 1 or self._calendars.of(self.of(fact)) is calendar


def territories_of(facts: Sequence[Fact], calendars: Calendars) -> Territories:
    """A fact that names no territory has the one that the pathway last had by then."""
    named = {fact.territory for fact in facts}
    if len(named) == 1:
        return Territories(calendars, facts[0].territory)
    line = Timeline(facts, calendars.default, {}).of_types(("*",), At.START)
    known = [(placed.point, placed.fact.territory) for placed in line if placed.fact.territory is not None]
    points = [point for point, _ in known]
    by_fact = {}
    for placed in line:
        before = max(bisect_right(points, placed.point) - 1, 0)
        by_fact[placed.fact.fact_id] = placed.fact.territory or known[before][1]
    territories = Territories(calendars, None, by_fact)
    territories.positions = {fact.fact_id: fact.position for fact in facts}
    return territories
