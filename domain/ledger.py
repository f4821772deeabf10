"""The ledger of one pathway: everything recorded for the person, each entry with a stable id, corrected or retracted in place.

Entries are what the aggregate decides on and, read out as facts, what the rules see: one fold for both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from domain.facts import Fact, FactState, Precision

Point = date | datetime


@dataclass(slots=True, kw_only=True)
class Entry:
    """One recorded thing, or one step in the life of another (`part_of`).

    A live step changes its parent: `moves` puts the step's own start at the parent's start or end,
    `sets` replaces the parent's state or attributes. Retracting the step undoes both.
    """

    id: UUID
    type: str | None  # Fact type; None when the entry is a step that is no fact of its own.
    agency: str
    actor: str | None
    version: int
    recorded_at: datetime
    position: int
    start: Point
    end: Point | None
    state: FactState
    attrs: dict[str, Any]
    part_of: UUID | None = None
    moves: Literal["start", "end"] | None = None
    sets: dict[str, Any] = field(default_factory=dict)
    retracted: bool = False
    steps: list[UUID] = field(default_factory=list)

    def touch(self, version: int, recorded_at: datetime, position: int) -> None:
        """A correction or a step taken back makes a new version of the same fact."""
        self.version, self.recorded_at, self.position = version, recorded_at, position


@dataclass(slots=True, kw_only=True)
class Current:
    """An entry as it stands after its live steps."""

    entry: Entry
    start: Point
    end: Point | None
    state: FactState
    attrs: dict[str, Any]
    version: int
    recorded_at: datetime
    position: int

    @property
    def precision(self) -> Precision:
        return Precision.MINUTE if isinstance(self.start, datetime) else Precision.DAY


class Ledger:
    """Entries by id, in the order in which they were recorded."""

    def __init__(self) -> None:
        self.entries: dict[UUID, Entry] = {}
        self._unstamped: list[Entry] = []

    def __contains__(self, entry_id: UUID) -> bool:
        return entry_id in self.entries

    def add(self, entry: Entry) -> None:
        self.entries[entry.id] = entry
        if entry.part_of is not None:
            self.entries[entry.part_of].steps.append(entry.id)
        self._await_stamp(entry)

    def correct(self, entry: Entry, version: int, recorded_at: datetime, position: int, **changes: Any) -> None:
        """Replace `start`, `end` or attributes of what was recorded; the log keeps what was said before."""
        entry.start = changes.pop("start", entry.start)
        entry.end = changes.pop("end", entry.end)
        entry.attrs = {**entry.attrs, **changes}
        entry.touch(version, recorded_at, position)
        self._await_stamp(entry)

    def retract(self, entry: Entry, version: int, recorded_at: datetime, position: int) -> None:
        """Take an entry back, with all that is part of it; what it was a step of gets a new version."""
        entry.retracted = True
        if entry.part_of is not None:
            parent = self.entries[entry.part_of]
            parent.touch(version, recorded_at, position)
            self._await_stamp(parent)

    def _await_stamp(self, entry: Entry) -> None:
        if not entry.position:
            self._unstamped.append(entry)

    def is_live(self, entry: Entry) -> bool:
        """Neither retracted itself nor part of something retracted."""
        while not entry.retracted:
            if entry.part_of is None:
                return True
            entry = self.entries[entry.part_of]
        return False

    def live_steps(self, entry: Entry) -> list[Entry]:
        """Steps that change the entry, oldest first; members that change nothing (needs of a diagnosis) are not steps."""
        steps = (self.entries[step] for step in entry.steps)
        return [step for step in steps if not step.retracted and (step.moves or step.sets)]

    def current(self, entry_id: UUID) -> Current | None:
        """The entry as it stands, or None when it is unknown or retracted."""
        entry = self.entries.get(entry_id)
        return self._overlay(entry) if entry is not None and self.is_live(entry) else None

    def of_type(self, *types: str) -> Iterator[Current]:
        """Live entries of these fact types, oldest recorded first."""
        for entry in self.entries.values():
            if entry.type in types and self.is_live(entry):
                yield self._overlay(entry)

    def facts(self, pathway: UUID, territory: str) -> list[Fact]:
        """What the rules see, in the order in which entries were first recorded."""
        facts = []
        for entry in self.entries.values():
            if entry.type is None or not self.is_live(entry):
                continue
            now = self._overlay(entry)
            facts.append(
                Fact(
                    pathway=str(pathway),
                    fact_id=str(entry.id),
                    type=entry.type,
                    agency=entry.agency,
                    actor=entry.actor,
                    territory=territory,
                    start=now.start,
                    end=now.end,
                    precision=now.precision,
                    state=now.state,
                    attrs=now.attrs,
                    recorded_at=now.recorded_at,
                    position=now.position,
                )
            )
        return facts

    def stamp(self, version: int, position: int, recorded_at: datetime) -> None:
        """Once stored, an event's entries take the place and the time that the log gave it."""
        for entry in [entry for entry in self._unstamped if entry.version == version]:
            entry.position, entry.recorded_at = position, recorded_at
            self._unstamped.remove(entry)

    def _overlay(self, entry: Entry) -> Current:
        now = Current(
            entry=entry,
            start=entry.start,
            end=entry.end,
            state=entry.state,
            attrs=entry.attrs,
            version=entry.version,
            recorded_at=entry.recorded_at,
            position=entry.position,
        )
        for step in self.live_steps(entry):
            _apply_step(now, step)
        return now


def _apply_step(now: Current, step: Entry) -> None:
    if step.moves == "start":
        was_point = now.end == now.start
        now.start = step.start
        if was_point or (now.end is not None and point_order(now.end) < point_order(now.start)):
            now.end = now.start if was_point else None
    elif step.moves == "end":
        now.end = step.start
    attrs = {name: value for name, value in step.sets.items() if name != "state"}
    now.attrs = {**now.attrs, **attrs}
    now.state = FactState(step.sets.get("state", now.state))
    if step.version > now.version:
        now.version, now.recorded_at, now.position = step.version, step.recorded_at, step.position


def point_order(point: Point) -> datetime:
    """A common order for days and instants; a day stands at its first instant."""
    if isinstance(point, datetime):
        return point
    return datetime(point.year, point.month, point.day, tzinfo=UTC)
