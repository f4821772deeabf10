"""A small event family to exercise the log with: one of a person with every compartment, one of no person."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.compartments import Case, Health, Identity, Notes
from domain.ids import uuid7

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
AGENCY = "ccas-montpellier"


class Diary(Aggregate):
    """An aggregate of the tests alone."""

    subject: UUID

    def __init__(self) -> None:
        self.erased = False
        self.lines: list[str] = []


@stored
class DiaryOpened(Created, frozen=True, kw_only=True):
    TOPIC: ClassVar[str] = "test-diary.opened"
    ORIGINATOR: ClassVar[str] = "tests.support.histories:Diary"

    subject: Case[UUID]
    name: Identity[str] = None

    def apply(self, diary: Diary) -> None:
        diary.subject = self.subject


@stored
class LineWritten(Event, frozen=True, kw_only=True):
    TOPIC: ClassVar[str] = "test-diary.line-written"

    code: Case[str]
    on: Case[date | datetime] = date(2026, 1, 1)
    tags: Case[tuple[str, ...]] = ()
    name: Identity[str] = None
    illness: Health[str] = None
    note: Notes[str] = None

    def apply(self, diary: Diary) -> None:
        diary.lines.append(self.code)


@stored
class BoardPainted(Event, frozen=True, kw_only=True):
    """About no person."""

    TOPIC: ClassVar[str] = "test-board.painted"
    OF_PERSON: ClassVar[bool] = False

    colour: str
    coats: int = 1


def line(stream_id: UUID, version: int, code: str = "a", **fields: Any) -> LineWritten:
    return LineWritten(
        originator_id=stream_id, originator_version=version, timestamp=NOON, agency=AGENCY, code=code, **fields
    )


def painted(stream_id: UUID, version: int, colour: str = "red", **fields: Any) -> BoardPainted:
    return BoardPainted(
        originator_id=stream_id, originator_version=version, timestamp=NOON, agency=AGENCY, colour=colour, **fields
    )


def opened(stream_id: UUID | None = None, subject: UUID | None = None, **fields: Any) -> DiaryOpened:
    return DiaryOpened(
        originator_id=stream_id or uuid7(),
        originator_version=1,
        timestamp=NOON,
        agency=AGENCY,
        originator_topic=DiaryOpened.ORIGINATOR,
        subject=subject or uuid7(),
        **fields,
    )
