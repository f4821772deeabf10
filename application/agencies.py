"""Use cases on agencies: describe, add a service, close. Sent again, they add nothing to the log."""

from datetime import tzinfo

from application.civil_time import PARIS
from application.event_log import Commit, EventLog, StaleVersion
from domain.agency import Agency, AgencyCommand, DescribeAgency, UnknownAgency, agency_id_of
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act

ATTEMPTS = 4


class Agencies:
    """The agencies of every territory, straight from the log. Lists of them are a read model: `agency_directory`."""

    def __init__(self, log: EventLog, clock: Clock, zone: tzinfo = PARIS) -> None:
        self._log = log
        self._clock = clock
        self._zone = zone

    async def carry_out(
        self, territory: str, slug: str, command: AgencyCommand, *, by: str | None = None, agent: str | None = None
    ) -> int:
        """Returns the position of the last event, 0 when nothing changed. `by` is who says so, by default the agency.

        Describing an unknown agency registers it; any other command on one raises UnknownAgency.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._decide(territory, slug, command, self._act(by or slug, agent))
            except StaleVersion:
                continue
        return await self._decide(territory, slug, command, self._act(by or slug, agent))

    async def read(self, territory: str, slug: str) -> Agency:
        """Raises UnknownAgency."""
        agency = await self._load(territory, slug)
        if agency is None:
            raise UnknownAgency
        return agency

    async def _decide(self, territory: str, slug: str, command: AgencyCommand, act: Act) -> int:
        agency = await self._load(territory, slug)
        if agency is not None:
            command.decide(agency, act)
        elif isinstance(command, DescribeAgency):
            agency = command.register(territory, slug, act)
        else:
            raise UnknownAgency
        return await self._append(territory, agency)

    async def _append(self, territory: str, agency: Agency) -> int:
        events = [event for event in agency.collect_events() if isinstance(event, Event)]
        if not events:
            return 0
        commit = Commit(stream_id=agency.id, expected_version=agency.version - len(events), events=events)
        return (await self._log.append(territory, commit)).last_position

    async def _load(self, territory: str, slug: str) -> Agency | None:
        agency: Agency | None = None
        for stored in await self._log.read_stream(territory, agency_id_of(territory, slug)):
            agency = stored.event.mutate(agency)
        return agency

    def _act(self, by: str, agent: str | None) -> Act:
        at = self._clock.now()
        return Act(agency=by, agent=agent, at=at, today=at.astimezone(self._zone).date())
