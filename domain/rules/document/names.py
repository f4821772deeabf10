"""Names of types and fields in rules that are sound otherwise: those that no fact will ever have are refused.

A rule about to be drafted is checked so. One that is tried on facts from elsewhere takes their names as they come.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from domain.fact_types import FACT_TYPES
from domain.rules.complaints import Complaint
from domain.rules.document.alerts import PLACEHOLDER
from domain.rules.document.rules import Written
from domain.rules.reading import listed, pointer
from domain.rules.refusal import RuleRefused
from domain.rules.rule import EVERY_TYPE, SELF
from domain.rules.values import OWN_FIELDS, Of
from domain.rules.vocabulary import OPENED, REOPENED, canonical_type

ACTIVATION = {"require": "when", "forbid": "when", "limit": "count", "silence": "of"}
TARGET = {"require": "expect", "forbid": "forbid"}
SELECTORS = ("when", "while", "expect", "forbid", "count", "of", "until", "since", "unless")
CHAINS = ("next_among", "prev_among")
OPENINGS = (OPENED, REOPENED)
"""What is known of a pathway itself: its id, and what its openings say."""
OF_ROUTED_PATHWAY = frozenset({"referent"})


def refuse_unknown_names(rules: Iterable[Written]) -> None:
    """Raises RuleRefused."""
    for rule in rules:
        names = Names(rule)
        names.check_groups()
        names.check_selectors()
        names.check_route()
        names.check_text()


class Names:
    """What the names in one rule may be."""

    def __init__(self, rule: Written) -> None:
        self._rule = rule
        self._known: dict[str, frozenset[str]] = dict(FACT_TYPES)
        for name, fields in rule.types.items():
            kind = canonical_type(name)
            self._known[kind] = self._known.get(kind, frozenset()) | fields
        self._when = self._types_of_activation()
        self._referred = {Of.WHEN: self._when, Of.WHILE: self._types_in("while")}

    def check_groups(self) -> None:
        """Those that the document declares."""
        at = f"{self._rule.document_path}/groups"
        for group, types in self._rule.declared.get("groups", {}).items():
            for name, path in listed(types, pointer(at, group)):
                if name in self._rule.groups:
                    raise RuleRefused(path, Complaint.GROUP_OF_GROUPS, name=name)
                self._check_type(name, path)

    def check_selectors(self) -> None:
        for key in SELECTORS:
            selector = self._rule.raw.get(key)
            if selector is not None:
                self._check_selector(key, selector, pointer(self._rule.path, key))
        for key in CHAINS:
            if self._rule.raw.get(key) is not None:
                self._check_types(self._rule.raw[key], pointer(self._rule.path, key))

    def check_route(self) -> None:
        route, at = self._rule.raw.get("route") or {}, pointer(self._rule.path, "route")
        for key in ("owner", "watch"):
            if route.get(key) is not None:
                for recipient, where in listed(route[key], pointer(at, key)):
                    self._check_value(recipient, where, OF_ROUTED_PATHWAY)

    def check_text(self) -> None:
        texts, at = self._rule.raw.get("text") or {}, pointer(self._rule.path, "text")
        target = self._types_in(TARGET.get(self._rule.raw["kind"], "")) or self._when
        for language, template in texts.items():
            for placeholder in PLACEHOLDER.findall(template or ""):
                of, dot, field = placeholder.partition(".")
                if of == "target":
                    self._check_field(field, target, pointer(at, language))
                elif dot:
                    self._check_reference(Of(of), field, pointer(at, language))

    def _types_of_activation(self) -> tuple[str, ...]:
        """A silence starts with a contact, or with what opens the time in which it is judged."""
        kind = self._rule.raw["kind"]
        mine = self._types_in(ACTIVATION[kind])
        return (*mine, *self._types_in("while"), *OPENINGS) if kind == "silence" else mine

    def _types_in(self, key: str) -> tuple[str, ...]:
        selector = self._rule.raw.get(key)
        return () if selector is None else tuple(self._types_named(selector["on"]))

    def _types_named(self, on: Any) -> Iterator[str]:
        for name, _ in listed(on, ""):
            if name == SELF:
                yield from self._when
            else:
                yield from self._rule.groups.get(name) or (canonical_type(name),)

    def _check_selector(self, key: str, selector: Mapping[str, Any], path: str) -> None:
        self._check_types(selector["on"], pointer(path, "on"))
        types = self._types_in(key)
        if selector.get("where") is not None:
            self._check_where(selector["where"], types, pointer(path, "where"))
        other = Of.WHILE if key == "of" else Of.WHEN
        for links in ("match", "differ"):
            for field, named in (selector.get(links) or {}).items():
                at = pointer(pointer(path, links), field)
                self._check_field(field, types, at)
                self._check_value(named if named.startswith("$") else f"${other}.{named}", at)

    def _check_types(self, on: Any, path: str) -> None:
        for name, at in listed(on, path):
            if name not in (EVERY_TYPE, SELF) and name not in self._rule.groups:
                self._check_type(name, at)

    def _check_type(self, name: str, path: str) -> None:
        if canonical_type(name) in self._known:
            return
        close = get_close_matches(name, sorted({*self._known, *self._rule.groups}), 1)
        if close:
            raise RuleRefused(path, Complaint.TYPE_MISSPELT, name=name, close=close[0])
        raise RuleRefused(path, Complaint.TYPE_UNKNOWN, name=name)

    def _check_where(self, condition: Mapping[str, Any], types: tuple[str, ...], path: str) -> None:
        for name, value in condition.items():
            at = pointer(path, name)
            if name in ("all", "any", "not"):
                for inner, place in listed(value, at):
                    self._check_where(inner, types, place)
                continue
            self._check_field(name, types, at)
            operands = [(value, at)]
            if isinstance(value, Mapping):
                operands = [(operand, pointer(at, operator)) for operator, operand in value.items()]
            for operand, place in operands:
                for item, where in listed(operand, place):
                    self._check_value(item, where)

    def _check_value(self, value: Any, path: str, of_pathway: frozenset[str] = frozenset()) -> None:
        """Only a reference holds a name."""
        if isinstance(value, str) and value.startswith("$"):
            of, _, field = value[1:].partition(".")
            self._check_reference(Of(of), field, path, of_pathway)

    def _check_reference(self, of: Of, field: str, path: str, of_pathway: frozenset[str] = frozenset()) -> None:
        """`of_pathway` are fields of a pathway that are known only there."""
        if of is not Of.PATHWAY:
            self._check_field(field, self._referred[of], path)
            return
        known = frozenset({"id"}).union(of_pathway, *(self._known[opening] for opening in OPENINGS))
        if field not in known:
            raise RuleRefused(path, Complaint.PATHWAY_FIELD_UNKNOWN, name=field, known=", ".join(sorted(known)))

    def _check_field(self, name: str, types: tuple[str, ...], path: str) -> None:
        known = self._fields(types)
        if name in known:
            return
        said = {"name": name, "types": ", ".join(types)}
        close = get_close_matches(name, sorted(known), 1)
        if close:
            raise RuleRefused(path, Complaint.FIELD_MISSPELT, close=close[0], **said)
        raise RuleRefused(path, Complaint.FIELD_UNKNOWN, known=", ".join(sorted(known)), **said)

    def _fields(self, types: tuple[str, ...]) -> frozenset[str]:
        """What some fact of these types has."""
        kinds = self._known if EVERY_TYPE in types else types
        return frozenset(OWN_FIELDS).union(*(self._known.get(kind, frozenset()) for kind in kinds))
