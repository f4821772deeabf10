"""The agencies of a territory, straight from the log: always up to date; for operators, not for each request."""

from application.event_log import EventLog
from domain.agency import Agency, AgencyRegistered

HEADERS_AT_ONCE = 5_000


async def agencies_of(log: EventLog, territory: str) -> list[Agency]:
    """Those that have not left, by short name."""
    streams = []
    after = 0
    while headers := await log.headers(territory, after=after, limit=HEADERS_AT_ONCE, topics=[AgencyRegistered.TOPIC]):
        streams += [header.stream_id for header in headers]
        after = headers[-1].position
    agencies = []
    for history in (await log.read_streams(territory, streams)).values():
        agency: Agency | None = None
        for stored in history:
            agency = stored.event.mutate(agency)
        if agency is not None and not agency.is_closed:
            agencies.append(agency)
    return sorted(agencies, key=lambda agency: agency.slug)
