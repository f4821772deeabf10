"""Conditions on a fact: a closed grammar, read once, compiled to plain predicates. No code, no eval."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from domain.facts import Fact
from domain.rules.complaints import Complaint, Words, name_of, shown
from domain.rules.reading import listed, pointer, text, without_controls
from domain.rules.refusal import RuleRefused
from domain.rules.values import OWN_FIELDS, Of, Reference, Scope, compare, field_of, key_of, reader_of, same

DEPTH_MAX = 12
DATE_LENGTH = len("2026-01-31")
Predicate = Callable[[Fact, Scope], bool]


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    HAS = "has"
    EXISTS = "exists"
    BETWEEN = "between"


class Test(msgspec.Struct, frozen=True):
    """One field, one operator, one operand (a JSON value, a Reference, or a tuple of either)."""

    field: str
    operator: Operator
    operand: Any


class All(msgspec.Struct, frozen=True):
    conditions: "tuple[Condition, ...]"


class Any_(msgspec.Struct, frozen=True):  # noqa: N801 - `Any` is typing's
    conditions: "tuple[Condition, ...]"


class Not(msgspec.Struct, frozen=True):
    condition: "Condition"


Condition = Test | All | Any_ | Not
ALWAYS = All(())


def parse_where(raw: Any, path: str, known: frozenset[Of], depth: int = 0) -> Condition:
    """Read a condition. `known` says which references have a meaning where it stands."""
    if depth > DEPTH_MAX:
        raise RuleRefused(path, Complaint.CONDITIONS_TOO_DEEP, most=DEPTH_MAX)
    if not isinstance(raw, Mapping):
        raise RuleRefused(path, Complaint.CONDITIONS_EXPECTED, given=name_of(raw))
    if not raw:
        raise RuleRefused(path, Complaint.CONDITION_EMPTY)
    parts: list[Condition] = []
    for name, value in raw.items():
        where = pointer(path, name)
        if not isinstance(name, str):
            raise RuleRefused(path, Complaint.KEY_NOT_TEXT, key=shown(name))
        if name in ("all", "any"):
            inner = tuple(parse_where(item, at, known, depth + 1) for item, at in listed(value, where))
            parts.append(All(inner) if name == "all" else Any_(inner))
        elif name == "not":
            parts.append(Not(parse_where(value, where, known, depth + 1)))
        else:
            parts.extend(_tests(text(name, where), value, where, known))
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _tests(field: str, raw: Any, path: str, known: frozenset[Of]) -> Iterator[Test]:
    if isinstance(raw, Mapping):
        if not raw:
            raise RuleRefused(path, Complaint.OPERATOR_MISSING, known=", ".join(Operator))
        for name, operand in raw.items():
            if name not in list(Operator):
                at, operators = pointer(path, name), ", ".join(Operator)
                raise RuleRefused(at, Complaint.OPERATOR_UNKNOWN, given=shown(name), known=operators)
            yield Test(field, Operator(name), _operand(Operator(name), operand, pointer(path, name), known))
    elif isinstance(raw, list | tuple):
        yield Test(field, Operator.IN, _operand(Operator.IN, raw, path, known))
    else:
        yield Test(field, Operator.EQ, _value(raw, path, known))


def _operand(operator: Operator, raw: Any, path: str, known: frozenset[Of]) -> Any:
    if operator is Operator.EXISTS:
        if not isinstance(raw, bool):
            raise RuleRefused(path, Complaint.EXISTS_TAKES_A_FLAG, given=name_of(raw))
        return raw
    if operator is Operator.IN:
        if isinstance(raw, str) and raw.startswith("$"):
            return _value(raw, path, known)
        if not isinstance(raw, list | tuple):
            raise RuleRefused(path, Complaint.IN_TAKES_A_LIST, given=name_of(raw))
        return tuple(_value(item, at, known) for item, at in listed(raw, path))
    if operator is Operator.BETWEEN:
        if not isinstance(raw, list | tuple) or len(raw) != 2:
            raise RuleRefused(path, Complaint.BETWEEN_TAKES_TWO)
        least, greatest = (_ordered(item, at, known) for item, at in listed(raw, path))
        _refuse_reversed(least, greatest, path)
        return least, greatest
    if operator in (Operator.LT, Operator.LE, Operator.GT, Operator.GE):
        return _ordered(raw, path, known)
    return _value(raw, path, known)


def _refuse_reversed(least: Any, greatest: Any, path: str) -> None:
    """References are known too late to tell; so is the order of two moments of one day."""
    if isinstance(least, Reference) or isinstance(greatest, Reference):
        return
    if isinstance(least, str) != isinstance(greatest, str):
        raise RuleRefused(path, Complaint.BETWEEN_UNLIKE)
    is_reversed = least[:DATE_LENGTH] > greatest[:DATE_LENGTH] if isinstance(least, str) else least > greatest
    if is_reversed:
        raise RuleRefused(path, Complaint.BETWEEN_REVERSED, least=shown(least), greatest=shown(greatest))


def _ordered(raw: Any, path: str, known: frozenset[Of]) -> Any:
    if raw is None or isinstance(raw, bool):
        raise RuleRefused(path, Complaint.ORDERED_EXPECTED, given=name_of(raw))
    return _value(raw, path, known)


def _value(raw: Any, path: str, known: frozenset[Of]) -> Any:
    if isinstance(raw, str) and raw.startswith("$"):
        return parse_reference(raw, path, known)
    if isinstance(raw, str):
        return without_controls(raw, path)
    if raw is None or isinstance(raw, bool | int | float):
        return raw
    if isinstance(raw, date):
        return raw.isoformat()
    raise RuleRefused(path, Complaint.SINGLE_VALUE_EXPECTED, given=name_of(raw))


def parse_reference(raw: str, path: str, known: frozenset[Of]) -> Reference:
    """Read `$when.x`, `$while.x`, `$pathway.x`, whichever are `known` here."""
    of, dot, field = raw[1:].partition(".")
    if not dot or not field or of not in list(Of):
        raise RuleRefused(path, Complaint.NOT_A_REFERENCE, given=shown(raw))
    if of not in known:
        here = Words(*(", ".join(f"${name}.{one}" for name in sorted(known)) for one in ("champ", "field")))
        raise RuleRefused(path, Complaint.REFERENCE_MISPLACED, given=raw, known=here)
    return Reference(Of(of), field)


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """The conditions that must all hold, one by one: what a near miss may have failed."""
    if isinstance(condition, All):
        return tuple(part for inner in condition.conditions for part in conjuncts(inner))
    return (condition,)


def label_of(condition: Condition) -> str:
    match condition:
        case Test(field=field):
            return f"where.{field}"
        case Any_():
            return "where.any"
        case Not():
            return "where.not"
        case All():
            return "where.all"


def fields_of(condition: Condition) -> Iterator[str]:
    match condition:
        case Test(field=field):
            yield field
        case All(conditions=inner) | Any_(conditions=inner):
            for part in inner:
                yield from fields_of(part)
        case Not(condition=part):
            yield from fields_of(part)


def references_of(condition: Condition) -> Iterator[Reference]:
    match condition:
        case Test(operand=operand):
            for value in operand if isinstance(operand, tuple) else (operand,):
                if isinstance(value, Reference):
                    yield value
        case All(conditions=inner) | Any_(conditions=inner):
            for part in inner:
                yield from references_of(part)
        case Not(condition=part):
            yield from references_of(part)


def is_fixed(condition: Condition) -> bool:
    """Whether it holds of a fact whatever the activation: such conditions are tried once per fact."""
    return all(reference.of is Of.PATHWAY for reference in references_of(condition))


def compile_where(condition: Condition) -> Predicate:
    match condition:
        case Test():
            return _compile_test(condition)
        case All(conditions=inner):
            parts = [compile_where(part) for part in inner]
            return lambda fact, scope: all(part(fact, scope) for part in parts)
        case Any_(conditions=inner):
            parts = [compile_where(part) for part in inner]
            return lambda fact, scope: any(part(fact, scope) for part in parts)
        case Not(condition=part):
            holds = compile_where(part)
            return lambda fact, scope: not holds(fact, scope)


def _compile_test(test: Test) -> Predicate:
    read, operand = reader_of(test.field), test.operand
    match test.operator:
        case Operator.EQ:
            return _equals(test)
        case Operator.NE:
            equals = _equals(test)
            return lambda fact, scope: not equals(fact, scope)
        case Operator.IN:
            return _within(test)
        case Operator.HAS:
            return lambda fact, scope: _has(read(fact), _resolved(operand, scope))
        case Operator.EXISTS:
            return lambda fact, _scope: (read(fact) is not None) is operand
        case Operator.BETWEEN:
            return lambda fact, scope: _between(read(fact), operand, scope)
        case _:
            return _ordering(test)


def _equals(test: Test) -> Predicate:
    read, operand = reader_of(test.field), test.operand
    if isinstance(operand, str):
        return lambda fact, scope: (
            (value := read(fact)) == operand
            or (isinstance(value, date) and compare(value, operand, scope.calendar) == 0)
        )
    return lambda fact, scope: _is_equal(read(fact), _resolved(operand, scope), scope)


def _within(test: Test) -> Predicate:
    read, operand = reader_of(test.field), test.operand
    if isinstance(operand, tuple) and all(isinstance(value, str) for value in operand) and test.field in OWN_FIELDS:
        texts = frozenset(operand)
        if test.field not in ("start", "end"):
            return lambda fact, _scope: read(fact) in texts

    def within(fact: Fact, scope: Scope) -> bool:
        value, choices = read(fact), _resolved(operand, scope)
        if not isinstance(choices, Sequence) or isinstance(choices, str):
            choices = (choices,)
        return any(_is_equal(value, _resolved(choice, scope), scope) for choice in choices)

    return within


def _ordering(test: Test) -> Predicate:
    read, operand = reader_of(test.field), test.operand
    wanted = {
        Operator.LT: (-1,),
        Operator.LE: (-1, 0),
        Operator.GT: (1,),
        Operator.GE: (0, 1),
    }[test.operator]
    return lambda fact, scope: compare(read(fact), _resolved(operand, scope), scope.calendar) in wanted


def _resolved(operand: Any, scope: Scope) -> Any:
    return scope.read(operand) if isinstance(operand, Reference) else operand


def _is_equal(left: Any, right: Any, scope: Scope) -> bool:
    if isinstance(left, date) or isinstance(right, date):
        return compare(left, right, scope.calendar) == 0
    return same(left, right)


def _has(value: Any, wanted: Any) -> bool:
    """A list holds it, or the single value is it."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        key = key_of(wanted)
        return any(key_of(item) == key for item in value)
    return wanted is not None and same(value, wanted)


def _between(value: Any, operand: tuple[Any, Any], scope: Scope) -> bool:
    """Both ends included."""
    least, greatest = (_resolved(end, scope) for end in operand)
    return compare(value, least, scope.calendar) in (0, 1) and compare(value, greatest, scope.calendar) in (-1, 0)


def found_in(fact: Fact, condition: Condition) -> str:
    """What the fact holds where a single test failed, for a near miss; empty for composite conditions."""
    if not isinstance(condition, Test):
        return ""
    value = field_of(fact, condition.field)
    return "absent" if value is None else msgspec.json.encode(value, enc_hook=str).decode()
