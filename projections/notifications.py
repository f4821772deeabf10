"""Tells the agencies: one outbox row per event and recipient, in the transaction that moves the checkpoint.

A step with effects: it has no tables of its own and is never rebuilt.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from application.event_log import Stored
from application.webhooks import BREAK_GLASS_MESSAGE, BUDGET_MESSAGE, OUTBOX_CHANNEL
from domain.access_log import BudgetSpent
from domain.alert import AlertCleared, AlertDisclosed, AlertRaised, AlertReopened, Recipient, Sees
from domain.break_glass import GlassBroken
from domain.ids import uuid8_of
from projections.officers import agencies_of_officers
from projections.projection import Build, Connection, Page

ADD = f"""
WITH told AS (
    INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position, created_at)
    SELECT $1, *
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::bigint[], $8::timestamptz[])
    ON CONFLICT (territory, message_id) DO NOTHING RETURNING true
)
SELECT pg_notify('{OUTBOX_CHANNEL}', '') FROM told LIMIT 1"""


class OutboxRow(NamedTuple):
    message_id: UUID
    agency: str
    type: str
    subject_id: UUID
    pathway: UUID | None
    """Only for who may see what the alert is about."""
    position: int
    created_at: datetime


class Notifications:
    name = "notifications"
    version = 1
    tables: Mapping[str, str] = MappingProxyType({})
    reads = frozenset({"officers"})

    async def fold(self, db: Connection, build: Build, page: Page) -> None:  # noqa: ARG002 (no tables of its own)
        if page.replay:
            return
        rows = [row for stored in page.events for row in messages_of(stored)]
        broken = [stored for stored in page.events if isinstance(stored.event, GlassBroken)]
        spent = [stored for stored in page.events if isinstance(stored.event, BudgetSpent)]
        if broken or spent:
            officers = await agencies_of_officers(db, page.territory)
            rows += [row for stored in broken for row in messages_of_broken_glass(stored, page, officers)]
            rows += [row for stored in spent for row in messages_of_spent_budget(stored, officers)]
        if rows:
            await db.execute(ADD, page.territory, *zip(*rows, strict=True))


def messages_of(stored: Stored) -> Iterator[OutboxRow]:
    """One message per agency that must hear of an alert's change. A quiet alert tells nobody, a hidden one later."""
    topic = stored.topic
    match stored.event:
        case AlertRaised() | AlertReopened() as event:
            pathway, told, quiet = event.finding.pathway, event.recipients, event.quiet or event.hidden
        case AlertDisclosed() as event:
            pathway, told, quiet = event.pathway, event.recipients, event.quiet
            topic = AlertRaised.TOPIC  # To whoever hears of it only now.
        case AlertCleared() as event:
            pathway, told, quiet = event.pathway, event.recipients, event.quiet
        case _:
            return
    if not quiet:
        for one in told:
            yield _message(stored, topic, pathway, one)


def _message(stored: Stored, topic: str, pathway: UUID, one: Recipient) -> OutboxRow:
    return OutboxRow(
        message_id_of(stored.territory, stored.position, one.agency),
        one.agency,
        f"unisson.{topic}.v1",
        stored.event.originator_id,
        pathway if one.sees is Sees.CONTENT else None,
        stored.position,
        stored.event.timestamp,
    )


def messages_of_broken_glass(stored: Stored, page: Page, officers: Iterable[str]) -> Iterator[OutboxRow]:
    """To those in charge of the pathway, and, without the pathway, to those who review it."""
    pathway = page.pathways.get(stored.event.originator_id)
    in_charge = () if pathway is None or pathway.erased else sorted(pathway.in_charge)
    assert isinstance(stored.event, GlassBroken)
    for agency in sorted({*in_charge, *officers}):
        yield OutboxRow(
            message_id_of(stored.territory, stored.position, agency),
            agency,
            BREAK_GLASS_MESSAGE,
            stored.event.break_glass_id,
            stored.event.originator_id if agency in in_charge else None,
            stored.position,
            stored.event.timestamp,
        )


def messages_of_spent_budget(stored: Stored, officers: Iterable[str]) -> Iterator[OutboxRow]:
    """To the agency of whoever was stopped, and to the officers."""
    for agency in sorted({stored.event.agency, *officers}):
        yield OutboxRow(
            message_id_of(stored.territory, stored.position, agency),
            agency,
            BUDGET_MESSAGE,
            stored.event.originator_id,
            None,
            stored.position,
            stored.event.timestamp,
        )


def message_id_of(territory: str, position: int, agency: str) -> UUID:
    """The same message always has the same id, so that telling twice is telling once. A UUIDv8 from a SHA-256."""
    return uuid8_of("message", territory, str(position), agency)
