"""From rules to plans: predicates compiled, filters shared, versions set against each other."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import msgspec

from domain.facts import Fact
from domain.rules.plan import CompiledRules, Filter, KeyOfFact, KeyOfOrigin, Plan, Sought
from domain.rules.rule import (
    EVERY_TYPE,
    SELF,
    At,
    Body,
    Cut,
    Forbid,
    Limit,
    Link,
    OnSuspend,
    Require,
    Rule,
    Ruleset,
    RuleState,
    Selector,
    Silence,
    Use,
)
from domain.rules.values import Of, Scope, key_of, reader_of
from domain.rules.where import Condition, Predicate, compile_where, conjuncts, is_fixed, label_of, references_of
from domain.rules.windows import EVER, Window

TARGETS: Mapping[str, str] = {"require": "expect", "forbid": "forbid", "limit": "count", "silence": "of"}
"""By kind, the name of the selector of what is looked for around an activation."""
CUTS = frozenset({"until", "since", "next_among", "prev_among"})


def compile_rules(rules: Ruleset | Iterable[Rule]) -> CompiledRules:
    """Drafts and retired versions are left out; a shadow version overrules shadows only, an active one actives only."""
    ruleset = rules if isinstance(rules, Ruleset) else Ruleset(tuple(rules))
    ordered = sorted(ruleset.rules, key=lambda rule: (rule.slug, rule.version))
    judged = [rule for rule in ordered if rule.state in (RuleState.ACTIVE, RuleState.SHADOW)]
    compiler = _Compiler()
    plans = tuple(compiler.plan(rule, judged) for rule in judged)
    reads_pathway = any(_reads_pathway(sought.selector) for plan in plans for sought in plan.sought.values())
    return CompiledRules(plans, Ruleset(tuple(ordered)), reads_pathway)


def _types_of(sought: Iterable[Sought]) -> frozenset[str] | None:
    types = frozenset(name for one in sought for name in one.filter.types) - {SELF}
    return None if EVERY_TYPE in types else types


def _starters_of(sought: Mapping[str, Sought]) -> frozenset[str] | None:
    first = next((sought[name] for name in ("when", "count", "while") if name in sought), None)
    return None if first is None else _types_of([first])


def _reads_pathway(selector: Selector) -> bool:
    references = [link.value for link in selector.match + selector.differ]
    return any(reference.of is Of.PATHWAY for reference in (*references, *references_of(selector.where)))


class _Compiler:
    def __init__(self) -> None:
        self._filters: dict[Hashable, Filter] = {}

    def plan(self, rule: Rule, among: list[Rule]) -> Plan:
        overruled = tuple(
            (other.effective_from, other.effective_to)
            for other in among
            if other.slug == rule.slug and other.state is rule.state and other.version > rule.version
        )
        sought = self._sought(rule.body)
        window = _window_of(rule.body)
        is_daily = not (window.start.is_exact or window.end.is_exact)
        everywhere = rule.territories is None and rule.effective_from is None and rule.effective_to is None
        return Plan(
            rule=rule,
            overruled=overruled,
            sought=sought,
            types=_types_of(sought.values()),
            starters=_starters_of(sought),
            window=window,
            target=TARGETS[rule.kind],
            is_duty=isinstance(rule.body, Require | Silence),
            takes_all=everywhere and not overruled,
            is_cut=not CUTS.isdisjoint(sought),
            is_daily=is_daily,
            is_plain=is_daily and not rule.strict,
            is_steady=is_daily and not rule.strict and CUTS.isdisjoint(sought) and _is_answered_once(rule.body),
            exemption=_exemption(rule, sought),
        )

    def _sought(self, body: Body) -> dict[str, Sought]:
        match body:
            case Silence():
                sought = {"of": self.seek(body.of)}
                return sought | ({"while": self.seek(body.span)} if body.span else {})
            case Limit():
                sought = {"count": self.seek(body.count)}
            case Require():
                sought = {"when": self.seek(body.when), "expect": self.seek(body.expect)} | self._cuts(body)
            case Forbid():
                sought = {"when": self.seek(body.when), "forbid": self.seek(body.forbid)} | self._cuts(body)
        return sought | ({"unless": self.seek(body.unless.selector)} if body.unless else {})

    def _cuts(self, body: Require | Forbid) -> dict[str, Sought]:
        cuts: dict[str, Cut | None] = {"until": body.until, "since": body.since}
        sought = {name: self.seek(cut.selector) for name, cut in cuts.items() if cut is not None}
        states = (body.expect if isinstance(body, Require) else body.forbid).states
        chains = {"next_among": body.next_among, "prev_among": body.prev_among}
        return sought | {
            name: self.seek(Selector(types=types, states=states)) for name, types in chains.items() if types
        }

    def seek(self, selector: Selector) -> Sought:
        parts = conjuncts(selector.where)
        fixed = tuple(part for part in parts if is_fixed(part))
        depends = [compile_where(part) for part in parts if not is_fixed(part)]
        depends += [_differs(link) for link in selector.differ]
        return Sought(
            selector=selector,
            filter=self._filter(selector, fixed),
            key=_key_of_origin(selector.match),
            depends=_every(depends),
            relation=selector.relation,
            tests=tuple((label_of(part), part, compile_where(part)) for part in parts),
        )

    def _filter(self, selector: Selector, fixed: tuple[Condition, ...]) -> Filter:
        fields = tuple(link.field for link in selector.match)
        identity = (selector.types, selector.at, selector.states, repr(fixed), fields)
        known = self._filters.get(identity)
        if known is None:
            known = self._filters[identity] = Filter(
                number=len(self._filters),
                types=selector.types,
                at=selector.at,
                states=selector.states,
                holds=_every([compile_where(part) for part in fixed]),
                key=_key_of_fact(fields),
                is_self=selector.types == (SELF,),
            )
        return known


def _is_answered_once(body: Body) -> bool:
    """By the first target, alone, told by where it starts; or by itself."""
    match body:
        case Require(expect=expect, min=1, use=Use.SHARED, unless=None):
            return (expect.at is At.START or expect.types == (SELF,)) and expect.relation is None
        case Silence(of=of, span=None):
            return of.at is At.START
        case _:
            return False


def _window_of(body: Body) -> Window:
    match body:
        case Silence():
            return body.gap
        case Limit():
            return body.in_last or EVER
        case _:
            return body.within


def _exemption(rule: Rule, sought: Mapping[str, Sought]) -> Plan | None:
    if isinstance(rule.body, Silence) or rule.body.unless is None:
        return None
    window = rule.body.unless.within
    is_daily = not (window.start.is_exact or window.end.is_exact)
    return Plan(
        rule=msgspec.structs.replace(rule, strict=False, on_suspend=OnSuspend.RUN),
        overruled=(),
        sought={"unless": sought["unless"]},
        types=None,
        starters=None,
        window=window,
        target="unless",
        is_duty=True,
        takes_all=True,
        is_cut=False,
        is_daily=is_daily,
        is_plain=is_daily,
    )


def _every(predicates: list[Predicate]) -> Predicate | None:
    if not predicates:
        return None
    if len(predicates) == 1:
        return predicates[0]
    return lambda fact, scope: all(holds(fact, scope) for holds in predicates)


def _differs(link: Link) -> Predicate:
    """Both are known and they are not equal: nothing can be said of what is absent."""
    read, value = reader_of(link.field), link.value

    def differs(fact: Fact, scope: Scope) -> bool:
        left, right = key_of(read(fact)), key_of(scope.read(value))
        return left is not None and right is not None and left != right

    return differs


def _key_of_fact(fields: tuple[str, ...]) -> KeyOfFact | None:
    if not fields:
        return None
    if len(fields) == 1:
        read = reader_of(fields[0])
        return lambda fact: key_of(read(fact))
    readers = [reader_of(field) for field in fields]

    def key(fact: Fact) -> Hashable:
        parts = tuple(key_of(read(fact)) for read in readers)
        return None if None in parts else parts

    return key


def _key_of_origin(links: tuple[Link, ...]) -> KeyOfOrigin | None:
    if not links:
        return None
    if len(links) == 1:
        read_one = _reader_of_origin(links[0])
        return lambda origin, pathway: key_of(read_one(origin, pathway))
    readers = [_reader_of_origin(link) for link in links]

    def key(origin: Fact, pathway: Mapping[str, Any]) -> Hashable:
        parts = tuple(key_of(read(origin, pathway)) for read in readers)
        return None if None in parts else parts

    return key


def _reader_of_origin(link: Link) -> Callable[[Fact, Mapping[str, Any]], Any]:
    field = link.value.field
    if link.value.of is Of.PATHWAY:
        return lambda _origin, pathway: pathway.get(field)
    read = reader_of(field)
    return lambda origin, _pathway: read(origin)
