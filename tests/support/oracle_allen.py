"""The oracle's reading of Allen's relations between the intervals of two facts, the activation's first."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from domain.facts import Fact
from tests.support.oracle_life import Pathway
from tests.support.oracle_where import is_day
from tests.support.oracle_windows import Frame

INSIDE = {"during", "starts", "finishes", "equals"}
COVERS = {"contains", "started-by", "finished-by", "equals"}
APART = {"before", "after"}
TOUCHING = {"meets", "met-by"}
OPEN_ENDED = {"before", "after", "met-by", "disjoint"}
"""A target may bear them to an interval long after it, or be recorded to have."""
Span = tuple[int, float]


def wanted(rule: Mapping[str, Any], selector: Mapping[str, Any]) -> list[str]:
    names = rule.get("relation") or selector.get("relation") or []
    return [names] if isinstance(names, str) else list(names)


def is_related(
    rule: Mapping[str, Any], selector: Mapping[str, Any], pathway: Pathway, activation: Fact, target: Fact
) -> bool:
    names = wanted(rule, selector)
    if not names:
        return True
    by_day = is_day(activation.start) or is_day(target.start)
    found = relation(span(activation, pathway, by_day=by_day), span(target, pathway, by_day=by_day))
    return any(_means(name, found, by_day=by_day) for name in names)


def span(fact: Fact, pathway: Pathway, *, by_day: bool) -> Span:
    """Closed: local days by number, or instants; what lasts ends at infinity."""
    start = number(fact.start, pathway, by_day=by_day)
    return start, float("inf") if fact.end is None else number(fact.end, pathway, by_day=by_day)


def number(point: date | datetime, pathway: Pathway, *, by_day: bool) -> int:
    moment = pathway.clock.moment(point)
    return moment.day.toordinal() if by_day else int(moment.first.timestamp())


def _means(name: str, found: str, *, by_day: bool) -> bool:
    shared = found not in (APART if by_day else APART | TOUCHING)
    macros = {"intersects": shared, "disjoint": not shared, "inside": found in INSIDE, "covers": found in COVERS}
    return macros.get(name, name == found)


def relation(a: Span, b: Span) -> str:
    """The one relation of `a` to `b`; of a point at the other's end, that it starts or finishes it."""
    (a_start, a_end), (b_start, b_end) = a, b
    if a_start == b_start:
        return "equals" if a_end == b_end else ("starts" if a_end < b_end else "started-by")
    if a_end == b_end:
        return "finishes" if a_start > b_start else "finished-by"
    if a_end < b_start or a_start > b_end:
        return "before" if a_end < b_start else "after"
    if a_end == b_start or a_start == b_end:
        return "meets" if a_end == b_start else "met-by"
    if a_start < b_start:
        return "contains" if a_end > b_end else "overlaps"
    return "during" if a_end < b_end else "overlapped-by"


def cut_to_interval(
    rule: Mapping[str, Any], selector: Mapping[str, Any], pathway: Pathway, activation: Fact, frame: Frame
) -> Frame:
    """Without a window of its own, a relation is decided when the activation's interval is over, if it can be."""
    names, end = wanted(rule, selector), pathway.point(activation, "end")
    endless = end is None or OPEN_ENDED & {*names} or selector.get("at", "start") != "start"
    return frame if "within" in rule or not names or endless or end is None else frame.cut_after(end)
