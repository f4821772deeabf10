"""Recoveries: jobs that send an endpoint what it missed, since a time or from a position on, with their progress."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.errors import DomainError


class RecoveryState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # The endpoint was disabled meanwhile.


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """From where on: exactly one of the two."""

    since: datetime | None = None
    """Messages made at this time or later."""
    after_position: int | None = None
    """Messages of events after this position of the log."""
    again: bool = False
    """Also those that were delivered."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A job and how far it is. Done, all of it is queued: the delivery log says what becomes of each."""

    recovery_id: UUID
    endpoint_id: UUID
    since: datetime | None
    after_position: int | None
    again: bool
    state: RecoveryState
    total: int | None
    """Messages to look at; null until they are counted."""
    looked_at: int
    queued: int
    """Of those looked at, how many are sent again."""
    asked_at: datetime
    ended_at: datetime | None


class WebhookRecoveries(Protocol):
    """Of an agency's endpoint. Another agency's endpoint is an unknown one, whose recoveries are unknown."""

    async def ask(self, territory: str, agency: str, endpoint_id: UUID, asked: Asked, now: datetime) -> Recovery:
        """Put it in the queue, for what was stored until now.

        Messages keep their ids, so that a receiver who had one after all ignores it; one that is still to be sent is
        not queued again. Raises UnknownEndpoint, EndpointDisabled, EndpointUnverified, RecoveryUnderWay.
        """

    async def recoveries(self, territory: str, agency: str, endpoint_id: UUID) -> list[Recovery]:
        """The latest fifty, the latest first. Raises UnknownEndpoint."""

    async def recovery(self, territory: str, agency: str, endpoint_id: UUID, recovery_id: UUID) -> Recovery:
        """Raises UnknownEndpoint, UnknownRecovery."""

    async def cancel(
        self, territory: str, agency: str, endpoint_id: UUID, recovery_id: UUID, now: datetime
    ) -> Recovery:
        """Look no further; what is queued is sent. One that has ended stays as it is. Raises as `recovery`."""


class UnknownRecovery(DomainError):
    """This endpoint has no recovery with this identifier."""

    code = "unknown_recovery"
    status = 404
    title_fr = "Ce point de réception n'a pas de rattrapage portant cet identifiant."


class RecoveryUnderWay(DomainError):
    """A recovery of this endpoint is under way: wait until it has ended, or cancel it."""

    code = "recovery_under_way"
    title_fr = "Un rattrapage est en cours pour ce point de réception : attendez sa fin, ou annulez-le."
