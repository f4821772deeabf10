"""News: one thing that one agency must hear of, before it is put into the versions of its type that are told."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from application.event_log import Stored
from application.message_types import MessageTypes
from application.messages import Audience
from domain.rules.rule import Severity
from projections.outbox_rows import OutboxRow, message_id_of


class News(NamedTuple):
    stored: Stored
    name: str
    """Of the type of message."""
    agency: str
    subject_id: UUID
    pathway: UUID | None
    """Only for who may see what the subject is about."""
    severity: str | None = None
    audience: Audience | None = None
    """None: whom the type means."""
    level: str | None = None
    may_wait: bool = False
    """However grave: somebody has just looked at it."""


def rows_of(news: News, types: MessageTypes) -> Iterator[OutboxRow]:
    """A message in each version of the type that is told that day: two during a notice period."""
    stored = news.stored
    for each in types.told(news.name, stored.event.timestamp.date()):
        yield OutboxRow(
            message_id=message_id_of(stored.territory, stored.position, news.agency, each.version),
            agency=news.agency,
            type=each.type,
            subject_id=news.subject_id,
            pathway=news.pathway,
            position=stored.position,
            created_at=stored.event.timestamp,
            severity=news.severity,
            urgent=each.asks_to_act and news.severity == Severity.CRITICAL and not news.may_wait,
            audience=news.audience or each.audience,
            level=news.level,
        )
