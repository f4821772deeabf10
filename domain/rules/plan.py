"""Rules made ready to be judged quickly: predicates compiled, filters shared, versions set against each other."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.facts import Fact, FactState
from domain.rules.calendars import Calendar
from domain.rules.instants import moment_of
from domain.rules.relations import Relations
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
)
from domain.rules.suspensions import NOT_SUSPENDED, Suspensions
from domain.rules.values import Of, Scope, key_of, reader_of
from domain.rules.where import Condition, Predicate, compile_where, conjuncts, is_fixed, label_of, references_of
from domain.rules.windows import EVER, Close, Window, after_close, close_of, open_of

STRETCHES_MAX = 4_000
TARGETS: Mapping[str, str] = {"require": "expect", "forbid": "forbid", "limit": "count", "silence": "of"}
"""By kind, the name of the selector of what is looked for around an activation."""
CUTS = frozenset({"until", "since", "next_among", "prev_among"})

KeyOfFact = Callable[[Fact], Hashable]
KeyOfOrigin = Callable[[Fact, Mapping[str, Any]], Hashable]


class Filter(msgspec.Struct, frozen=True, eq=False):
    """What can be said of a fact whatever the activation. Rules that say the same share one, and its pools."""

    number: int
    types: tuple[str, ...]
    at: At
    states: frozenset[FactState] | None
    holds: Predicate | None
    key: KeyOfFact | None
    is_self: bool
    """The activation itself, and no other fact."""


class Sought(msgspec.Struct, frozen=True, eq=False):
    """A selector, compiled: its shared filter, then what depends on the activation."""

    selector: Selector
    filter: Filter
    key: KeyOfOrigin | None
    """The correlation key of a target, from the activation (or the interval of a `while`) and the pathway."""
    depends: Predicate | None
    """Conditions on the activation that no key can express; None when there are none."""
    relation: Relations | None
    tests: tuple[tuple[str, Condition, Predicate], ...]
    """The conditions one by one, for near misses."""


class Stretch(NamedTuple):
    """A window laid down from one activation, and its instants as datetimes."""

    open: int
    close: Close
    raise_at: int
    open_moment: datetime | None
    close_moment: datetime | None
    raise_moment: datetime | None


class Plan(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One rule version, ready."""

    rule: Rule
    overruled: tuple[tuple[int | None, int | None], ...]
    """Ranges of local days in which a later version takes new activations."""
    sought: dict[str, Sought]
    types: frozenset[str] | None
    """The types of the facts it reads, besides those of the pathway's life; None: all."""
    window: Window
    target: str
    """The name of its targets' selector."""
    is_duty: bool
    """Its targets answer its activations; of the other kinds, they are what must not be."""
    takes_all: bool
    """Whatever the date and the territory."""
    is_cut: bool
    """Other facts may end its windows early, or begin them late."""
    is_daily: bool
    """Its windows depend on the activation's day alone."""
    is_plain: bool
    """Counted in days, ties included: a point between open and close is in the window, and no other is."""
    exemption: "Plan | None" = None
    """How an exempting fact is looked for: as a target of its own, in its own window."""
    stretches: dict[tuple[int, str], Stretch] = msgspec.field(default_factory=dict)

    def stretch(self, point: int, day: int, calendar: Calendar, suspensions: Suspensions) -> Stretch:
        """The window of an activation. Those of days are the same for all activations of a day: kept."""
        if suspensions is not NOT_SUSPENDED or not self.is_daily:
            return self._stretch(point, day, calendar, suspensions)
        key = (day, calendar.version)
        known = self.stretches.get(key)
        if known is None:
            if len(self.stretches) >= STRETCHES_MAX:
                self.stretches.clear()
            known = self.stretches[key] = self._stretch(point, day, calendar, suspensions)
        return known

    def _stretch(self, point: int, day: int, calendar: Calendar, suspensions: Suspensions) -> Stretch:
        opens = open_of(self.window, point, day, calendar)
        close = close_of(self.window, point, day, calendar, suspensions)
        raise_at = after_close(close, self.rule.grace, calendar)
        return Stretch(opens, close, raise_at, moment_of(opens), moment_of(close.instant), moment_of(raise_at))

    def takes(self, day: int) -> bool:
        """Whether an activation of this local day lives under this version."""
        if not self.rule.is_effective(day):
            return False
        return not any((first is None or day >= first) and (end is None or day < end) for first, end in self.overruled)


class CompiledRules(msgspec.Struct, frozen=True, eq=False):
    """Plans ordered by slug and version; compile once, judge any number of pathways."""

    plans: tuple[Plan, ...]
    ruleset: Ruleset
    reads_pathway: bool

    def __iter__(self) -> Iterator[Plan]:
        return iter(self.plans)

    def only(self, *slugs: str) -> "CompiledRules":
        """The plans of some rules alone, for who wants near misses of a few obligations."""
        kept = tuple(plan for plan in self.plans if plan.rule.slug in slugs)
        return CompiledRules(kept, self.ruleset, self.reads_pathway)


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
            window=window,
            target=TARGETS[rule.kind],
            is_duty=isinstance(rule.body, Require | Silence),
            takes_all=everywhere and not overruled,
            is_cut=not CUTS.isdisjoint(sought),
            is_daily=is_daily,
            is_plain=is_daily and not rule.strict,
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
