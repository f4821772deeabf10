"""Allen's thirteen relations between closed intervals, read from the activation's to the target's, and their macros.

A point at the other's end starts, finishes or equals it. Days are whole: of two that share one, neither is before.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Relation(StrEnum):
    BEFORE = "before"
    AFTER = "after"
    MEETS = "meets"
    MET_BY = "met-by"
    OVERLAPS = "overlaps"
    OVERLAPPED_BY = "overlapped-by"
    STARTS = "starts"
    STARTED_BY = "started-by"
    DURING = "during"
    CONTAINS = "contains"
    FINISHES = "finishes"
    FINISHED_BY = "finished-by"
    EQUALS = "equals"


class Macro(StrEnum):
    INTERSECTS = "intersects"
    INSIDE = "inside"
    COVERS = "covers"
    DISJOINT = "disjoint"


NAMES: tuple[str, ...] = (*Relation, *Macro)

EVERY = frozenset(Relation)
APART = frozenset({Relation.BEFORE, Relation.AFTER})
TOUCHING = frozenset({Relation.MEETS, Relation.MET_BY})
INSIDE = frozenset({Relation.DURING, Relation.STARTS, Relation.FINISHES, Relation.EQUALS})
COVERS = frozenset({Relation.CONTAINS, Relation.STARTED_BY, Relation.FINISHED_BY, Relation.EQUALS})

OF_MINUTES: Mapping[Macro, frozenset[Relation]] = {
    Macro.INTERSECTS: EVERY - APART - TOUCHING,
    Macro.DISJOINT: APART | TOUCHING,
    Macro.INSIDE: INSIDE,
    Macro.COVERS: COVERS,
}
OF_DAYS: Mapping[Macro, frozenset[Relation]] = {
    **OF_MINUTES,
    Macro.INTERSECTS: EVERY - APART,
    Macro.DISJOINT: APART,
}
"""On day data what touches shares a day."""
OPEN_ENDED = frozenset({Relation.BEFORE, Relation.AFTER, Relation.MET_BY, Macro.DISJOINT})
"""Names that never settle; with any other, nothing changes after the end of the activation's interval."""


class Interval(NamedTuple):
    """Closed, as instants and as local days; what still lasts ends at FOREVER, on ENDLESS_DAY."""

    start: int
    end: int
    first_day: int
    last_day: int
    exact: bool


def relation_of(a: Interval, b: Interval) -> Relation:
    """By instants when both are known to the minute, else by whole days."""
    if a.exact and b.exact:
        return _relation(a.start, a.end, b.start, b.end)
    return _relation(a.first_day, a.last_day, b.first_day, b.last_day)


def _relation(a_start: int, a_end: int, b_start: int, b_end: int) -> Relation:
    if a_start == b_start:
        if a_end == b_end:
            return Relation.EQUALS
        return Relation.STARTS if a_end < b_end else Relation.STARTED_BY
    if a_end == b_end:
        return Relation.FINISHES if a_start > b_start else Relation.FINISHED_BY
    if a_start < b_start:
        if a_end > b_end:
            return Relation.CONTAINS
        return _side(a_end, b_start, Relation.BEFORE, Relation.MEETS, Relation.OVERLAPS)
    if a_end < b_end:
        return Relation.DURING
    return _side(b_end, a_start, Relation.AFTER, Relation.MET_BY, Relation.OVERLAPPED_BY)


def _side(end: int, start: int, apart: Relation, touching: Relation, sharing: Relation) -> Relation:
    return apart if end < start else touching if end == start else sharing


class Relations(msgspec.Struct, frozen=True):
    """The relations a rule names, any of which will do."""

    names: tuple[str, ...]
    of_minutes: frozenset[Relation]
    of_days: frozenset[Relation]

    @classmethod
    def named(cls, names: Iterable[str]) -> "Relations":
        """From names of `NAMES`."""
        named = tuple(dict.fromkeys(names))
        return cls(named, _expanded(named, OF_MINUTES), _expanded(named, OF_DAYS))

    @property
    def is_settled_by_the_end(self) -> bool:
        return OPEN_ENDED.isdisjoint(self.names)

    @property
    def is_near(self) -> bool:
        """It holds of intervals only that share a day at least: the others need not be looked at."""
        return APART.isdisjoint(self.of_minutes | self.of_days)

    def hold(self, a: Interval, b: Interval) -> bool:
        wanted = self.of_minutes if a.exact and b.exact else self.of_days
        return relation_of(a, b) in wanted


def _expanded(names: Iterable[str], macros: Mapping[Macro, frozenset[Relation]]) -> frozenset[Relation]:
    found: set[Relation] = set()
    for name in names:
        found |= macros[Macro(name)] if name in list(Macro) else {Relation(name)}
    return frozenset(found)
