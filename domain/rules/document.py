"""Reads rules from plain mappings. Whatever is unknown, ill-typed or not yet evaluated is refused with its path."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from domain.facts import FactState
from domain.rules.reading import Fields, choice, listed, name_of, pointer, text, texts
from domain.rules.refusal import RuleRefused
from domain.rules.rule import (
    EVERY_TYPE,
    SELF,
    At,
    Body,
    Cut,
    Effect,
    Escalation,
    Forbid,
    Link,
    OnClose,
    OnSuspend,
    Raise,
    Require,
    Route,
    Rule,
    Ruleset,
    RuleState,
    Selector,
    Severity,
    Silence,
    Use,
)
from domain.rules.values import Of, Reference
from domain.rules.vocabulary import GROUPS, canonical_type
from domain.rules.where import ALWAYS, fields_of, parse_reference, parse_where
from domain.rules.windows import Bounds, Duration, Unit, Window, parse_duration

LANGUAGES = ("fr", "en")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = re.compile(r"(?:when|target|pathway|while)\.[\w-]+|open|close|late_by|gap")

KINDS = ("require", "forbid", "silence")
NOT_YET_KINDS = ("limit",)
NOT_YET = {
    "relation": "`relation` (Allen relations between intervals) is not evaluated yet.",
    "unless": "`unless` is not evaluated yet.",
    "scope": "`scope` is not evaluated yet: a rule judges one pathway.",
}
OF_OTHER_KINDS = {
    "count": "`count` belongs to rules of kind limit.",
    "max": "`max` belongs to rules of kind limit.",
    "in_last": "`in_last` belongs to rules of kind limit.",
    "concurrent": "`concurrent` belongs to rules of kind limit.",
}
OF_SILENCE = {
    "of": "`of` belongs to rules of kind silence; a require rule has `when` and `expect`.",
    "gap": "`gap` belongs to rules of kind silence; a require rule has `within`.",
    "while": "`while` belongs to rules of kind silence.",
}
OF_REQUIRE = {
    name: f"`{name}` belongs to rules of kind require; a silence rule has `of`, `gap` and `while`."
    for name in ("when", "expect", "within", "min", "use", "until", "since", "next_among", "prev_among", "bounds")
}
Groups = Mapping[str, tuple[str, ...]]


def parse_rules(documents: Sequence[Any]) -> Ruleset:
    """Read the documents of one text: each a rule, a list of rules, or `{groups: …, rules: […]}`."""
    rules: list[tuple[Rule, str]] = []
    for index, document in enumerate(documents):
        path = "" if len(documents) == 1 else f"/documents/{index}"
        rules.extend(_read_document(document, path))
    if not rules:
        raise RuleRefused("", "there is no rule here.")
    _refuse_twins(rules)
    return Ruleset(tuple(sorted((rule for rule, _ in rules), key=lambda rule: (rule.slug, rule.version))))


def _read_document(document: Any, path: str) -> list[tuple[Rule, str]]:
    groups: Groups = GROUPS
    if isinstance(document, Mapping) and ("rules" in document or "groups" in document):
        fields = Fields(document, path)
        groups = {**GROUPS, **_groups(fields.take("groups", {}), fields.at("groups"))}
        document = fields.take("rules")
        fields.finish()
        path = fields.at("rules")
        if not isinstance(document, list | tuple):
            raise RuleRefused(path, f"a list of rules is expected, not {name_of(document)}.")
    if isinstance(document, Mapping):
        return [(parse_rule(document, path, groups), path)]
    if not isinstance(document, list | tuple):
        raise RuleRefused(path, f"a rule or a list of rules is expected, not {name_of(document)}.")
    places = [(item, pointer(path, index)) for index, item in enumerate(document)]
    return [(parse_rule(item, at, groups), at) for item, at in places]


def _groups(raw: Any, path: str) -> Groups:
    if not isinstance(raw, Mapping):
        raise RuleRefused(path, f"a mapping of names to lists of types is expected, not {name_of(raw)}.")
    read = {}
    for name, types in raw.items():
        at = pointer(path, name)
        if text(name, path) in (EVERY_TYPE, SELF):
            raise RuleRefused(at, f"{name!r} has a meaning of its own and cannot name a group.")
        read[name] = tuple(canonical_type(kind) for kind in texts(types, at))
    return read


def _refuse_twins(rules: list[tuple[Rule, str]]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for rule, path in rules:
        first = seen.setdefault((rule.slug, rule.version), path)
        if first != path:
            raise RuleRefused(
                pointer(path, "version"),
                f"version {rule.version} of {rule.slug!r} is already at {first or '/'}; versions never change.",
            )


def parse_rule(raw: Any, path: str = "", groups: Groups = GROUPS) -> Rule:
    """Read one rule. Raises RuleRefused."""
    fields = Fields(raw, path)
    slug = fields.text("rule")
    kind = fields.take("kind")
    if kind in NOT_YET_KINDS:
        raise RuleRefused(fields.at("kind"), f"rules of kind {kind} are not evaluated yet; known: {', '.join(KINDS)}.")
    if kind not in KINDS:
        shown = repr(kind) if isinstance(kind, str) else name_of(kind)
        raise RuleRefused(fields.at("kind"), f"{shown} is not a kind of rule; known: {', '.join(KINDS)}.")
    fields.refuse(OF_OTHER_KINDS | NOT_YET | (OF_REQUIRE if kind == "silence" else OF_SILENCE))
    if kind != "forbid":
        fields.refuse({"forbid": "`forbid` belongs to rules of kind forbid."})
    if kind == "forbid":
        fields.refuse(
            {
                "expect": "`expect` belongs to rules of kind require; a forbid rule has `when` and `forbid`.",
                "min": "`min` belongs to rules of kind require: one forbidden fact is one too many.",
                "use": "`use` belongs to rules of kind require: a forbidden fact is forbidden to each activation.",
            }
        )
    states = frozenset(
        choice(item, FactState, at) for item, at in listed(fields.take("accept", ["done"]), fields.at("accept"))
    )
    body = KIND_READERS[kind](fields, states, groups)
    effective_from, effective_to = _effective(fields)
    rule = Rule(
        slug=slug,
        version=fields.whole("version", 1, 1, 1_000_000),
        state=fields.choice("state", RuleState, "active"),
        territories=_territories(fields),
        effective_from=effective_from,
        effective_to=effective_to,
        body=body,
        strict=fields.flag("strict", default=False),
        grace=_positive(fields, "grace"),
        on_suspend=fields.choice("on_suspend", OnSuspend, "run" if kind == "forbid" else "freeze"),
        on_close=fields.choice("on_close", OnClose, "cancel"),
        stale_after=_positive(fields, "stale_after"),
        raises=_severity(fields),
        route=_route(fields),
        inhibited_by=texts(fields.take("inhibited_by"), fields.at("inhibited_by")) if "inhibited_by" in fields else (),
        text=_text(fields),
        source=dict(raw),
    )
    fields.finish()
    return rule


def _require(fields: Fields, states: frozenset[FactState], groups: Groups) -> Require:
    activation = frozenset({Of.PATHWAY})
    target = frozenset({Of.PATHWAY, Of.WHEN})
    when = _selector(fields.take("when"), fields.at("when"), groups, known=activation, states=None)
    expect = _selector(fields.take("expect"), fields.at("expect"), groups, known=target, states=states)
    window = _window(fields)
    return Require(
        when=when,
        expect=expect,
        within=window,
        min=fields.whole("min", 1, 1, 1_000),
        use=fields.choice("use", Use, "shared"),
        until=_cut(fields, "until", groups, None),
        since=_cut(fields, "since", groups, Effect.DEADLINE),
        next_among=_types(fields.take("next_among"), fields.at("next_among"), groups) if "next_among" in fields else (),
        prev_among=_types(fields.take("prev_among"), fields.at("prev_among"), groups) if "prev_among" in fields else (),
    )


def _forbid(fields: Fields, states: frozenset[FactState], groups: Groups) -> Forbid:
    activation = frozenset({Of.PATHWAY})
    target = frozenset({Of.PATHWAY, Of.WHEN})
    return Forbid(
        when=_selector(fields.take("when"), fields.at("when"), groups, known=activation, states=None),
        forbid=_selector(fields.take("forbid"), fields.at("forbid"), groups, known=target, states=states),
        within=_window(fields),
        until=_cut(fields, "until", groups, None),
        since=_cut(fields, "since", groups, Effect.DEADLINE),
        next_among=_types(fields.take("next_among"), fields.at("next_among"), groups) if "next_among" in fields else (),
        prev_among=_types(fields.take("prev_among"), fields.at("prev_among"), groups) if "prev_among" in fields else (),
    )


def _silence(fields: Fields, states: frozenset[FactState], groups: Groups) -> Silence:
    span = None
    known = frozenset({Of.PATHWAY})
    if "while" in fields:
        done = frozenset({FactState.DONE})
        span = _selector(fields.take("while"), fields.at("while"), groups, known=known, states=done)
        known |= {Of.WHILE}
    of = _selector(fields.take("of"), fields.at("of"), groups, known=known, states=states)
    gap = _duration(fields.take("gap"), fields.at("gap"))
    if gap.count <= 0 or gap.unit is None:
        raise RuleRefused(fields.at("gap"), "a gap is a positive, finite duration.")
    start = Duration(0, gap.unit if gap.is_exact else Unit.DAYS)
    window = Window(start=start, end=gap, roll=_roll(fields, fields, gap))
    return Silence(of=of, gap=window, span=span)


KIND_READERS: Mapping[str, Callable[[Fields, frozenset[FactState], Groups], Body]] = {
    "require": _require,
    "forbid": _forbid,
    "silence": _silence,
}


def _selector(
    raw: Any, path: str, groups: Groups, *, known: frozenset[Of], states: frozenset[FactState] | None
) -> Selector:
    fields = Fields(raw, path)
    fields.refuse({"relation": NOT_YET["relation"], "within": "`within` is not evaluated here yet."})
    types = _types(fields.take("on"), fields.at("on"), groups, may_be_self=Of.WHEN in known)
    where = parse_where(fields.take("where"), fields.at("where"), known) if "where" in fields else ALWAYS
    links = known - {Of.PATHWAY}
    if not links:
        fields.refuse(dict.fromkeys(("match", "differ"), "there is nothing to correlate with here; use `where`."))
    selector = Selector(
        types=types,
        at=fields.choice("at", At, "start"),
        where=where,
        states=None if "state" in fields_of(where) else states,
        match=_links(fields, "match", known),
        differ=_links(fields, "differ", known),
    )
    fields.finish()
    return selector


def _types(raw: Any, path: str, groups: Groups, *, may_be_self: bool = False) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for name in texts(raw, path):
        names.update(dict.fromkeys(groups.get(name) or (canonical_type(name),)))
    if SELF in names and (len(names) > 1 or not may_be_self):
        raise RuleRefused(path, "`self` stands alone, in `expect` only.")
    return (EVERY_TYPE,) if EVERY_TYPE in names else tuple(names)


def _links(fields: Fields, name: str, known: frozenset[Of]) -> tuple[Link, ...]:
    """`{target_field: when_field}`; the right-hand side may also be a whole reference."""
    raw = fields.take(name, {})
    if not isinstance(raw, Mapping):
        raise RuleRefused(fields.at(name), f"a mapping of fields to fields is expected, not {name_of(raw)}.")
    other = Of.WHEN if Of.WHEN in known else Of.WHILE
    links = []
    for field, value in raw.items():
        at = pointer(fields.at(name), field)
        named = text(value, at)
        reference = parse_reference(named, at, known) if named.startswith("$") else Reference(other, named)
        links.append(Link(text(field, at), reference))
    return tuple(links)


def _cut(fields: Fields, name: str, groups: Groups, default: Effect | None) -> Cut | None:
    if name not in fields:
        return None
    raw, path = fields.take(name), fields.at(name)
    if not isinstance(raw, Mapping):
        raise RuleRefused(path, f"a mapping is expected here, not {name_of(raw)}.")
    own = dict(raw)
    effect = own.pop("effect", default)
    if effect is None:
        raise RuleRefused(path, "`effect` is missing: release or deadline.")
    done = frozenset({FactState.DONE})
    selector = _selector(own, path, groups, known=frozenset({Of.PATHWAY, Of.WHEN}), states=done)
    return Cut(selector=selector, effect=choice(effect, Effect, pointer(path, "effect")))


def _window(fields: Fields) -> Window:
    within = Fields(fields.take("within"), fields.at("within"))
    start = _duration(within.take("from"), within.at("from"))
    end = _duration(within.take("to"), within.at("to"))
    bounds = _bounds(fields, within)
    window = Window(start=start, end=end, bounds=bounds, roll=_roll(fields, within, end))
    within.finish()
    if bounds is not Bounds.BOTH and not window.is_exact:
        raise RuleRefused(within.path, "`bounds` applies to windows in hours or minutes; days are always included.")
    if start == Duration(1, None) or end == Duration(-1, None) or _is_reversed(start, end):
        raise RuleRefused(within.path, f"the window is empty: it starts at {start} and ends at {end}.")
    return window


def _bounds(fields: Fields, within: Fields) -> Bounds:
    owner = within if "bounds" in within else fields
    return owner.choice("bounds", Bounds, "[]")


def _roll(fields: Fields, within: Fields, end: Duration) -> bool:
    owner = within if "roll" in within else fields
    raw = owner.take("roll", "none")
    if raw not in ("none", "next_working"):
        raise RuleRefused(owner.at("roll"), f"{raw!r} is not one of none, next_working.")
    if raw == "next_working" and end.is_exact:
        raise RuleRefused(owner.at("roll"), "`roll` moves a last day; a window that ends on an hour has none.")
    return bool(raw == "next_working")


def _is_reversed(start: Duration, end: Duration) -> bool:
    comparable = start.unit == end.unit or (start.is_exact and end.is_exact)
    if not comparable or start.unit is None:
        return False
    return start.exact > end.exact if start.is_exact else start.count > end.count


def _duration(raw: Any, path: str) -> Duration:
    try:
        return parse_duration(raw)
    except ValueError as error:
        raise RuleRefused(path, str(error)) from None


def _positive(fields: Fields, name: str) -> Duration | None:
    if name not in fields:
        return None
    duration = _duration(fields.take(name), fields.at(name))
    if duration.count < 0 or duration.unit is None:
        raise RuleRefused(fields.at(name), "a finite duration, zero or more, is expected.")
    return duration


def _effective(fields: Fields) -> tuple[int | None, int | None]:
    if "effective" not in fields:
        return None, None
    span = Fields(fields.take("effective"), fields.at("effective"))
    first, end = _day(span, "from"), _day(span, "to")
    span.finish()
    if first is not None and end is not None and first >= end:
        raise RuleRefused(span.path, "the rule is never effective: `to` (excluded) is not after `from`.")
    return first, end


def _day(fields: Fields, name: str) -> int | None:
    raw = fields.take(name, None)
    if raw is None:
        return None
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw.toordinal()
    try:
        return date.fromisoformat(raw).toordinal()
    except (TypeError, ValueError):
        raise RuleRefused(fields.at(name), f"{raw!r} is not a date such as 2026-01-31.") from None


def _territories(fields: Fields) -> frozenset[str] | None:
    codes = texts(fields.take("territory", "*"), fields.at("territory"))
    if "*" in codes:
        if len(codes) > 1:
            raise RuleRefused(fields.at("territory"), '"*" means every territory and stands alone.')
        return None
    return frozenset(codes)


def _severity(fields: Fields) -> Raise:
    if "severity" not in fields:
        return Raise()
    raw = Fields(fields.take("severity"), fields.at("severity"))
    severity = raw.choice("raise", Severity, "warning")
    steps = listed(raw.take("escalate"), raw.at("escalate")) if "escalate" in raw else ()
    escalate = tuple(_escalation(Fields(step, at)) for step, at in steps)
    raw.finish()
    return Raise(severity=severity, escalate=escalate)


def _escalation(fields: Fields) -> Escalation:
    after = _positive(fields, "after")
    if after is None:
        raise RuleRefused(fields.path, "`after` is missing.")
    step = Escalation(after=after, to=fields.choice("to", Severity), notify=fields.text("notify", None))
    fields.finish()
    return step


def _route(fields: Fields) -> Route:
    if "route" not in fields:
        return Route()
    raw = Fields(fields.take("route"), fields.at("route"))
    owner = _recipient(raw.take("owner"), raw.at("owner")) if "owner" in raw else None
    watch = listed(raw.take("watch"), raw.at("watch")) if "watch" in raw else ()
    route = Route(owner=owner, watch=tuple(_recipient(item, at) for item, at in watch))
    raw.finish()
    return route


def _recipient(raw: Any, path: str) -> Reference | str:
    value = text(raw, path)
    known = frozenset({Of.WHEN, Of.PATHWAY})
    return parse_reference(value, path, known) if value.startswith("$") else value


def _text(fields: Fields) -> dict[str, str]:
    if "text" not in fields:
        return {}
    raw = Fields(fields.take("text"), fields.at("text"))
    spoken = {language: raw.text(language) for language in LANGUAGES if language in raw}
    raw.finish()
    for language, template in spoken.items():
        for name in PLACEHOLDER.findall(template):
            if not _PLACEHOLDERS.fullmatch(name):
                raise RuleRefused(
                    raw.at(language), f"{{{name}}} is not known; write {{when.field}}, {{pathway.field}} or {{close}}."
                )
    return spoken
