"""Whether a rule finds nothing that another does not find already; what cannot be told counts as not so."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeAlias

import msgspec

from domain.rules.rule import EVERY_TYPE, Require, Rule, RuleState, Selector, Silence, Use
from domain.rules.where import conjuncts
from domain.rules.windows import Duration, Unit

COMPARED_MAX = 50
"""Rules that one rule is compared with, the strictest first: a thousand rules are looked at in a blink."""
ROUGH_DAYS = {
    Unit.DAYS: 1.0,
    Unit.BUSINESS_DAYS: 1.4,
    Unit.WORKING_DAYS: 1.2,
    Unit.WEEKS: 7.0,
    Unit.MONTHS: 30.5,
    Unit.YEARS: 365.25,
    Unit.HOURS: 1 / 24,
    Unit.MINUTES: 1 / 1440,
}
Place: TypeAlias = tuple[Hashable, ...]


class Wider:
    """Rules filed by what a rule that finds as much must have in common with them."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._filed: defaultdict[Place, list[Rule]] = defaultdict(list)
        for rule in sorted(rules, key=lambda rule: (_patience(rule), rule.slug, rule.version)):
            if rule.state is RuleState.ACTIVE:
                for place in _places_of(rule):
                    self._filed[place].append(rule)

    def than(self, rule: Rule) -> Rule | None:
        """The first found that would find whatever this one would, under another name."""
        near = (other for place in _places_near(rule) for other in self._filed.get(place, ())[:COMPARED_MAX])
        return next((other for other in near if other.slug != rule.slug and is_subsumed(rule, other)), None)


def _patience(rule: Rule) -> float:
    """Roughly how many days a rule waits: the strictest rules find the most."""
    match rule.body:
        case Require(within=within):
            return _days(within.end) - _days(within.start)
        case Silence(gap=gap):
            return _days(gap.end)
        case _:
            return 0.0


def _days(duration: Duration) -> float:
    return duration.count * (1e9 if duration.unit is None else ROUGH_DAYS[duration.unit])


def _places_of(rule: Rule) -> Iterator[Place]:
    """A wider require is set off by as many types, or more; a wider silence is broken by as many, or fewer."""
    match rule.body:
        case Require(when=when):
            yield from ((*_manner(rule), kind) for kind in when.types)
        case Silence(of=of):
            yield from ((*_manner(rule), kind) for kind in dict.fromkeys((of.types[0], EVERY_TYPE)))


def _places_near(rule: Rule) -> Iterator[Place]:
    match rule.body:
        case Require(when=when):
            yield from ((*_manner(rule), kind) for kind in dict.fromkeys((when.types[0], EVERY_TYPE)))
        case Silence(of=of):
            yield from ((*_manner(rule), kind) for kind in of.types)


def _manner(rule: Rule) -> Place:
    return rule.kind, rule.strict, rule.on_suspend, rule.on_close, rule.grace


def is_subsumed(rule: Rule, by: Rule) -> bool:
    """Surely so: whenever `rule` is out of step, `by` is too, no later. What cannot be told counts as not so."""
    alike = rule.strict == by.strict and rule.on_suspend == by.on_suspend and rule.on_close == by.on_close
    if not alike or by.state is not RuleState.ACTIVE or not _is_where(rule, by) or rule.grace != by.grace:
        return False
    match rule.body, by.body:
        case Require() as mine, Require() as theirs:
            return _is_require_subsumed(mine, theirs)
        case Silence() as mine_silent, Silence() as theirs_silent:
            return (
                mine_silent.span == theirs_silent.span
                and _is_narrower(theirs_silent.of, mine_silent.of)
                and mine_silent.gap.roll == theirs_silent.gap.roll
                and _at_most(theirs_silent.gap.end, mine_silent.gap.end)
            )
        case _:
            return False


def _is_where(rule: Rule, by: Rule) -> bool:
    """Whether `by` applies wherever and whenever `rule` does."""
    places = by.territories is None or (rule.territories is not None and rule.territories <= by.territories)
    begins = by.effective_from is None or (rule.effective_from is not None and by.effective_from <= rule.effective_from)
    ends = by.effective_to is None or (rule.effective_to is not None and rule.effective_to <= by.effective_to)
    return places and begins and ends


def _is_require_subsumed(mine: Require, theirs: Require) -> bool:
    """Fewer activations, more targets that answer, more time: what fails here fails there."""
    bare = {"when": theirs.when, "expect": theirs.expect, "within": theirs.within, "min": theirs.min}
    return (
        msgspec.structs.replace(mine, **bare) == theirs
        and mine.use is Use.SHARED
        and _is_narrower(mine.when, theirs.when)
        and _is_narrower(theirs.expect, mine.expect)
        and mine.min <= theirs.min
        and mine.within.bounds == theirs.within.bounds
        and mine.within.roll == theirs.within.roll
        and _at_most(mine.within.start, theirs.within.start)
        and _at_most(theirs.within.end, mine.within.end)
    )


def _is_narrower(narrow: Selector, wide: Selector) -> bool:
    """Whether everything that the first picks, the second picks too."""
    same = msgspec.structs.replace(narrow, types=wide.types, where=wide.where, states=wide.states) == wide
    types = wide.types == ("*",) or set(narrow.types) <= set(wide.types)
    states = wide.states is None or (narrow.states is not None and narrow.states <= wide.states)
    conditions = {repr(part) for part in conjuncts(wide.where)} <= {repr(part) for part in conjuncts(narrow.where)}
    return same and types and states and conditions


def _at_most(left: Duration, right: Duration) -> bool:
    """Whether one lies no later than the other; only told of the same units."""
    if left == right:
        return True
    if left.unit is None or right.unit is None:
        return (left.unit is None and left.count < 0) or (right.unit is None and right.count > 0)
    return left.unit == right.unit and left.count <= right.count
