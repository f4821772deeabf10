"""A pathway as it was on a day, in the light of all that is known: what is dated after that day is left out.

When it became true decides, not when it was learnt: a late entry is there, and a correction has always been so.
"""

from datetime import date, datetime, tzinfo
from uuid import UUID

import msgspec

from domain.facts import Fact
from domain.ledger import Entry, Point
from domain.pathway import Pathway
from domain.pathway_state import pathway_from, state_of


def as_true_on(pathway: Pathway, day: date, zone: tzinfo) -> Pathway | None:
    """None before it was opened. The pathway given is not changed; an erased one has nothing to leave out."""
    if pathway.erased:
        return pathway
    kept: dict[UUID, Entry] = {}
    for entry in pathway.ledger.entries.values():
        if _was_so(entry, kept, day, zone):
            kept[entry.id] = entry
    if pathway.id not in kept:
        return None
    coded, identity = state_of(pathway)
    coded.entries = [
        msgspec.structs.replace(each, affects=tuple(other for other in each.affects if other in kept))
        for each in coded.entries
        if each.id in kept
    ]
    return pathway_from(coded, identity)


def holds_on(fact: Fact, day: date, zone: tzinfo) -> bool:
    """It lasted on that day, or took place then. Both ends are included."""
    return _day(fact.start, zone) <= day and (fact.end is None or _day(fact.end, zone) >= day)


def _was_so(entry: Entry, kept: dict[UUID, Entry], day: date, zone: tzinfo) -> bool:
    """Nothing is so before what it is part of or exists because of; what has its parent's dates came with it."""
    if any(other is not None and other not in kept for other in (entry.part_of, entry.because_of)):
        return False
    return "start" in entry.inherits or _day(entry.start, zone) <= day


def _day(point: Point, zone: tzinfo) -> date:
    return point.astimezone(zone).date() if isinstance(point, datetime) else point
