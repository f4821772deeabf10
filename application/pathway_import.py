"""Brings pathways, as another system tells them, into the log: what is not recorded yet is appended, no more.

Every entry carries an id made from where it came from, so a second run finds it and adds nothing. A line that says
something else than last time becomes a correction, unless people have changed the entry here since: they know better.
"""

import asyncio
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from hashlib import sha256
from itertools import islice
from typing import cast
from uuid import UUID

import msgspec

from application.event_log import AppendInDoubt, Commit, EventLog, LogBusy, StaleVersion
from application.importing import Progress, Reason, Refusal, Report
from application.key_vault import KeyVault
from application.pathways import fold
from domain.aggregate import Event
from domain.clock import Clock
from domain.closure import ReopenPathway
from domain.command import Act, Command
from domain.compartments import Compartment
from domain.errors import DomainError
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway

AGENT = "import"
"""The actor of all that an import records."""
LOADED_AT_ONCE = 200
IN_FLIGHT_MAX = 64
ATTEMPTS = 5
NAMES = UUID("6d706f72-7400-8000-8000-000000000001")
"""What the territory's import secret is filed under in the key vault."""


class Ids:
    """Ids made from where a thing came from: the same each time, and telling nothing to who lacks the secret."""

    def __init__(self, secret: bytes, source: str) -> None:
        self._key = hmac.digest(secret, source.encode(), sha256)

    def of(self, *place: str) -> UUID:
        """A UUIDv8: 48 fixed bits, so that what is imported is stored together, then 74 bits of HMAC-SHA256."""
        said = msgspec.json.encode(place)
        bits = int.from_bytes(hmac.digest(self._key, said, sha256)[:10], "big") >> 6
        return UUID(int=(0x8 << 76) | ((bits >> 62) << 64) | (0b10 << 62) | (bits & ((1 << 62) - 1)))


async def import_secret(vault: KeyVault, territory: str, *, dry_run: bool) -> bytes:
    """The territory's own, kept wrapped in the key vault. A dry run does not make one: nothing can be recorded yet."""
    if dry_run:
        known = (await vault.keyrings(territory, [NAMES])).get(NAMES, {})
        return known[Compartment.CASE].secret if known else bytes(32)
    return (await vault.ensure(territory, NAMES, [Compartment.CASE]))[Compartment.CASE].secret


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one line says, as a command that carries the id of its entry."""

    id: UUID
    command: Command
    agency: str
    file: str
    line: int
    columns: Mapping[str, str] = {}
    """Column of each field of the command (JSON pointer) that may be refused."""

    def refused(self, error: DomainError) -> Refusal:
        return Refusal(self.file, self.line, self.columns.get(error.field or ""), Reason.of(error))


class Opening(Step, frozen=True, kw_only=True):
    """The step that opens a pathway."""

    command: OpenPathway


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One person's pathway as the source tells it. Steps stand in the order in which they happened."""

    pathway_id: UUID
    subject: UUID
    opening: Opening
    steps: tuple[Step, ...]
    closing: Step | None = None
    """Closes the pathway once all that is told has been recorded; its id is not used."""


class Decided(msgspec.Struct, kw_only=True):
    """What one telling comes to."""

    events: list[Event] = []
    refusals: list[Refusal] = []
    facts: int = 0


class PathwayImport:
    """One run over one territory. `report` is filled as it goes."""

    def __init__(
        self, log: EventLog, clock: Clock, territory: str, zone: tzinfo, report: Report, progress: Progress
    ) -> None:
        self._log = log
        self._clock = clock
        self._territory = territory
        self._zone = zone
        self._report = report
        self._progress = progress
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._done = 0
        self._total: int | None = None

    async def run(self, tellings: Iterable[Telling], total: int | None = None) -> None:
        """`total` is how many there are, for who watches."""
        self._total = total
        remaining = iter(tellings)
        while batch := list(islice(remaining, LOADED_AT_ONCE)):
            histories = await self._log.read_streams(self._territory, [telling.pathway_id for telling in batch])
            async with asyncio.TaskGroup() as tasks:
                for telling in batch:
                    await self._room.acquire()
                    pathway = fold(None, histories.get(telling.pathway_id, []))
                    tasks.create_task(self._take(telling, pathway))

    async def _take(self, telling: Telling, pathway: Pathway | None) -> None:
        try:
            for attempt in range(ATTEMPTS):
                decided = self._decide(telling, pathway)
                try:
                    await self._append(telling, decided.events)
                except (StaleVersion, AppendInDoubt, LogBusy):
                    if attempt == ATTEMPTS - 1:
                        raise
                    await asyncio.sleep(2**attempt / 10)
                    pathway = fold(None, await self._log.read_stream(self._territory, telling.pathway_id))
                else:
                    self._count(decided, existed=pathway is not None)
                    break
        finally:
            self._room.release()

    async def _append(self, telling: Telling, events: Sequence[Event]) -> None:
        if events and not self._report.dry_run:
            await self._log.append(
                self._territory,
                Commit(
                    stream_id=telling.pathway_id,
                    expected_version=events[0].originator_version - 1,
                    events=events,
                    subject=telling.subject,
                ),
            )

    def _count(self, decided: Decided, *, existed: bool) -> None:
        report, events = self._report, len(decided.events)
        report.refusals += decided.refusals
        report.facts += decided.facts
        report.events += events
        report.pathways += events > 0 and not existed
        report.pathways_changed += events > 0 and existed
        report.pathways_unchanged += existed and not events
        self._done += 1
        self._progress(self._done, report.events, self._total)

    def _decide(self, telling: Telling, pathway: Pathway | None) -> Decided:
        """All that could be told of the pathway, and nothing when it could not even be opened."""
        try:
            pathway = pathway or self._open(telling)
        except DomainError as error:
            return Decided(refusals=[telling.opening.refused(error)])
        decided = Decided(facts=len(pathway.facts()))
        news = [step for step in telling.steps if step.id not in pathway.ledger]
        reopened = bool(news) and self._reopen(pathway, telling.opening.agency)
        recorded = [step for step in news if self._record(step, pathway, decided)]
        if reopened and not recorded:
            return decided  # Nothing new after all: it stays closed.
        if telling.closing is not None and not pathway.is_closed and pathway.pending_events:
            self._record(telling.closing, pathway, decided)
        decided.events = cast("list[Event]", pathway.collect_events())
        decided.facts = len(pathway.facts())
        return decided

    def _record(self, step: Step, pathway: Pathway, decided: Decided) -> bool:
        try:
            step.command.decide(pathway, self._act(step.agency))
        except DomainError as error:
            decided.refusals.append(step.refused(error))
            return False
        return True

    def _reopen(self, pathway: Pathway, agency: str) -> bool:
        """A closed pathway, on the very day of its closure: the source had more to say, so it was not over."""
        closure = pathway.closure
        if closure is None:
            return False
        ReopenPathway(on=closure.start).decide(pathway, self._act(agency))
        return True

    def _open(self, telling: Telling) -> Pathway:
        opening, act = telling.opening, self._act(telling.opening.agency)
        return open_pathway(opening.command, self._territory, act, telling.pathway_id, telling.subject)

    def _act(self, agency: str) -> Act:
        at: datetime = self._clock.now()
        return Act(agency=agency, agent=AGENT, at=at, today=at.astimezone(self._zone).date())
