"""An evaluator of another design, to check the real one against: slow, literal, written from the specification alone.

It reads rule documents as plain mappings, tries every fact against every activation, and counts days one at a time.
It shares no code with `domain.rules`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.facts import Fact
from tests.support.oracle_forbid import forbid
from tests.support.oracle_life import Pathway
from tests.support.oracle_limit import limit
from tests.support.oracle_require import require
from tests.support.oracle_silence import silence
from tests.support.oracle_time import NEVER, Clock, Moment
from tests.support.oracle_verdict import Verdict

KINDS = {"require": require, "forbid": forbid, "limit": limit, "silence": silence}


def long_way(facts: Sequence[Fact], rules: Sequence[Mapping[str, Any]], now: datetime, tz: str) -> list[Verdict]:
    """Every verdict of every rule, sorted. An activation is judged by the clock of the pathway's territory by then."""
    territories = territories_of(facts, tz)
    verdicts: list[Verdict] = []
    for rule in rules:
        own: list[Verdict] = []
        order: dict[str, tuple[datetime, int, str]] = {}
        for territory in {*territories.values()} if rule.get("state", "active") in ("active", "shadow") else ():
            pathway = Pathway(facts, Clock(territory, tz), now)

            def is_ruled(fact: Fact, a: Moment, rule: Mapping[str, Any] = rule, here: str | None = territory) -> bool:
                return territories[fact.fact_id] == here and rules_day(rule, rules, a.day.isoformat(), here)

            own.extend(KINDS[rule["kind"]](rule, pathway, is_ruled))
            home = [one for one in pathway.in_order(at_of(rule)) if territories[one[1].fact_id] == territory]
            order |= {fact.fact_id: (moment.first, fact.position, fact.fact_id) for moment, fact in home}
        verdicts.extend(without_mirrors(own, order))
    return sorted(verdicts, key=lambda one: (one.rule, one.version, one.activation, one.target or ""))


def at_of(rule: Mapping[str, Any]) -> str:
    """Which point of a fact activates it, for kinds that say so."""
    at: str = rule.get("when", {}).get("at", "start")
    return at


def without_mirrors(verdicts: list[Verdict], order: Mapping[str, Any]) -> Iterator[Verdict]:
    """The same two facts forbidden both ways round make one alert: the earlier activation's."""
    standing = {(one.activation, one.target) for one in verdicts if one.status == "violated_open"}
    for one in verdicts:
        twice = one.target is not None and (one.target, one.activation) in standing
        yield one._replace(raised=False) if twice and order[one.activation] > order[one.target or ""] else one


def rules_day(rule: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], day: str, territory: str | None) -> bool:
    """The activation's day picks the version: the highest active one. Shadow versions are judged beside it."""
    later = [
        other
        for other in rules
        if rule.get("state", "active") == "active"
        and other["rule"] == rule["rule"]
        and other.get("state", "active") == "active"
        and other.get("version", 1) > rule.get("version", 1)
    ]
    territories = rule.get("territory", "*")
    in_scope = territories == "*" or territory in territories
    return in_scope and is_effective(rule, day) and not any(is_effective(other, day) for other in later)


def is_effective(rule: Mapping[str, Any], day: str) -> bool:
    effective = rule.get("effective", {})
    first, end = effective.get("from"), effective.get("to")
    return (first is None or first <= day) and (end is None or day < end)


def territories_of(facts: Sequence[Fact], tz: str) -> dict[str, str | None]:
    """A fact that names no territory has the one that the pathway last had by then, or the first it was given."""
    pathway = Pathway(facts, Clock(None, tz), NEVER)
    named = [(pathway.moment(fact).first, fact.territory) for fact in pathway.facts if fact.territory is not None]
    found = {}
    for fact in facts:
        before = [territory for point, territory in named if point <= pathway.moment(fact).first]
        found[fact.fact_id] = fact.territory or next(iter([*before[-1:], *(territory for _, territory in named)]), None)
    return found
