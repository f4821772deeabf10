"""A territory as it was known at a moment: pathways, alerts and rules folded again from the log, up to there.

No read model is asked, so a wrong one cannot mislead. What agencies were shown follows from these folds alone.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from application.event_log import EventLog, Stored
from application.pathways import fold
from application.rulebooks import Rulebooks
from domain.clock import Clock
from domain.errors import DomainError
from domain.opening import PathwayOpened
from domain.pathway import Pathway
from domain.restriction import PathwayRestricted, RestrictionLifted
from domain.rules import Calendars, CompiledRules, Obligation, evaluate
from domain.rules.instants import MICROSECOND, instant_of, moment_of

PATHWAYS_AT_ONCE = 20
"""Folded together, and then let go: however many there are, memory holds so many."""

RESTRICTIONS = frozenset({PathwayRestricted.TOPIC, RestrictionLifted.TOPIC})


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the log was known, and what time it was: what a reader had before their eyes."""

    position: int
    at: datetime
    true_on: date | None = None
    """Only what was so on that day, in the light of all that was known; None: as it stood, plans included."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All that was known of one pathway."""

    pathway: Pathway
    events: Sequence[Stored]
    """Its own, in order."""
    alerts: Mapping[UUID, Sequence[Stored]]
    """Events of its alerts, by alert; those in the order in which they were first raised."""


class Opened(NamedTuple):
    position: int
    pathway: UUID


class UnknownMoment(DomainError):
    """The log does not reach there: neither a position nor an instant may be in the future."""

    code = "unknown_moment"
    status = 422
    title_fr = "Le journal ne va pas jusque-là : ni position ni instant ne peuvent être dans l'avenir."


class AlertIndex(Protocol):
    """Where to look for alerts: ids alone, from the clear part of the log."""

    async def alerts_of(self, territory: str, pathways: Sequence[UUID], until_position: int) -> dict[UUID, list[UUID]]:
        """The alerts that each pathway had had up to a position, in the order in which they were first raised."""

    async def pathway_of(self, territory: str, alert: UUID) -> UUID | None:
        """The pathway that caused an alert; None when there is no such alert."""


class Replay:
    """Folds histories again. Nothing is kept between two questions."""

    def __init__(
        self, log: EventLog, alerts: AlertIndex, rulebooks: Rulebooks, calendars: Calendars, clock: Clock
    ) -> None:
        self._log = log
        self._alerts = alerts
        self._rulebooks = rulebooks
        self._calendars = calendars
        self._clock = clock

    async def moment(self, territory: str, known_at: int | datetime | None, true_on: date | None = None) -> Moment:
        """Of a position: when it was recorded. Of an instant: all that was recorded by then. None: now.

        Raises UnknownMoment.
        """
        head, now = await self._log.head(territory), self._clock.now()
        match known_at:
            case None:
                position, at = head, now
            case datetime():
                if known_at > now:
                    raise UnknownMoment
                position, at = await self._position_at(territory, known_at, head), known_at
            case _:
                if known_at > head:
                    raise UnknownMoment
                position, at = known_at, await self._recorded_at(territory, known_at) if known_at else now
        if true_on is not None and true_on > self._day(territory, at):
            raise UnknownMoment
        return Moment(position=position, at=at, true_on=true_on)

    def clock_of(self, territory: str, moment: Moment) -> datetime:
        """The time at which rules are judged: that of the moment, or the end of the day that is asked about."""
        if moment.true_on is None:
            return moment.at
        end = moment_of(self._calendars.of(territory).midnights[moment.true_on.toordinal() + 1] - MICROSECOND)
        return moment.at if end is None else min(end, moment.at)

    def zone_of(self, territory: str) -> tzinfo:
        return self._calendars.of(territory).tz

    async def opened(self, territory: str, moment: Moment, *, after: int, limit: int) -> list[Opened]:
        """Pathways opened after a position and known by then, in the order of their openings."""
        headers = await self._log.headers(territory, after=after, limit=limit, topics=[PathwayOpened.TOPIC])
        return [Opened(each.position, each.stream_id) for each in headers if each.position <= moment.position]

    async def histories(self, territory: str, pathways: Sequence[UUID], moment: Moment) -> list[History]:
        """What was known of each, in the order asked. Few at once.

        Left out: those not yet opened, and those restricted now, of whom nothing is shown whatever the moment.
        """
        until = moment.position
        alerts = await self._alerts.alerts_of(territory, pathways, until)
        of_alerts = [alert for each in alerts.values() for alert in each]
        told = await self._log.read_streams(territory, of_alerts, until_position=until)
        streams = await self._log.read_streams(territory, pathways)
        found = []
        for pathway_id in pathways:
            stream = streams.get(pathway_id, [])
            events = [stored for stored in stream if stored.position <= until]
            pathway = None if is_restricted(stream) else fold(None, events)
            if isinstance(pathway, Pathway):
                mine = {alert: told[alert] for alert in alerts.get(pathway_id, ()) if alert in told}
                found.append(History(pathway=pathway, events=events, alerts=mine))
        return found

    async def is_restricted(self, territory: str, pathway_id: UUID) -> bool:
        """Whether nothing may be shown of the person now."""
        return is_restricted(await self._log.read_stream(territory, pathway_id))

    async def everything(self, territory: str, moment: Moment) -> AsyncIterator[History]:
        """Every pathway of a territory, in the order of their openings."""
        after = 0
        while page := await self.opened(territory, moment, after=after, limit=PATHWAYS_AT_ONCE):
            for history in await self.histories(territory, [each.pathway for each in page], moment):
                yield history
            after = page[-1].position

    async def rules(self, territory: str, moment: Moment) -> CompiledRules:
        """Those that judged the territory then."""
        rulebook = await self._rulebooks.read(territory, until_position=moment.position)
        return self._rulebooks.rules.of(rulebook.versions.values())

    def verdicts(self, territory: str, pathway: Pathway, rules: CompiledRules, moment: Moment) -> list[Obligation]:
        """What the rules said of a pathway. On a given day: what they had something to say of by then."""
        clock = self.clock_of(territory, moment)
        obligations = evaluate(pathway.facts(), rules, self._calendars, clock).obligations
        if moment.true_on is None:
            return list(obligations)
        return [each for each in obligations if each.occurred is None or each.occurred <= clock]

    async def pathway_of(self, territory: str, alert: UUID) -> UUID | None:
        return await self._alerts.pathway_of(territory, alert)

    async def _position_at(self, territory: str, instant: datetime, head: int) -> int:
        """Times of recording never go back from one position to the next."""
        known, unknown = 0, head + 1
        while unknown - known > 1:
            middle = (known + unknown) // 2
            if await self._recorded_at(territory, middle) <= instant:
                known = middle
            else:
                unknown = middle
        return known

    async def _recorded_at(self, territory: str, position: int) -> datetime:
        [header] = await self._log.headers(territory, after=position - 1, limit=1)
        return header.recorded_at

    def _day(self, territory: str, at: datetime) -> date:
        return date.fromordinal(self._calendars.of(territory).day_of(instant_of(at)))


def is_restricted(stream: Sequence[Stored]) -> bool:
    """Whether a whole stream ends with its person restricted."""
    measures = (stored.topic for stored in reversed(stream) if stored.topic in RESTRICTIONS)
    return next(measures, None) == PathwayRestricted.TOPIC
