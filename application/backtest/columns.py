"""Facts of many pathways as columns: a few tens of bytes each, for judging millions of them at once.

Needs numpy (`pip install unisson[analysis]`). A pathway whose life is not plain is left to the evaluator.
"""

from array import array
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.facts import Fact, FactState
from domain.rules import Calendars, CompiledRules
from domain.rules.calendars import Calendar
from domain.rules.instants import instant_of
from domain.rules.rule import EVERY_TYPE, At, Forbid, OnClose, Selector
from domain.rules.timeline import Placed, Timeline
from domain.rules.values import field_of, key_of
from domain.rules.vocabulary import CLOSED, LIFE_TYPES, OPENED
from domain.rules.where import fields_of

Ints = NDArray[np.signedinteger[Any]]
Bools = NDArray[np.bool_]

STATES = tuple(FactState)
STATE_CODES = {state: code for code, state in enumerate(STATES)}
NO_ROW = -1
_PACKED_AT_ONCE = 100_000


class Codes:
    """Small numbers for values, equal for equal values only; 0 for an absent one."""

    def __init__(self) -> None:
        self._codes: dict[Hashable, int] = {None: 0}
        self.values: list[Any] = [None]

    def of(self, value: Any) -> int:
        key = key_of(value)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self.values)
            self.values.append(value)
        return code


class Columns:
    """One row a fact, by pathway, then in the order of starts. Built by `ColumnsBuilder`."""

    def __init__(self, builder: "ColumnsBuilder") -> None:
        self.pathways: Sequence[str] = builder.pathways
        self.calendars: Sequence[Calendar] = builder.calendars
        self.territories: Codes = builder.territories
        self.types, self.fields = builder.types, builder.fields
        self.ids: NDArray[np.bytes_] = builder.ids()
        self.pathway = np.asarray(builder.pathway, dtype=np.int32)
        self.type = np.asarray(builder.type, dtype=np.int32)
        self.state = np.asarray(builder.state, dtype=np.int8)
        self.day = np.asarray(builder.day, dtype=np.int32)
        self.point = np.asarray(builder.point, dtype=np.int64)
        self.exact = np.asarray(builder.exact, dtype=np.bool_)
        self.recorded = np.asarray(builder.recorded, dtype=np.int64)
        """Only where a rule forbids; else nothing."""
        self.tests = {name: np.asarray(column, dtype=np.int32) for name, column in builder.tests.items()}
        self.links = {name: np.asarray(column, dtype=np.int32) for name, column in builder.links.items()}
        self.calendar_of = np.asarray(builder.calendar_of, dtype=np.int16)
        self.territory_of = np.asarray(builder.territory_of, dtype=np.int32)
        self.opening = np.asarray(builder.opening, dtype=np.int64)
        """By pathway: the row of its opening, or NO_ROW."""
        self.closing = np.asarray(builder.closing, dtype=np.int64)
        """By pathway: the row of its closing, known to the day, or NO_ROW."""

    def __len__(self) -> int:
        return len(self.pathway)

    @property
    def nbytes(self) -> int:
        """Of the columns, the texts of ids included."""
        arrays = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return sum(each.nbytes for each in (*arrays, *self.tests.values(), *self.links.values()))


class ColumnsBuilder:
    """Takes pathways one by one. Reads only the fields that some rules read."""

    def __init__(self, rules: CompiledRules, calendars: Calendars, now: int) -> None:
        self._calendars = calendars
        self._now = now
        selectors = [sought.selector for plan in rules for sought in plan.sought.values()]
        tested = sorted({name for selector in selectors for name in fields_of(selector.where)} - {"state", "type"})
        linked = sorted({name for selector in selectors for name in _linked(selector)})
        self._accepts_planned = any(_accepts_planned(selector) for selector in selectors)
        self._forbids = any(isinstance(plan.rule.body, Forbid) for plan in rules)
        self._forces = any(plan.rule.on_close is OnClose.FORCE for plan in rules)
        self.pathways: list[str] = []
        self.calendars: list[Calendar] = []
        self._calendar_codes: dict[str, int] = {}
        self.territories = Codes()
        self.types = Codes()
        self.fields = {name: Codes() for name in tested}
        self._ids: list[bytes] = []
        self._packed: list[NDArray[np.bytes_]] = []
        self.pathway, self.type, self.state = array("i"), array("i"), array("b")
        self.day, self.point, self.exact = array("i"), array("q"), array("b")
        self.recorded = array("q")
        self.tests = {name: array("i") for name in tested}
        self.links = {name: array("i") for name in linked}
        self.calendar_of, self.territory_of = array("h"), array("i")
        self.opening, self.closing = array("q"), array("q")

    def add(self, pathway: str, facts: Sequence[Fact]) -> bool:
        """False, and nothing is taken, when only the evaluator can judge this pathway."""
        if not facts or len({fact.territory for fact in facts}) > 1:
            return False
        calendar = self._calendars.of(facts[0].territory)
        placed = Timeline(facts, calendar, {}).of_types((EVERY_TYPE,), At.START)
        life = self._life(placed)
        if life is None:
            return False
        first = len(self.pathway)
        number = len(self.pathways)
        local = Codes()
        for one in placed:
            self._add_row(number, one, local)
        self.pathways.append(pathway)
        self.calendar_of.append(self._calendar_code(calendar))
        self.territory_of.append(self.territories.of(facts[0].territory))
        for column, row in zip((self.opening, self.closing), life, strict=True):
            column.append(NO_ROW if row is None else first + row)
        return True

    def build(self) -> Columns:
        return Columns(self)

    def ids(self) -> NDArray[np.bytes_]:
        self._pack()
        return np.concatenate(self._packed) if self._packed else np.empty(0, dtype="S1")

    def _add_row(self, number: int, one: Placed, local: Codes) -> None:
        fact = one.fact
        self._ids.append(fact.fact_id.encode())
        if len(self._ids) >= _PACKED_AT_ONCE:
            self._pack()
        self.pathway.append(number)
        self.type.append(self.types.of(LIFE_TYPES.get(fact.type, fact.type)))
        self.state.append(STATE_CODES[fact.state])
        self.day.append(one.day)
        self.point.append(one.point)
        self.exact.append(one.exact)
        if self._forbids:
            self.recorded.append(instant_of(fact.recorded_at))
        for name, column in self.tests.items():
            column.append(self.fields[name].of(field_of(fact, name)))
        for name, column in self.links.items():
            column.append(local.of(field_of(fact, name)))

    def _life(self, placed: Sequence[Placed]) -> tuple[int | None, int | None] | None:
        """The opening and the closing; None when there is more to this pathway's life."""
        opening: int | None = None
        closing: int | None = None
        has_planned = False
        for row, one in enumerate(placed):
            fact = one.fact
            has_planned = has_planned or one.planned
            if fact.type not in LIFE_TYPES:
                continue
            kind, is_done = LIFE_TYPES[fact.type], fact.state is FactState.DONE
            if kind == OPENED and opening is None and is_done and one.point <= self._now:
                opening = row
            elif kind == CLOSED and closing is None and is_done and not one.exact and fact.end in (None, fact.start):
                closing = row
            else:
                return None
        if closing is not None:
            is_early = opening is not None and placed[closing].last < placed[opening].point
            if is_early or self._forces or (has_planned and self._accepts_planned):
                return None
        return opening, closing

    def _calendar_code(self, calendar: Calendar) -> int:
        code = self._calendar_codes.get(calendar.version)
        if code is None:
            code = self._calendar_codes[calendar.version] = len(self.calendars)
            self.calendars.append(calendar)
        return code

    def _pack(self) -> None:
        if self._ids:
            self._packed.append(np.array(self._ids, dtype=np.bytes_))
            self._ids = []


def _linked(selector: Selector) -> Iterator[str]:
    """Fields whose values are only compared with one another, within a pathway."""
    for link in (*selector.match, *selector.differ):
        yield link.field
        yield link.value.field


def _accepts_planned(selector: Selector) -> bool:
    return selector.states is None or FactState.PLANNED in selector.states
