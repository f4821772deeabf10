"""The JSON Schema of a rule (2020-12): what a form or an editor needs to help an author. The reader refuses more."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from domain.facts import FactState
from domain.rules.document.kinds import KINDS, MAX_COUNTED, OWNERS
from domain.rules.relations import NAMES
from domain.rules.rule import At, Effect, OnClose, OnSuspend, RuleState, Severity, Use
from domain.rules.where import Operator
from domain.rules.windows import Bounds, Unit

ID = "/schemas/rule"
Schema = dict[str, Any]

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "require": ("when", "expect"),
    "forbid": ("when", "forbid"),
    "limit": ("count", "max"),
    "silence": ("of", "gap"),
}
TITLES: Mapping[str, tuple[str, str]] = {
    "rule": ("Nom stable de la règle", "Stable name of the rule"),
    "version": ("Version, immuable une fois publiée", "Version, immutable once published"),
    "state": ("État", "State"),
    "territory": ("Territoires", "Territories"),
    "effective": ("Dates d'effet, la fin exclue", "Dates of effect, the end excluded"),
    "kind": ("Nature", "Kind"),
    "when": ("Ce qui déclenche l'attente", "What starts the wait"),
    "expect": ("Ce qui est attendu", "What is expected"),
    "forbid": ("Ce qui est interdit", "What is forbidden"),
    "count": ("Ce qui est compté", "What is counted"),
    "max": ("Nombre autorisé", "Number allowed"),
    "in_last": ("Fenêtre glissante", "Sliding window"),
    "concurrent": ("En même temps", "At a time"),
    "of": ("Ce dont l'absence est un silence", "What there is silence of"),
    "gap": ("Durée du silence", "Length of the silence"),
    "while": ("Tant que dure", "While it lasts"),
    "within": ("Délai autour du déclencheur", "Window around the activation"),
    "relation": ("Relation entre intervalles (Allen)", "Relation between intervals (Allen)"),
    "bounds": ("Bornes comprises, en heures", "Bounds included, in hours"),
    "roll": ("Report au jour ouvré suivant", "Moved to the next working day"),
    "min": ("Nombre attendu", "Number expected"),
    "use": ("Un fait peut répondre à plusieurs attentes, ou à une seule", "A fact answers several waits, or one"),
    "accept": ("États qui comptent", "States that count"),
    "until": ("Ce qui met fin à l'attente", "What ends the wait"),
    "since": ("Ce avant quoi rien ne compte", "What nothing before counts"),
    "next_among": ("Le prochain de ces types seulement", "The next of these types only"),
    "prev_among": ("Le précédent de ces types seulement", "The previous of these types only"),
    "unless": ("Sauf si", "Unless"),
    "strict": ("Le jour même ne compte pas", "The same day does not count"),
    "grace": ("Attente avant l'alerte", "Wait before the alert"),
    "on_suspend": ("Pendant une suspension", "While suspended"),
    "on_close": ("À la clôture", "At the closing"),
    "stale_after": ("Plus ancien : noté sans prévenir", "Older: recorded, nobody told"),
    "severity": ("Gravité", "Severity"),
    "route": ("Qui prévenir", "Whom to tell"),
    "inhibited_by": ("Tu tant que celles-ci sont ouvertes", "Not told while these are open"),
    "text": ("Texte de l'alerte", "Text of the alert"),
    "source": ("Texte ou pratique d'origine", "Text or practice it comes from"),
}


def rule_schema() -> Schema:
    """Of one rule, written with the canonical keys; keys that belong to one kind are refused under the others."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "A synchronisation rule",
        "type": "object",
        "required": ["rule", "kind"],
        "properties": {name: _titled(name, schema) for name, schema in _properties().items()},
        "additionalProperties": False,
        "allOf": [_of_kind(kind) for kind in KINDS],
        "$defs": _definitions(),
    }


def _titled(name: str, schema: Schema) -> Schema:
    french, english = TITLES[name]
    return {"title": english, "x-title-fr": french, **schema}


def _of_kind(kind: str) -> Schema:
    foreign = {name: False for name, owners in OWNERS.items() if kind not in owners}
    return {
        "if": {"properties": {"kind": {"const": kind}}},
        "then": {"required": list(REQUIRED[kind]), "properties": foreign},
    }


def _properties() -> dict[str, Schema]:
    return {
        "rule": _ref("words"),
        "version": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1},
        "state": _choice(RuleState, "active"),
        "territory": {**_one_or_more(_ref("words")), "default": "*"},
        "effective": _object({"from": _ref("day"), "to": _ref("day")}),
        "kind": {"enum": list(KINDS)},
        "when": _ref("selector"),
        "expect": _ref("target"),
        "forbid": _ref("target"),
        "count": _ref("target"),
        "max": {"type": "integer", "minimum": 0, "maximum": MAX_COUNTED},
        "in_last": _ref("duration"),
        "concurrent": {"type": "boolean"},
        "of": _ref("target"),
        "gap": _ref("duration"),
        "while": _ref("selector"),
        "within": _ref("window"),
        "relation": _ref("relation"),
        "bounds": _choice(Bounds, "[]"),
        "roll": _ref("roll"),
        "min": {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 1},
        "use": _choice(Use, "shared"),
        "accept": {**_one_or_more({"enum": list(FactState)}), "default": ["done"]},
        "until": _ref("cut"),
        "since": _ref("cut"),
        "next_among": _one_or_more(_ref("words")),
        "prev_among": _one_or_more(_ref("words")),
        "unless": _selector({**_LINKED, "within": _ref("window")}),
        "strict": {"type": "boolean", "default": False},
        "grace": _ref("duration"),
        "on_suspend": _choice(OnSuspend),
        "on_close": _choice(OnClose, "cancel"),
        "stale_after": _ref("duration"),
        "severity": _object({"raise": _choice(Severity, "warning"), "escalate": _one_or_more(_ref("escalation"))}),
        "route": _object({"owner": _ref("words"), "watch": _one_or_more(_ref("words"))}),
        "inhibited_by": _one_or_more(_ref("words")),
        "text": _object({"fr": _ref("words"), "en": _ref("words")}),
        "source": {"type": "string", "maxLength": 300},
    }


def _definitions() -> dict[str, Schema]:
    units = "|".join(sorted((unit.value for unit in Unit), key=len, reverse=True))
    value = {"type": ["string", "number", "boolean", "null"]}
    return {
        "words": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "duration": {"type": "string", "pattern": rf"^([+-]?[0-9]+({units})|[+-]?inf)$"},
        "roll": {"enum": ["none", "next_working"], "default": "none"},
        "relation": _one_or_more({"enum": list(NAMES)}),
        "window": _object(
            {
                "from": _ref("duration"),
                "to": _ref("duration"),
                "bounds": _choice(Bounds, "[]"),
                "roll": _ref("roll"),
            },
            required=("from", "to"),
        ),
        "selector": _selector({}),
        "target": _selector({**_LINKED, "relation": _ref("relation")}),
        "cut": _selector({**_LINKED, "effect": _choice(Effect)}),
        "links": {"type": "object", "additionalProperties": _ref("words")},
        "where": {
            "type": "object",
            "minProperties": 1,
            "properties": {
                "all": _one_or_more(_ref("where")),
                "any": _one_or_more(_ref("where")),
                "not": _ref("where"),
            },
            "additionalProperties": _ref("test"),
        },
        "test": {"anyOf": [value, {"type": "array", "minItems": 1, "items": value}, _operators(value)]},
        "escalation": _object(
            {"after": _ref("duration"), "to": _choice(Severity), "notify": _ref("words")}, required=("after", "to")
        ),
    }


def _operators(value: Schema) -> Schema:
    operands: dict[Operator, Schema] = dict.fromkeys(Operator, value)
    operands[Operator.IN] = {"anyOf": [{"type": "string", "pattern": "^\\$"}, {"type": "array", "minItems": 1}]}
    operands[Operator.BETWEEN] = {"type": "array", "minItems": 2, "maxItems": 2}
    operands[Operator.EXISTS] = {"type": "boolean"}
    return {**_object({operator.value: operands[operator] for operator in Operator}), "minProperties": 1}


def _selector(more: Mapping[str, Schema]) -> Schema:
    own = {"on": _one_or_more(_ref("words")), "at": _choice(At, "start"), "where": _ref("where")}
    return _object({**own, **more}, required=("on",))


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "minItems": 1, "items": item}]}


def _choice(choices: type[StrEnum], default: str | None = None) -> Schema:
    schema: Schema = {"enum": [member.value for member in choices]}
    return schema if default is None else {**schema, "default": default}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


_LINKED: Mapping[str, Schema] = {"match": _ref("links"), "differ": _ref("links")}
