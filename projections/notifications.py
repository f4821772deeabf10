"""Tells the agencies: one outbox row per event and recipient, in the transaction that moves the checkpoint.

A step with effects: it has no tables of its own and is never rebuilt.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from application.alert_histories import alerts_at
from application.event_log import EventLog, Stored
from application.message_types import MESSAGE_TYPES, MessageTypes
from application.messages import Audience
from domain.access_log import BudgetSpent
from domain.break_glass import GlassBroken
from domain.rules import Calendars
from projections.alert_news import moment_of, news_of
from projections.news import News, rows_of
from projections.officers import agencies_of_officers
from projections.outbox_rows import put
from projections.projection import Build, Connection, Page
from projections.quiet_alerts import found_quietly, summaries_of


class Notifications:
    name = "notifications"
    version = 1
    tables: Mapping[str, str] = MappingProxyType({})
    reads = frozenset({"officers"})

    def __init__(
        self, log: EventLog, types: MessageTypes = MESSAGE_TYPES, *, calendars: Calendars | None = None
    ) -> None:
        self._log = log
        self._types = types
        self._calendars = calendars or Calendars()

    async def fold(self, db: Connection, build: Build, page: Page) -> None:  # noqa: ARG002 (no tables of its own)
        if page.replay:
            return
        news = [*await self._of_alerts(page), *await _of_officers(db, page)]
        summaries = summaries_of(await found_quietly(self._log, page), self._calendars, self._types)
        rows = [row for each in news for row in rows_of(each, self._types)]
        await put(db, page.territory, [*rows, *summaries.values()])

    async def _of_alerts(self, page: Page) -> list[News]:
        moments = {stored.position: moment_of(stored) for stored in page.events}
        alerts = await alerts_at(self._log, page.territory, [each for each in moments.values() if each is not None])
        told: list[News] = []
        for stored in page.events:
            moment = moments[stored.position]
            told += news_of(stored, None if moment is None else alerts.get(moment))
        return told


async def _of_officers(db: Connection, page: Page) -> list[News]:
    broken = [stored for stored in page.events if isinstance(stored.event, GlassBroken)]
    spent = [stored for stored in page.events if isinstance(stored.event, BudgetSpent)]
    if not broken and not spent:
        return []
    officers = await agencies_of_officers(db, page.territory)
    told = [each for stored in broken for each in news_of_broken_glass(stored, page, officers)]
    return told + [each for stored in spent for each in news_of_spent_budget(stored, officers)]


def news_of_broken_glass(stored: Stored, page: Page, officers: Collection[str]) -> Iterator[News]:
    """To the leads of those in charge of the pathway, and, without the pathway, to those who review it."""
    pathway = page.pathways.get(stored.event.originator_id)
    in_charge = () if pathway is None or pathway.erased else sorted(pathway.in_charge)
    assert isinstance(stored.event, GlassBroken)
    for agency in sorted({*in_charge, *officers}):
        about = stored.event.originator_id if agency in in_charge else None
        audience = None if agency in officers else Audience.LEAD
        yield News(stored, "glass.broken", agency, stored.event.break_glass_id, about, audience=audience)


def news_of_spent_budget(stored: Stored, officers: Collection[str]) -> Iterator[News]:
    """To the lead of whoever was stopped, and to the officers."""
    for agency in sorted({stored.event.agency, *officers}):
        audience = None if agency in officers else Audience.LEAD
        yield News(stored, "access.budget-spent", agency, stored.event.originator_id, None, audience=audience)
