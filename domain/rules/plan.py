"""Plans: rules made ready to be judged quickly. `compilation` makes them."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.facts import Fact, FactState
from domain.rules.calendars import Calendar
from domain.rules.instants import moment_of
from domain.rules.relations import Relations
from domain.rules.rule import (
    At,
    Rule,
    Ruleset,
    Selector,
)
from domain.rules.suspensions import NOT_SUSPENDED, Suspensions
from domain.rules.where import Condition, Predicate
from domain.rules.windows import Close, Window, after_close, close_of, open_of

STRETCHES_MAX = 4_000

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
    starters: frozenset[str] | None
    """The types of facts without which it says nothing; None: any fact may be enough."""
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
    is_steady: bool = False
    """The first fact that answers an activation stays the answer, whatever comes after it."""
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
