"""The oracle's reading of conditions: fields, `where`, `match` and `differ`, tried on raw mappings."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from domain.facts import Fact

Known = Mapping[str, Fact | None]
"""What `$when` and `$while` stand for."""

OWN = ("type", "agency", "actor", "territory", "start", "end", "precision", "state")
GROUPS = {"contact_events": ("contact", "appointment", "interview", "visit", "call")}
OPERATORS = {"eq", "ne", "lt", "le", "gt", "ge", "in", "has", "exists", "between"}


def field(fact: Fact | None, name: str) -> Any:
    if fact is None:
        return None
    if name == "id":
        return fact.fact_id
    return getattr(fact, name) if name in OWN else fact.attrs.get(name)


def is_same(left: Any, right: Any) -> bool:
    """JSON's kinds stay apart: true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def is_ordered(left: Any, right: Any) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (left, right))
    return numbers or all(isinstance(one, str) for one in (left, right))


def holds(fact: Fact, where: Mapping[str, Any], known: Known) -> bool:
    """Every line of a `where`."""
    return all(_line(fact, name, wanted, known) for name, wanted in where.items())


def _line(fact: Fact, name: str, wanted: Any, known: Known) -> bool:
    if name == "all":
        return all(holds(fact, one, known) for one in wanted)
    if name == "any":
        return any(holds(fact, one, known) for one in wanted)
    if name == "not":
        return not holds(fact, wanted, known)
    value = field(fact, name)
    if isinstance(wanted, Mapping):
        return all(_test(value, operator, operand, known) for operator, operand in wanted.items())
    if isinstance(wanted, list):
        return _test(value, "in", wanted, known)
    return _test(value, "eq", wanted, known)


def _test(value: Any, operator: str, operand: Any, known: Known) -> bool:
    assert operator in OPERATORS
    if operator == "exists":
        return bool((value is not None) == operand)
    if operator == "in":
        return any(is_same(value, _read(one, known)) for one in operand)
    if operator == "between":
        return _test(value, "ge", operand[0], known) and _test(value, "le", operand[1], known)
    right = _read(operand, known)
    if operator == "has":
        return isinstance(value, list | tuple) and any(is_same(one, right) for one in value)
    if operator in ("eq", "ne"):
        return is_same(value, right) == (operator == "eq")
    if not is_ordered(value, right):
        return False
    return bool({"lt": value < right, "le": value <= right, "gt": value > right, "ge": value >= right}[operator])


def _read(value: Any, known: Known) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        owner, name = value[1:].split(".")
        return field(known[owner], name)
    return value


def types_of(on: str | Sequence[str]) -> set[str]:
    names = [on] if isinstance(on, str) else on
    return {kind for name in names for kind in GROUPS.get(name, (name,))}


def is_chosen(fact: Fact, selector: Mapping[str, Any], accept: Sequence[str] | None, known: Known) -> bool:
    """Type, state and conditions. `accept` is None where any state will do; a `where` on `state` overrides it."""
    types = types_of(selector["on"])
    where = selector.get("where", {})
    if "*" not in types and "self" not in types and fact.type not in types:
        return False
    if accept is not None and not speaks_of_state(where) and fact.state not in accept:
        return False
    return holds(fact, where, known)


def speaks_of_state(where: Mapping[str, Any]) -> bool:
    for name, wanted in where.items():
        if name == "state":
            return True
        if name in ("all", "any") and any(speaks_of_state(one) for one in wanted):
            return True
        if name == "not" and speaks_of_state(wanted):
            return True
    return False


def is_correlated(target: Fact, other: Fact | None, selector: Mapping[str, Any], known: Known) -> bool:
    """`match` and `differ`; what is absent equals nothing and differs from nothing."""
    for name, wanted in selector.get("match", {}).items():
        left, right = field(target, name), _other(other, wanted, known)
        if left is None or right is None or not is_same(left, right):
            return False
    for name, wanted in selector.get("differ", {}).items():
        left, right = field(target, name), _other(other, wanted, known)
        if left is None or right is None or is_same(left, right):
            return False
    return True


def _other(fact: Fact | None, name: str, known: Known) -> Any:
    return _read(name, known) if name.startswith("$") else field(fact, name)


def is_day(value: date) -> bool:
    return type(value) is date
