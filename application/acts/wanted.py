"""What a rule's selector asks of the fact it seeks, as far as it names values: from `where` and from `match`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from application.acts.sketch import Situation
from domain.rules.rule import Link, Selector, Silence
from domain.rules.values import Of, Reference, field_of
from domain.rules.where import All, Any_, Condition, Operator, Test


class Wanted:
    """By field, the values that would do. What is asked in other words is left to the trial."""

    def __init__(self, situation: Situation, values: Mapping[str, tuple[Any, ...]]) -> None:
        self.situation = situation
        self._values = values

    def one(self, field: str) -> Any:
        """The value, where only one will do."""
        values = self._values.get(field, ())
        return values[0] if len(values) == 1 else None

    def among(self, field: str, choices: Sequence[str]) -> list[str]:
        """Those of the choices that will do; all of them where the rule does not say."""
        values = self._values.get(field)
        return [str(choice) for choice in choices if values is None or choice in values]

    def named(self, field: str) -> list[str]:
        """Every value named, in the rule's order, once each."""
        return list(dict.fromkeys(str(value) for value in self._values.get(field, ()) if value is not None))

    def text(self, field: str) -> str | None:
        """The one value that will do, if it is a text: a territory's own rule may ask for anything."""
        value = self.one(field)
        return value if isinstance(value, str) else None

    def id_of(self, field: str) -> UUID | None:
        try:
            return UUID(self.text(field) or "")
        except ValueError:
            return None


def wanted(selector: Selector, situation: Situation) -> Wanted:
    values: dict[str, tuple[Any, ...]] = {}
    for test in _tests(selector.where):
        operand = test.operand if isinstance(test.operand, tuple) else (test.operand,)
        found = tuple(_read(each, test.field, situation) for each in operand)
        values[test.field] = values.get(test.field, ()) + found
    for link in selector.match:
        values[link.field] = (_linked(link, situation),)
    return Wanted(situation, values)


def _tests(condition: Condition) -> Iterator[Test]:
    """Those that name values which will do, one by one or in a list."""
    match condition:
        case Test(operator=Operator.EQ | Operator.IN):
            yield condition
        case All(conditions=inner) | Any_(conditions=inner):
            for part in inner:
                yield from _tests(part)
        case _:
            return


def _linked(link: Link, situation: Situation) -> Any:
    return _read(link.value, link.field, situation)


def _read(value: Any, field: str, situation: Situation) -> Any:
    if not isinstance(value, Reference):
        return value
    if value.of is Of.WHEN or (value.of is Of.WHILE and _is_span(situation)):
        return field_of(situation.activation, value.field)
    # A silence that began with an answer to the same interval: that answer names the interval too.
    return field_of(situation.activation, field) if value.of is Of.WHILE else None


def _is_span(situation: Situation) -> bool:
    body = situation.rule.body
    return isinstance(body, Silence) and body.span is not None and situation.activation.type in body.span.types
