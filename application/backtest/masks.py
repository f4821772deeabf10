"""Which rows of columns pass the filters of rules: the evaluator's own predicates, asked once for each value."""

from typing import Any

import numpy as np

from application.backtest.columns import STATES, Bools, Columns, Ints
from domain.facts import Fact, FactState, Precision
from domain.rules.instants import EPOCH
from domain.rules.plan import Filter, Plan
from domain.rules.rule import EVERY_TYPE
from domain.rules.values import OWN_FIELDS, Scope
from domain.rules.where import All, Any_, Condition, Not, Test, compile_where


class Masks:
    """Rules that share a filter share its mask."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._known: dict[int, Bools] = {}

    def of(self, plan: Plan, name: str) -> Bools:
        sought = plan.sought[name]
        known = self._known.get(sought.filter.number)
        if known is None:
            known = self._known[sought.filter.number] = self._filtered(sought.filter, sought.selector.where)
        return known.copy()

    def _filtered(self, wanted: Filter, where: Condition) -> Bools:
        columns = self._columns
        mask = np.ones(len(columns), dtype=np.bool_)
        if wanted.types != (EVERY_TYPE,):
            mask &= np.array([name in wanted.types for name in columns.types.values], dtype=np.bool_)[columns.type]
        if wanted.states is not None:
            mask &= np.array([state in wanted.states for state in STATES], dtype=np.bool_)[columns.state]
        return mask & self._holds(where)

    def _holds(self, condition: Condition) -> Bools:
        match condition:
            case Test():
                return self._tested(condition)
            case All(conditions=parts):
                mask = self._everything()
                for part in parts:
                    mask &= self._holds(part)
                return mask
            case Any_(conditions=parts):
                mask = ~self._everything()
                for part in parts:
                    mask |= self._holds(part)
                return mask
            case Not(condition=part):
                return ~self._holds(part)

    def _everything(self) -> Bools:
        return np.ones(len(self._columns), dtype=np.bool_)

    def _tested(self, test: Test) -> Bools:
        """The evaluator's own predicate, once for each value there is, on each calendar."""
        columns, holds = self._columns, compile_where(test)
        codes, values = self._column_of(test.field)
        known = [
            [holds(_holding(test.field, value), Scope(each, {})) for value in values] for each in columns.calendars
        ]
        table = np.array(known, dtype=np.bool_).reshape(-1, len(values))
        if not len(table):
            return self._everything()
        return table[columns.calendar_of[columns.pathway], codes]

    def _column_of(self, field: str) -> tuple[Ints, list[Any]]:
        columns = self._columns
        if field == "state":
            return columns.state, list(STATES)
        if field == "type":
            return columns.type, columns.types.values
        return columns.tests[field], columns.fields[field].values


def _holding(field: str, value: Any) -> Fact:
    """A fact of which nothing is known but one field."""
    nothing: dict[str, Any] = {"agency": "", "type": "", "state": FactState.DONE, "actor": None}
    own = {field: value} if field in OWN_FIELDS else {}
    return Fact(
        pathway="",
        fact_id="",
        start=EPOCH,
        end=None,
        precision=Precision.MINUTE,
        attrs={} if own or value is None else {field: value},
        recorded_at=EPOCH,
        position=0,
        **(nothing | own),
    )
