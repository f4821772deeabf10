"""Tells the agencies: one outbox row per event and recipient, in the transaction that moves the checkpoint.

A step with effects: it has no tables of its own and is never rebuilt.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from application.event_log import Stored
from application.message_types import MESSAGE_TYPES, MessageTypes
from domain.access_log import BudgetSpent
from domain.alert import AlertCleared, AlertDisclosed, AlertRaised, AlertReopened, Recipient, Sees
from domain.break_glass import GlassBroken
from domain.rules.rule import Severity
from projections.officers import agencies_of_officers
from projections.outbox_rows import OutboxRow, message_id_of, put
from projections.projection import Build, Connection, Page


class Notifications:
    name = "notifications"
    version = 1
    tables: Mapping[str, str] = MappingProxyType({})
    reads = frozenset({"officers"})

    def __init__(self, types: MessageTypes = MESSAGE_TYPES) -> None:
        self._types = types

    async def fold(self, db: Connection, build: Build, page: Page) -> None:  # noqa: ARG002 (no tables of its own)
        if page.replay:
            return
        news = [each for stored in page.events for each in news_of(stored)]
        broken = [stored for stored in page.events if isinstance(stored.event, GlassBroken)]
        spent = [stored for stored in page.events if isinstance(stored.event, BudgetSpent)]
        if broken or spent:
            officers = await agencies_of_officers(db, page.territory)
            news += [each for stored in broken for each in news_of_broken_glass(stored, page, officers)]
            news += [each for stored in spent for each in news_of_spent_budget(stored, officers)]
        await put(db, page.territory, [row for each in news for row in rows_of(each, self._types)])


class News(NamedTuple):
    """One thing that one agency must hear of, whatever the version of its type."""

    stored: Stored
    name: str
    agency: str
    subject_id: UUID
    pathway: UUID | None
    """Only for who may see what the subject is about."""
    severity: str | None = None


def rows_of(news: News, types: MessageTypes) -> Iterator[OutboxRow]:
    """A message in each version of its type that is told that day."""
    stored = news.stored
    for each in types.told(news.name, stored.event.timestamp.date()):
        yield OutboxRow(
            message_id_of(stored.territory, stored.position, news.agency, each.version),
            news.agency,
            each.type,
            news.subject_id,
            news.pathway,
            stored.position,
            stored.event.timestamp,
            news.severity,
            news.severity == Severity.CRITICAL,
            each.audience,
        )


def news_of(stored: Stored) -> Iterator[News]:
    """To every agency that must hear of an alert's change. A quiet alert tells nobody, a hidden one later."""
    topic, severity = stored.topic, None
    match stored.event:
        case AlertRaised() | AlertReopened() as event:
            pathway, told, quiet = event.finding.pathway, event.recipients, event.quiet or event.hidden
            severity = event.finding.severity
        case AlertDisclosed() as event:
            pathway, told, quiet = event.pathway, event.recipients, event.quiet
            topic = AlertRaised.TOPIC  # To whoever hears of it only now.
        case AlertCleared() as event:
            pathway, told, quiet = event.pathway, event.recipients, event.quiet
        case _:
            return
    if not quiet:
        for one in told:
            yield _about_alert(stored, topic, pathway, one, severity)


def _about_alert(stored: Stored, topic: str, pathway: UUID, one: Recipient, severity: str | None) -> News:
    about = pathway if one.sees is Sees.CONTENT else None
    return News(stored, topic, one.agency, stored.event.originator_id, about, severity)


def news_of_broken_glass(stored: Stored, page: Page, officers: Iterable[str]) -> Iterator[News]:
    """To those in charge of the pathway, and, without the pathway, to those who review it."""
    pathway = page.pathways.get(stored.event.originator_id)
    in_charge = () if pathway is None or pathway.erased else sorted(pathway.in_charge)
    assert isinstance(stored.event, GlassBroken)
    for agency in sorted({*in_charge, *officers}):
        about = stored.event.originator_id if agency in in_charge else None
        yield News(stored, "glass.broken", agency, stored.event.break_glass_id, about)


def news_of_spent_budget(stored: Stored, officers: Iterable[str]) -> Iterator[News]:
    """To the agency of whoever was stopped, and to the officers."""
    for agency in sorted({stored.event.agency, *officers}):
        yield News(stored, "access.budget-spent", agency, stored.event.originator_id, None)
