"""The one call that appends: `append_events()` of migration 0001, its arguments and its verdicts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.event_log import Idempotency
from infrastructure.event_codec import SealedEvent

APPENDED, STALE, REPLAYED, REUSED = range(4)
EVENT_COLUMNS = 8

APPEND = """
SELECT * FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22)"""


class Verdict(NamedTuple):
    """On one command, as the function returns it."""

    status: int
    first_position: int
    last_position: int
    version: int
    outcome: bytes | None
    recorded_at: datetime


class SealedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit ready to be stored."""

    stream_id: UUID
    expected_version: int
    subject: UUID | None
    correlation_id: UUID | None
    causation_id: UUID | None
    idempotency: Idempotency | None
    events: Sequence[SealedEvent]

    @property
    def size(self) -> int:
        return sum(len(event.payload) + len(event.header) for event in self.events)


def arguments_of(territory: str, now: datetime | None, commits: list[SealedCommit]) -> tuple[Any, ...]:
    """In the order of `append_events`: a list per column, for commands and then for events."""
    first_on: dict[UUID, int] = {}
    commands = [
        (
            commit.stream_id,
            first_on.setdefault(commit.stream_id, number),
            commit.expected_version,
            len(commit.events),
            commit.subject,
            commit.correlation_id,
            commit.causation_id,
        )
        for number, commit in enumerate(commits, start=1)
    ]
    events = [(number, *event) for number, commit in enumerate(commits, start=1) for event in commit.events]
    return (
        territory,
        now,
        *zip(*commands, strict=True),
        *_idempotency_columns(commits),
        *(zip(*events, strict=True) if events else ((),) * EVENT_COLUMNS),
    )


def _idempotency_columns(commits: list[SealedCommit]) -> tuple[Sequence[Any] | None, ...]:
    """All absent when no command has a key, which spares the log two statements."""
    keys = [commit.idempotency for commit in commits]
    if not any(keys):
        return (None,) * 5
    return (
        [key and key.client for key in keys],
        [key and key.key for key in keys],
        [key and key.fingerprint for key in keys],
        [key and key.outcome for key in keys],
        [key is not None and key.keep for key in keys],
    )
