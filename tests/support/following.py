"""A small territory to follow: services record on a real log, a follower folds, a clock is moved by hand."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import domain.catalogue  # noqa: F401 - registers every event type
from application.agencies import Agencies
from application.civil_time import PARIS
from application.event_log import Appended, Commit, EventLog
from application.rules_in_force import RulesInForce
from domain.agency import DescribeAgency
from domain.aggregate import Event
from domain.clock import SettableClock
from domain.command import Act, Command
from domain.ids import uuid7
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.rules import Calendars
from infrastructure.blind_keys import VaultBlindKeys
from infrastructure.database import Pool
from infrastructure.event_log import PostgresEventLog
from projections.follower import Follower
from projections.projection import Projection
from projections.registry import projections
from tests.support.four_rules import four_rules
from tests.support.logs import postgres_log

MONDAY = datetime(2026, 1, 5, 8, tzinfo=UTC)
TERRITORY = "FR-34"
CCAS, MISSION, HOUSING = "ccas-montpellier", "mission-locale", "siao-34"
TRAINING_NEED = "se-former--monter-son-dossier-de-formation"


class Territory:
    """What the partner services do, through the real commands of the domain."""

    def __init__(self, log: EventLog, clock: SettableClock, name: str = TERRITORY) -> None:
        self.log = log
        self.clock = clock
        self.name = name

    async def open(
        self, agency: str = CCAS, command: OpenPathway | None = None, pathway_id: UUID | None = None
    ) -> UUID:
        new_id = pathway_id or uuid7()
        pathway = open_pathway(command or OpenPathway(), self.name, self.act_of(agency), new_id, uuid7())
        await self._append(pathway)
        return pathway.id

    async def act(self, pathway_id: UUID, agency: str, *commands: Command) -> UUID | None:
        """Carry out commands in one commit; the id of what the last one recorded."""
        pathway = await self.pathway(pathway_id)
        recorded = None
        for command in commands:
            recorded = command.decide(pathway, self.act_of(agency))
        await self._append(pathway)
        return recorded

    async def join(self, agency: str, *capabilities: str) -> None:
        """An agency registers in the directory."""
        command = DescribeAgency(name=agency.title(), capabilities=capabilities)
        await Agencies(self.log, self.clock).carry_out(self.name, agency, command)

    def pass_days(self, days: float) -> None:
        self.clock.advance(timedelta(days=days))

    async def pathway(self, pathway_id: UUID) -> Pathway:
        pathway: Pathway | None = None
        for stored in await self.log.read_stream(self.name, pathway_id):
            pathway = stored.event.mutate(pathway)
        assert pathway is not None
        return pathway

    def act_of(self, agency: str) -> Act:
        now = self.clock.now()
        return Act(agency=agency, agent="agent-1", at=now, today=now.astimezone(PARIS).date())

    async def _append(self, pathway: Pathway) -> Appended:
        events = [event for event in pathway.collect_events() if isinstance(event, Event)]
        return await self.log.append(
            self.name,
            Commit(
                stream_id=pathway.id,
                expected_version=pathway.version - len(events),
                events=events,
                subject=pathway.subject,
            ),
        )


@asynccontextmanager
async def territory(url: str, pool: Pool, start: datetime = MONDAY, name: str = TERRITORY) -> AsyncIterator[Territory]:
    clock = SettableClock(start)
    async with postgres_log(url, pool, clock) as log:
        yield Territory(log, clock, name)


def follower_of(pool: Pool, place: Territory, projections: Sequence[Projection], **settings: float) -> Follower:
    """Not started: to be stepped by `catch_up`, or started by `async with`."""
    return Follower(pool, place.log, projections, place.clock, **settings)  # type: ignore[arg-type]


def all_projections(place: Territory, **options: Collection[str]) -> tuple[Projection, ...]:
    """Every projection, with four rules."""
    return projections(place.log, RulesInForce(four_rules()), Calendars(), blind_keys=blind_keys(place), **options)


def blind_keys(place: Territory) -> VaultBlindKeys:
    log = cast("PostgresEventLog", place.log)  # Or what a test put around one.
    return VaultBlindKeys(log._pool, log.vault, place.clock)


async def catch_up(pool: Pool, place: Territory) -> None:
    """Fold everything into every projection and process what is due, as a follower started afresh would."""
    await follower_of(pool, place, all_projections(place)).catch_up()
