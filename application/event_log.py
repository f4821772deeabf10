"""The event log as the use cases see it: append with an expected version, read a stream, follow a territory."""

from collections.abc import AsyncGenerator, Container, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.aggregate import Event
from domain.errors import DomainError


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """Remembers one client's command with its outcome, in the same transaction as its events."""

    client: str
    key: str
    fingerprint: bytes
    outcome: bytes
    """What to answer when the same command comes again; opaque to the log."""
    keep: bool = False
    """True: never expires (imports). False: kept at least 24 hours."""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Events of ONE stream to append together, or not at all. `events` may be empty to store an outcome alone."""

    stream_id: UUID
    expected_version: int
    """The stream's version before the first event; 0 for a new stream."""
    events: Sequence[Event]
    subject: UUID | None = None
    """Whose keys seal the payloads; None seals nothing: events about no person."""
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    idempotency: Idempotency | None = None


class Appended(msgspec.Struct, frozen=True, kw_only=True):
    """Where the events went; durable once returned."""

    first_position: int
    """Position of the first event; the others follow without a hole. 0 when nothing was appended."""
    last_position: int
    version: int
    recorded_at: datetime
    replayed: bytes | None = None
    """The stored outcome, when the same command had been appended before: nothing was appended now."""


class Stored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as read back. `event` carries originator_id, version, agency, actor, recorded_at and position."""

    territory: str
    position: int
    topic: str
    event: Event
    subject: UUID | None
    correlation_id: UUID | None
    causation_id: UUID | None


class Header(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The clear part of an event: all that may be read without a key."""

    territory: str
    position: int
    stream_id: UUID
    stream_version: int
    topic: str
    recorded_at: datetime
    agency: str
    actor: str | None
    correlation_id: UUID | None
    causation_id: UUID | None


class StaleVersion(DomainError):
    """Somebody else changed this in the meantime."""

    code = "stale_version"
    status = 412
    title_fr = "Quelqu'un d'autre a modifié ceci entre-temps."

    def __init__(self, current_version: int) -> None:
        super().__init__(f"The current version is {current_version}.", current_version=current_version)
        self.current_version = current_version


class IdempotencyKeyReused(DomainError):
    """This idempotency key was already used for another request."""

    code = "idempotency_key_reused"
    status = 422
    title_fr = "Cette clé d'idempotence a déjà servi pour une autre demande."


class LogBusy(DomainError):
    """Too many commands are waiting; try again shortly."""

    code = "busy"
    status = 503
    title_fr = "Trop de demandes en attente ; réessayez dans un instant."

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class AppendInDoubt(DomainError):
    """The connection was lost before the answer; send the same request again with the same idempotency key."""

    code = "in_doubt"
    status = 503
    title_fr = "La connexion a été perdue avant la réponse ; renvoyez la même demande avec la même clé d'idempotence."


class UnfitText(DomainError):
    """A text holds a character that cannot be stored."""

    code = "unfit_text"
    status = 422
    title_fr = "Un texte contient un caractère qui ne peut pas être enregistré."


class EventTooLarge(DomainError):
    """This is too large to be recorded as one event."""

    code = "event_too_large"
    status = 413
    title_fr = "Ceci est trop volumineux pour être enregistré en une fois."


class UnreadableEvent(Exception):
    """A stored event cannot be read: altered, or of a format or topic that this release does not know.

    The message names its place only. Erased events are not unreadable: they are read as `ErasedEvent`.
    """

    def __init__(self, territory: str, position: int, reason: str) -> None:
        super().__init__(f"Event {position} of {territory} cannot be read: {reason}.")
        self.territory = territory
        self.position = position


class UnknownTopic(UnreadableEvent):
    """Written by a later release, or by a type that was never imported."""

    def __init__(self, territory: str, position: int, topic: str) -> None:
        super().__init__(territory, position, f"unknown topic {topic}")
        self.topic = topic


class EventLog(Protocol):
    """Append-only history of every territory. Positions are dense, from 1, in commit order, per territory."""

    async def append(self, territory: str, commit: Commit) -> Appended:
        """Append durably.

        Raises StaleVersion, IdempotencyKeyReused, LogBusy, UnfitText, EventTooLarge or KeyDestroyed, and nothing is
        stored; or AppendInDoubt, and all of it is stored or nothing.
        """

    async def read_stream(
        self, territory: str, stream_id: UUID, *, after_version: int = 0, until_position: int | None = None
    ) -> list[Stored]:
        """The stream's events in order, opened; an absent stream is an empty list."""

    async def read_streams(
        self, territory: str, stream_ids: Sequence[UUID], *, until_position: int | None = None
    ) -> dict[UUID, list[Stored]]:
        """Several streams in one query; absent ones are missing from the answer."""

    async def page(self, territory: str, *, after: int, limit: int = 1000) -> list[Stored]:
        """Up to `limit` events after a position, in order, opened; empty at the head."""

    def pages(self, territory: str, *, after: int, limit: int = 1000) -> AsyncGenerator[list[Stored], None]:
        """Page after page up to the head, each fetched while the one before is dealt with: for whole replays."""

    async def headers(
        self, territory: str, *, after: int, limit: int = 1000, topics: Sequence[str] | None = None
    ) -> list[Header]:
        """Like `page`, without opening anything."""

    async def head(self, territory: str) -> int:
        """The last position, 0 for an empty territory."""

    async def territories(self) -> list[str]:
        """Every territory that has a log, sorted."""

    async def wait(self, territory: str, *, after: int, timeout_s: float) -> int:
        """Wait until the head is past `after`, or the time is over; returns the head."""

    async def wait_for_territory(self, *, known: Container[str], timeout_s: float) -> None:
        """Wait until there is a territory that is not `known`, or the time is over."""

    async def outcome(self, territory: str, client: str, key: str) -> tuple[bytes, bytes] | None:
        """(fingerprint, outcome) of a command already appended under this key."""
