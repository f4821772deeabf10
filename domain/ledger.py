"""The ledger of one pathway: all that was recorded, each entry with a stable id, corrected or retracted in place.

Entries are what the aggregate decides on and, read out as facts, what the rules see: one fold for both.
What an entry changes in others is overlaid when they are read, so taking it back restores them.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

import msgspec

from domain.facts import Fact, FactState, Precision

Point = date | datetime
ExclusiveKey = tuple[str, ...]


class Entry(msgspec.Struct, kw_only=True, eq=False):
    """One recorded thing, or one step in the life of others.

    A live entry changes those it `affects`: `moves` puts its own start at their start or end, `sets` replaces
    their state or attributes. It lives as long as what it is `part_of` and what it exists `because_of`.
    """

    id: UUID
    type: str | None  # Fact type; None when the entry is no fact of its own.
    agency: str  # Whose fact it is: the acting agency, or the one designated.
    recorded_by: str
    actor: str | None
    version: int
    recorded_at: datetime
    position: int
    start: Point
    end: Point | None
    state: FactState = FactState.DONE
    attrs: dict[str, Any]
    part_of: UUID | None = None
    because_of: UUID | None = None
    affects: tuple[UUID, ...] = ()
    moves: Literal["start", "end"] | None = None
    sets: dict[str, Any] = {}
    inherits: tuple[str, ...] = ()
    """Attributes read from what it is part of, as that stands; "start" stands for both dates."""
    exclusive: ExclusiveKey | None = None
    """No two live entries with the same key may last at the same time."""
    admits: str | None = None
    """The agency that takes part in the pathway because of this entry."""
    dismisses: bool = False
    """A step that takes back the admission given by what it affects."""
    retracted: bool = False
    first_version: int = 0
    first_position: int = 0
    """Where it was first recorded, whatever corrected it since."""
    steps: list["Entry"] = []
    """Entries that change this one, oldest first."""
    dependents: list["Entry"] = []
    """Entries that fall with this one."""

    def touch(self, version: int, recorded_at: datetime, position: int) -> None:
        """A correction or a step taken back makes a new version of the same fact."""
        self.version, self.recorded_at, self.position = version, recorded_at, position


class Current(msgspec.Struct, kw_only=True, eq=False):
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
    def id(self) -> UUID:
        return self.entry.id

    @property
    def precision(self) -> Precision:
        return Precision.MINUTE if isinstance(self.start, datetime) else Precision.DAY


class Ledger:
    """Entries by id, in the order in which they were recorded."""

    def __init__(self) -> None:
        self.entries: dict[UUID, Entry] = {}
        self._by_type: dict[str, list[Entry]] = {}
        self._exclusive: dict[ExclusiveKey, list[Entry]] = {}
        self._admitting: list[Entry] = []
        self._unstamped: dict[int, list[Entry]] = {}
        self._facts: dict[UUID, Fact | None] = {}
        """Those not changed since they were last asked for; None: it is no fact, or fell."""
        self._facts_are_of = ""

    def __contains__(self, entry_id: UUID) -> bool:
        return entry_id in self.entries

    def add(self, entry: Entry) -> None:
        entry.first_version = entry.version
        entry.first_position = entry.first_position or entry.position
        self.entries[entry.id] = entry
        if entry.type is not None:
            self._by_type.setdefault(entry.type, []).append(entry)
        if entry.exclusive is not None:
            self._exclusive.setdefault(entry.exclusive, []).append(entry)
        if entry.admits is not None:
            self._admitting.append(entry)
        self._link(entry)
        self._await_stamp(entry)

    def _link(self, entry: Entry) -> None:
        if entry.part_of is not None:
            self.entries[entry.part_of].dependents.append(entry)
            if not entry.affects and (entry.moves or entry.sets):
                entry.affects = (entry.part_of,)
        if entry.because_of is not None:
            self.entries[entry.because_of].dependents.append(entry)
        for affected in entry.affects:
            self.entries[affected].steps.append(entry)
            self._forget_fact(self.entries[affected])

    def _forget_fact(self, entry: Entry) -> None:
        """With those that inherit from it."""
        self._facts.pop(entry.id, None)
        for heir in entry.dependents:
            if heir.inherits:
                self._forget_fact(heir)

    def correct(self, entry: Entry, version: int, recorded_at: datetime, position: int, **changes: Any) -> None:
        """Replace `start`, `end` or attributes of what was recorded; the log keeps what was said before."""
        self._facts.clear()
        entry.start = changes.pop("start", entry.start)
        entry.end = changes.pop("end", entry.end)
        entry.attrs = {**entry.attrs, **changes}
        heirs = [heir for heir in entry.dependents if heir.inherits]
        for touched in (entry, *heirs):
            touched.touch(version, recorded_at, position)
            self._await_stamp(touched)

    def retract(self, entry: Entry, version: int, recorded_at: datetime, position: int) -> None:
        """Take an entry back, with all that falls with it; what these had changed gets a new version."""
        self._facts.clear()
        entry.retracted = True
        for affected in self._reach(entry):
            affected.touch(version, recorded_at, position)
            self._await_stamp(affected)

    def _reach(self, entry: Entry) -> Iterator[Entry]:
        for affected in entry.affects:
            yield self.entries[affected]
        for dependent in entry.dependents:
            yield from self._reach(dependent)

    def _await_stamp(self, entry: Entry) -> None:
        if not entry.position:
            self._unstamped.setdefault(entry.version, []).append(entry)

    def stamp(self, version: int, position: int, recorded_at: datetime) -> None:
        """Once stored, an event's entries take the place and the time that the log gave it."""
        self._facts.clear()
        for entry in self._unstamped.pop(version, ()):
            entry.first_position = entry.first_position or position
            if entry.version == version:
                entry.position, entry.recorded_at = position, recorded_at

    def is_live(self, entry: Entry) -> bool:
        """Neither retracted itself nor fallen with what it is part of or because of."""
        return not (
            entry.retracted
            or (entry.part_of is not None and not self.is_live(self.entries[entry.part_of]))
            or (entry.because_of is not None and not self.is_live(self.entries[entry.because_of]))
        )

    def live_steps(self, entry: Entry) -> list[Entry]:
        """What changed the entry and still stands, oldest first."""
        return [step for step in entry.steps if self.is_live(step)]

    def current(self, entry_id: UUID) -> Current | None:
        """The entry as it stands, or None when it is unknown or retracted."""
        entry = self.entries.get(entry_id)
        return self._overlay(entry) if entry is not None and self.is_live(entry) else None

    def of_type(self, *types: str) -> Iterator[Current]:
        """Live entries of these fact types; of one type, oldest recorded first."""
        for fact_type in types:
            for entry in self._by_type.get(fact_type, ()):
                if self.is_live(entry):
                    yield self._overlay(entry)

    def exclusive(self, key: ExclusiveKey) -> list[Current]:
        """Live entries that share this key, earliest start first."""
        live = [self._overlay(entry) for entry in self._exclusive.get(key, ()) if self.is_live(entry)]
        return sorted(live, key=lambda current: point_order(current.start))

    def admitted(self) -> frozenset[str]:
        """Agencies that live entries admit, unless a live step dismissed them."""
        admitted: set[str] = set()
        for entry in self._admitting:
            if entry.admits is None or entry.admits in admitted or not self.is_live(entry):
                continue
            if not any(step.dismisses for step in self.live_steps(entry)):
                admitted.add(entry.admits)
        return frozenset(admitted)

    def is_built_upon(self, entry: Entry) -> bool:
        """Whether a live entry of its own later changed the same things, or this one."""
        later = any(
            step.first_version > entry.first_version and step.because_of != entry.id
            for affected in entry.affects
            for step in self.live_steps(self.entries[affected])
        )
        return later or any(step.part_of != entry.id for step in self.live_steps(entry))

    def would_stand(self, entry: Entry, **changes: Any) -> bool:
        """Whether the ledger would be consistent if the entry had these `start`, `end` or `retracted`."""
        before = {name: getattr(entry, name) for name in changes}
        for name, value in changes.items():
            setattr(entry, name, value)
        try:
            return self.is_consistent()
        finally:
            for name, value in before.items():
                setattr(entry, name, value)

    def is_consistent(self) -> bool:
        """Intervals end after they start, steps follow one another, and exclusive entries never overlap."""
        return all(self.is_in_order(entry) for entry in self.entries.values() if self.is_live(entry)) and not any(
            self.has_overlap(key) for key in self._exclusive
        )

    def is_in_order(self, entry: Entry) -> bool:
        """The entry ends after it starts and its steps follow one another; what is done precedes its steps."""
        now = self._overlay(entry)
        if now.end is not None and point_order(now.end) < point_order(now.start):
            return False
        points = [point_order(step.start) for step in self.live_steps(entry)]
        if entry.state is FactState.DONE:
            points.insert(0, point_order(self._as_recorded(entry).start))
        return points == sorted(points)

    def may_follow(self, entry: Entry, start: Point) -> bool:
        """Whether a new step of the entry may have this date."""
        steps = self.live_steps(entry)
        last = steps[-1].start if steps else None
        if last is None and entry.state is FactState.DONE:
            last = self._as_recorded(entry).start
        return last is None or point_order(last) <= point_order(start)

    def has_overlap(self, key: ExclusiveKey) -> bool:
        lasting = self.exclusive(key)
        return any(
            one.end is None or point_order(one.end) > point_order(other.start) for one, other in pairwise(lasting)
        )

    def facts(self, pathway: UUID, territory: str) -> list[Fact]:
        """What the rules see, in the order in which entries were first recorded.

        A fact that did not change is the same object again.
        """
        if self._facts_are_of != territory:
            self._facts.clear()
            self._facts_are_of = territory
        subject, known = str(pathway), self._facts
        for entry in self.entries.values():
            if entry.id not in known:
                known[entry.id] = self._fact(entry, subject, territory)
        return [fact for entry_id in self.entries if (fact := known[entry_id]) is not None]

    def _fact(self, entry: Entry, pathway: str, territory: str) -> Fact | None:
        if entry.type is None or not self.is_live(entry):
            return None
        now = self._overlay(entry)
        return Fact(
            pathway=pathway,
            fact_id=str(entry.id),
            type=entry.type or "",
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

    def earliest_day(self) -> date:
        """The first day of all that is recorded; the opening is always there."""
        first = min(point_order(self._overlay(e).start) for e in self.entries.values() if self.is_live(e))
        return first.date()

    def _overlay(self, entry: Entry) -> Current:
        now = self._as_recorded(entry)
        for step in entry.steps:
            if self.is_live(step):
                _apply_step(now, step)
        return now

    def _as_recorded(self, entry: Entry) -> Current:
        """Before any step."""
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
        if entry.inherits and entry.part_of is not None:
            _inherit(now, self._overlay(self.entries[entry.part_of]))
        return now


def _inherit(now: Current, parent: Current) -> None:
    names = now.entry.inherits
    if "start" in names:
        now.start, now.end = parent.start, parent.end
    now.attrs = {**now.attrs, **{name: parent.attrs[name] for name in names if name in parent.attrs}}


def _apply_step(now: Current, step: Entry) -> None:
    if step.moves == "start":
        was_point = now.end == now.start
        now.start = step.start
        if was_point or (now.end is not None and point_order(now.end) < point_order(now.start)):
            now.end = now.start if was_point else None
    elif step.moves == "end":
        now.end = step.start
    if step.sets:
        now.attrs = {**now.attrs, **{name: value for name, value in step.sets.items() if name != "state"}}
        now.state = FactState(step.sets.get("state", now.state))
    if step.version > now.version:
        now.version, now.recorded_at, now.position = step.version, step.recorded_at, step.position


def point_order(point: Point) -> datetime:
    """A common order for days and instants; a day stands at its first instant."""
    if isinstance(point, datetime):
        return point
    return datetime(point.year, point.month, point.day, tzinfo=UTC)
