"""What a projection is: a name, a version, tables, and a fold of events into rows. The follower does all the rest."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from application.event_log import Stored
from domain.alert import Alert
from domain.facts import Fact
from domain.pathway import Pathway
from domain.person_erasure import PersonErased

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


class Build(msgspec.Struct, frozen=True):
    """One set of a projection's tables: `pathway_timeline_v1_b2` for the second build of version 1."""

    name: str
    version: int
    number: int
    tables: tuple[str, ...]
    walled: frozenset[str] = frozenset()
    """Tables in use behind a wall: PostgreSQL copies nothing into those."""

    def table(self, name: str) -> str:
        return f"{name}_v{self.version}_b{self.number}"

    def sql(self, template: str) -> str:
        """Put the build's own tables where a statement names them in braces: `FROM {pathway_timeline}`."""
        return _filled(template, self)

    async def copy(self, db: Connection, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows that are known to be new: where it can be, several times cheaper than any INSERT of many."""
        if name in self.walled:
            await insert(db, self.table(name), columns, rows)
        else:
            await db.copy_records_to_table(self.table(name), records=rows, columns=columns)


TYPES = """
SELECT array_agg(format_type(a.atttypid, NULL) ORDER BY c.place)
FROM unnest($2::text[]) WITH ORDINALITY AS c (name, place)
JOIN pg_attribute a ON a.attrelid = $1::regclass AND a.attname = c.name"""
_inserts: dict[tuple[str, tuple[str, ...]], str] = {}


async def insert(db: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """In one statement; no column may be an array."""
    place = (table, tuple(columns))
    if place not in _inserts:
        types = await db.fetchval(TYPES, *place)
        arrays = ", ".join(f"${number}::{each}[]" for number, each in enumerate(types, start=1))
        _inserts[place] = f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"
    by_column = list(zip(*rows, strict=True))
    if by_column:
        await db.execute(_inserts[place], *by_column)


@lru_cache(maxsize=1024)
def _filled(template: str, build: Build) -> str:
    return template.format_map({name: build.table(name) for name in build.tables})


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a pathway stood once everything up to `position` was known."""

    pathway: UUID
    subject: UUID | None
    position: int
    facts: Sequence[Fact]
    participants: frozenset[str]
    referent: str | None
    erased: bool = False
    restricted: bool = False
    closed: bool = False
    suspended: bool = False


def standing_of(pathway: Pathway, position: int) -> Standing:
    """How a pathway stands now that everything up to `position` is known."""
    return Standing(
        pathway=pathway.id,
        subject=pathway.subject,
        position=position,
        facts=() if pathway.erased else pathway.facts(),
        participants=frozenset(pathway.participants),
        referent=pathway.referent,
        erased=pathway.erased,
        restricted=pathway.is_restricted,
        closed=pathway.is_closed,
        suspended=pathway.is_suspended,
    )


class Step(msgspec.Struct, frozen=True):
    """One event of a pathway, and how the pathway stood after it."""

    stored: Stored
    standing: Standing


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Events to fold together: a stretch of the log, or, when a projection is rebuilt, whole streams one after another.

    Events of one stream are always in order and without a hole; a projection relies on no other order.
    """

    territory: str
    events: Sequence[Stored]
    pathways: Mapping[UUID, Pathway]
    """The pathways that these events touch, as they stand after them. Not to be changed, not to be kept."""
    alerts: Mapping[UUID, Alert] = {}
    """Likewise the alerts."""
    steps: Mapping[UUID, Sequence[Step]]
    """By pathway, each of its events in order, with how it then stood. Empty while replaying: only the end counts."""
    before: Mapping[UUID, Standing]
    """How these pathways stood before their first event here; a new one is not there. Empty while replaying."""
    replay: bool
    """True: being rebuilt. Nobody must be told anything."""
    erased: Mapping[UUID, frozenset[UUID]] = {}
    """Pathways of whom these events say that the person was erased: nothing of them stays, nor of these alerts."""
    until: datetime | None = None
    """Whole streams while replaying: nothing of them is recorded between their last event and this instant."""

    @property
    def living(self) -> Mapping[UUID, Pathway]:
        """The pathways touched, without the erased ones."""
        if not self.erased:
            return self.pathways
        return {pathway_id: pathway for pathway_id, pathway in self.pathways.items() if pathway_id not in self.erased}

    @property
    def forgotten_alerts(self) -> frozenset[UUID]:
        """The alerts about the erased pathways."""
        return frozenset[UUID]().union(*self.erased.values())


def erased_by(events: Iterable[Stored]) -> dict[UUID, frozenset[UUID]]:
    """The pathways that these events say are erased, with the alerts that were about them."""
    found: dict[UUID, frozenset[UUID]] = {}
    for stored in events:
        if isinstance(stored.event, PersonErased):
            pathway = stored.event.originator_id
            found[pathway] = found.get(pathway, frozenset()) | frozenset(stored.event.alerts)
    return found


class Projection(Protocol):
    """Read models folded from the log. What one remembers between two pages, it must check against what is stored."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raise it when the tables or their meaning change: the next build starts from the first event."""

    @property
    def tables(self) -> Mapping[str, str]:
        """CREATE statements by table name, with `{name}` where a table is named. Each gets a view of its plain name."""

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        """Write what these events change, in the transaction that also moves the checkpoint."""


@runtime_checkable
class Timed(Protocol):
    """A projection that also changes because time passes."""

    async def due(
        self, db: Connection, build: Build, territory: str, now: datetime, limit: int, without: Collection[UUID]
    ) -> Sequence[UUID]:
        """Pathways with a deadline at or before `now`, earliest first, some left out."""

    async def elapse(self, db: Connection, build: Build, page: "Elapsed") -> None:
        """Process the deadlines of these pathways up to `page.now`, each at its own time, earliest first."""

    async def next_due(self, db: Connection, build: Build, territory: str) -> datetime | None:
        """The earliest deadline not yet processed."""


def only_records(projection: Projection) -> bool:
    """Its deadlines lead to events and nothing else: its rows change by those, not by time."""
    return bool(getattr(projection, "only_records", False))


@runtime_checkable
class Reconcilable(Protocol):
    """A projection that others were told of: once rebuilt under other rules, what they were told is put right."""

    async def unreconciled(
        self, db: Connection, build: Build, territory: str, after: UUID, limit: int
    ) -> Sequence[UUID]:
        """Pathways, by id, of which something else was told than now holds."""

    async def reconcile(self, db: Connection, build: Build, page: "Elapsed") -> None:
        """Put it right for these pathways. What is already right changes nothing."""


class Elapsed(msgspec.Struct, frozen=True, kw_only=True):
    """Pathways whose time has come, as they stand."""

    territory: str
    now: datetime
    standings: Mapping[UUID, Standing]
    replay: bool
