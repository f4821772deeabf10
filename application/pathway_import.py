"""Brings pathways, as another system tells them, into the log: many at a time, one commit each.

Every entry carries an id made from where it came from, so a second run finds it and adds nothing.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from itertools import islice
from uuid import UUID

from application.event_log import AppendInDoubt, Commit, EventLog, LogBusy, StaleVersion, Stored
from application.importing import IMPORTER, Progress, Report
from application.key_vault import KeyDestroyed
from application.pathway_decision import Decided, decide
from application.pathway_telling import Telling
from domain.clock import Clock
from domain.command import Act

LOADED_AT_ONCE = 200
IN_FLIGHT_MAX = 64
ATTEMPTS = 5


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

    async def run(self, tellings: Iterable[Telling], total: int | None = None) -> None:
        """`total` is how many there are, for who watches."""
        remaining = iter(tellings)
        while batch := list(islice(remaining, LOADED_AT_ONCE)):
            histories = await self._log.read_streams(self._territory, [telling.pathway_id for telling in batch])
            await self._take_all(batch, histories, total)

    async def _take_all(
        self, batch: Sequence[Telling], histories: Mapping[UUID, Sequence[Stored]], total: int | None
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for telling in batch:
                    await self._room.acquire()
                    tasks.create_task(self._take(telling, histories.get(telling.pathway_id, []), total))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # One is enough to tell: the next run goes on from here.

    async def _take(self, telling: Telling, history: Sequence[Stored], total: int | None) -> None:
        existed, doubted = bool(history), None
        try:
            for attempt in range(1, ATTEMPTS + 1):
                decided = decide(telling, history, self._territory, self._act)
                try:
                    await self._append(telling, decided)
                except (StaleVersion, AppendInDoubt, LogBusy) as error:
                    if attempt == ATTEMPTS:
                        raise
                    doubted = decided if isinstance(error, AppendInDoubt) else None
                    await asyncio.sleep(2**attempt / 20)
                    history = await self._log.read_stream(self._territory, telling.pathway_id)
                else:
                    stored = doubted if doubted is not None and not decided.events else decided
                    self._count(stored, existed=existed, total=total)
                    return
        finally:
            self._room.release()

    async def _append(self, telling: Telling, decided: Decided) -> None:
        if not decided.events or self._report.dry_run:
            return
        commit = Commit(
            stream_id=telling.pathway_id,
            expected_version=decided.events[0].originator_version - 1,
            events=decided.events,
            subject=telling.subject,
        )
        try:
            await self._log.append(self._territory, commit)
        except KeyDestroyed:  # Erased here: the source must not bring the person back.
            decided.events, decided.facts = [], 0

    def _count(self, decided: Decided, *, existed: bool, total: int | None) -> None:
        report, events = self._report, len(decided.events)
        report.refusals += decided.refusals
        report.facts += decided.facts
        report.entries_kept += decided.kept
        report.events += events
        report.pathways += events > 0 and not existed
        report.pathways_changed += events > 0 and existed
        report.pathways_unchanged += existed and not events
        self._done += 1
        self._progress(self._done, report.events, total)

    def _act(self, agency: str) -> Act:
        at = self._clock.now()
        return Act(agency=agency, agent=IMPORTER, at=at, today=at.astimezone(self._zone).date())
