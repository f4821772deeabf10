"""Selectors, as a rules document writes them: which facts are meant, and what ties them to others."""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.facts import FactState
from domain.rules.complaints import Complaint, name_of, shown
from domain.rules.document.windows import read_window
from domain.rules.reading import Fields, choice, listed, pointer, text, texts
from domain.rules.refusal import RuleRefused
from domain.rules.relations import NAMES, Relations
from domain.rules.rule import EVERY_TYPE, SELF, At, Cut, Effect, Exemption, Link, Selector
from domain.rules.values import Of, Reference
from domain.rules.vocabulary import GROUPS, canonical_type
from domain.rules.where import ALWAYS, fields_of, parse_reference, parse_where
from domain.rules.windows import EVER

Groups = Mapping[str, tuple[str, ...]]
Types = Mapping[str, frozenset[str]]
"""Types of facts that a document declares, with their attributes."""
States = frozenset[FactState] | None
DONE = frozenset({FactState.DONE})
OF_ACTIVATION = frozenset({Of.PATHWAY})
"""What an activation may refer to."""
OF_TARGET = frozenset({Of.PATHWAY, Of.WHEN})
"""What a fact may refer to that stands beside an activation."""


def read_selector(
    fields: Fields, groups: Groups, *, known: frozenset[Of], states: States = None, may_be_self: bool = False
) -> Selector:
    """`states` unless a condition speaks of the state itself. Takes every key that is left."""
    fields.refuse("within", Complaint.WITHIN_MISPLACED)
    types = read_types(fields.take("on"), fields.at("on"), groups, may_be_self=may_be_self)
    where = parse_where(fields.take("where"), fields.at("where"), known) if "where" in fields else ALWAYS
    if known == OF_ACTIVATION:
        for name in ("match", "differ"):
            fields.refuse(name, Complaint.NOTHING_TO_LINK)
    selector = Selector(
        types=types,
        at=fields.choice("at", At, "start"),
        where=where,
        states=None if "state" in fields_of(where) else states,
        match=_links(fields, "match", known),
        differ=_links(fields, "differ", known),
        relation=_relation(fields),
    )
    fields.finish()
    return selector


def read_activation(rule: Fields, name: str, groups: Groups, states: States = None) -> Selector:
    """In any state, unless said otherwise."""
    return read_selector(unrelated(rule, name), groups, known=OF_ACTIVATION, states=states)


def read_target(rule: Fields, name: str, groups: Groups, states: States, *, may_be_self: bool = False) -> Selector:
    """`relation` may stand in it, or in the rule."""
    fields = Fields(rule.take(name), rule.at(name))
    if "relation" in rule:
        fields.refuse("relation", Complaint.RELATION_TWICE)
    selector = read_selector(fields, groups, known=OF_TARGET, states=states, may_be_self=may_be_self)
    return msgspec.structs.replace(selector, relation=_relation(rule)) if "relation" in rule else selector


def read_counted(rule: Fields, groups: Groups, states: States) -> Selector:
    """`match` makes groups, counted apart: it is the counted facts that have a field in common."""
    fields = unrelated(rule, "count")
    fields.refuse("differ", Complaint.DIFFER_IN_COUNT)
    links = _links(fields, "match", OF_TARGET)
    for link in links:
        if link.value != Reference(Of.WHEN, link.field):
            at = pointer(fields.at("match"), link.field)
            raise RuleRefused(at, Complaint.COUNTED_BY_ITSELF, field=link.field)
    own = {name: value for name, value in rule.take("count").items() if name != "match"}
    selector = read_selector(Fields(own, fields.path), groups, known=OF_ACTIVATION, states=states)
    return msgspec.structs.replace(selector, match=links)


def read_cut(rule: Fields, name: str, groups: Groups, default: Effect | None) -> Cut | None:
    """`until` or `since`: a selector and an effect."""
    if name not in rule:
        return None
    fields = unrelated(rule, name)
    if default is None and "effect" not in fields:
        raise RuleRefused(fields.path, Complaint.EFFECT_MISSING)
    effect = fields.choice("effect", Effect, default)
    return Cut(selector=read_selector(fields, groups, known=OF_TARGET, states=DONE, may_be_self=True), effect=effect)


def read_exemption(rule: Fields, groups: Groups) -> Exemption | None:
    """`unless`: a selector, and a window of its own if it has one."""
    if "unless" not in rule:
        return None
    own = dict(_mapping(rule.take("unless"), rule.at("unless")))
    within = EVER
    if "within" in own:
        within = read_window(Fields({"within": own.pop("within")}, rule.at("unless")))
    fields = _unrelated(Fields(own, rule.at("unless")))
    return Exemption(selector=read_selector(fields, groups, known=OF_TARGET, states=DONE), within=within)


def unrelated(rule: Fields, name: str) -> Fields:
    """The fields of a selector whose facts are points in time."""
    return _unrelated(Fields(rule.take(name), rule.at(name)))


def read_types(raw: Any, path: str, groups: Groups, *, may_be_self: bool = False) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for name in texts(raw, path):
        names.update(dict.fromkeys(groups.get(name) or (canonical_type(name),)))
    if SELF in names and (len(names) > 1 or not may_be_self):
        raise RuleRefused(path, Complaint.SELF_STANDS_ALONE)
    return (EVERY_TYPE,) if EVERY_TYPE in names else tuple(names)


def read_groups(raw: Any, path: str) -> Groups:
    """The groups that a document declares, with those that are always known."""
    read = {}
    for name, types in _mapping(raw, path, Complaint.GROUPS_EXPECTED).items():
        at = pointer(path, name)
        if text(name, path) in (EVERY_TYPE, SELF):
            raise RuleRefused(at, Complaint.GROUP_NAME_TAKEN, name=name)
        read[name] = tuple(canonical_type(kind) for kind in texts(types, at))
    return {**GROUPS, **read}


def read_declared_types(raw: Any, path: str, groups: Groups) -> Types:
    """Types of facts that come from elsewhere, each with its attributes; a type may have none."""
    read = {}
    for name, attributes in _mapping(raw, path, Complaint.TYPES_EXPECTED).items():
        at = pointer(path, name)
        if text(name, path) in (EVERY_TYPE, SELF) or name in groups:
            raise RuleRefused(at, Complaint.TYPE_NAME_TAKEN, name=name)
        read[name] = frozenset(() if attributes == [] else texts(attributes, at))
    return read


def read_states(fields: Fields) -> frozenset[FactState]:
    """`accept`: done facts by default."""
    raw = fields.take("accept", ["done"])
    return frozenset(choice(item, FactState, at) for item, at in listed(raw, fields.at("accept")))


def _links(fields: Fields, name: str, known: frozenset[Of]) -> tuple[Link, ...]:
    """`{target_field: when_field}`; the right-hand side may also be a whole reference."""
    raw = _mapping(fields.take(name, {}), fields.at(name), Complaint.LINKS_EXPECTED)
    other = Of.WHEN if Of.WHEN in known else Of.WHILE
    links = []
    for field, value in raw.items():
        at = pointer(fields.at(name), field)
        named = text(value, at)
        reference = parse_reference(named, at, known) if named.startswith("$") else Reference(other, named)
        links.append(Link(text(field, at), reference))
    return tuple(links)


def _relation(fields: Fields) -> Relations | None:
    if "relation" not in fields:
        return None
    names = []
    for name, at in listed(fields.take("relation"), fields.at("relation")):
        if text(name, at) not in NAMES:
            raise RuleRefused(at, Complaint.RELATION_UNKNOWN, given=shown(name), known=", ".join(NAMES))
        names.append(name)
    return Relations.named(names)


def _unrelated(fields: Fields) -> Fields:
    fields.refuse("relation", Complaint.RELATION_MISPLACED)
    return fields


def _mapping(raw: Any, path: str, complaint: Complaint = Complaint.MAPPING_EXPECTED) -> Mapping[Any, Any]:
    if not isinstance(raw, Mapping):
        raise RuleRefused(path, complaint, given=name_of(raw))
    return raw
