"""Histories of facts: what was learnt of each pathway, step by step, corrections and retractions included."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from uuid import UUID

import msgspec

from application.event_log import EventLog, Stored
from application.facts_export import PATHWAYS_AT_ONCE
from application.facts_file import read_versions
from domain.correction import EntryCorrected, EntryRetracted
from domain.facts import Fact
from domain.pathway import Pathway
from domain.rules import Calendars
from domain.rules.instants import instant_of


class Cause(StrEnum):
    """What a step did, when the alerts that it ends are to say so."""

    NEWS = "news"
    CORRECTION = "correction"
    RETRACTION = "retraction"


class Change(msgspec.Struct, frozen=True, gc=False):
    """A fact as it is from now on; None once retracted."""

    fact_id: str
    fact: Fact | None


class Step(msgspec.Struct, frozen=True):
    """What became known at once."""

    on: int
    """Logical time, in microseconds: it never goes back from one step to the next."""
    cause: Cause
    changes: tuple[Change, ...]


class History(msgspec.Struct, frozen=True):
    """The steps of one pathway, in the order in which they were recorded."""

    pathway: str
    steps: tuple[Step, ...]

    def known_today(self) -> list[Fact]:
        """The facts as last known, whenever they were recorded."""
        facts: dict[str, Fact] = {}
        for step in self.steps:
            apply(step, facts)
        return list(facts.values())

    def count(self) -> int:
        return sum(len(step.changes) for step in self.steps)


def apply(step: Step, facts: dict[str, Fact]) -> None:
    """Bring what is known up to date."""
    for change in step.changes:
        if change.fact is None:
            facts.pop(change.fact_id, None)
        else:
            facts[change.fact_id] = change.fact


def histories_of_file(lines: Iterable[bytes], calendars: Calendars) -> list[History]:
    """The histories told by lines of facts, by pathway: each version of a fact is a step, at its position.

    Raises FactLineRefused.
    """
    steps: dict[str, dict[int, list[tuple[int, Change]]]] = {}
    for version in read_versions(lines, calendars):
        recorded = 0 if version.recorded_at is None else instant_of(version.recorded_at)
        at = steps.setdefault(version.pathway, {}).setdefault(version.position, [])
        at.append((recorded, Change(version.fact_id, version.fact)))
    return [History(pathway, tuple(_in_order(steps[pathway]))) for pathway in sorted(steps)]


def _in_order(by_position: Mapping[int, Sequence[tuple[int, Change]]]) -> Iterator[Step]:
    """By position. A retraction that does not say when it was recorded came with what was recorded before it."""
    known: dict[str, Fact] = {}
    on = 0
    for position in sorted(by_position):
        changes = tuple(change for _, change in by_position[position])
        on = max(on, *(recorded for recorded, _ in by_position[position]))
        step = Step(on, _cause(changes, known), changes)
        apply(step, known)
        yield step


def _cause(changes: Sequence[Change], known: Mapping[str, Fact]) -> Cause:
    """A file does not say why a fact changed: what moved from one state to another lived on, the rest was corrected."""
    for change in changes:
        before = known.get(change.fact_id)
        if change.fact is None:
            return Cause.RETRACTION
        if before is not None and before.state is change.fact.state:
            return Cause.CORRECTION
    return Cause.NEWS


async def histories_of_log(log: EventLog, territory: str, ids: Sequence[UUID], until: int) -> AsyncIterator[History]:
    """These pathways of a territory, folded event by event up to a position."""
    for first in range(0, len(ids), PATHWAYS_AT_ONCE):
        some = ids[first : first + PATHWAYS_AT_ONCE]
        streams = await log.read_streams(territory, some, until_position=until)
        for pathway_id in some:
            yield History(str(pathway_id), tuple(_steps_of(streams.get(pathway_id, ()))))


def _steps_of(stream: Sequence[Stored]) -> Iterator[Step]:
    pathway: Pathway | None = None
    known: dict[str, Fact] = {}
    on = 0
    for stored in stream:
        pathway = stored.event.mutate(pathway)
        if pathway is None:
            continue
        on = max(on, instant_of(stored.event.timestamp))
        facts = {} if pathway.erased else {fact.fact_id: fact for fact in pathway.facts()}
        changes = tuple(_changes(known, facts))
        if changes:
            yield Step(on, _cause_of(stored), changes)
        known = facts


def _changes(before: Mapping[str, Fact], after: Mapping[str, Fact]) -> Iterator[Change]:
    for fact_id in before:
        if fact_id not in after:
            yield Change(fact_id, None)
    for fact_id, fact in after.items():
        if before.get(fact_id) != fact:
            yield Change(fact_id, fact)


def _cause_of(stored: Stored) -> Cause:
    match stored.topic:
        case EntryRetracted.TOPIC:
            return Cause.RETRACTION
        case EntryCorrected.TOPIC:
            return Cause.CORRECTION
        case _:
            return Cause.NEWS
