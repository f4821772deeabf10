"""Webhooks as the use cases see them: where an agency wants to be told, what it is told, and how each telling went."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.errors import DomainError


class EndpointStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class DisabledReason(StrEnum):
    ASKED = "asked"  # By its owner.
    GONE = "gone"  # It answered 410.
    FAILING = "failing"  # No success for days.


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    WITHHELD = "withheld"  # The agency was no longer entitled when its turn came.
    DEAD = "dead"  # Given up; may be sent again on request.


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where one agency receives its messages. The secret is never part of it."""

    territory: str
    endpoint_id: UUID
    agency: str
    url: str
    event_types: tuple[str, ...]
    """Empty: every type."""
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    consecutive_failures: int
    last_success_at: datetime | None
    created_at: datetime


class NewEndpoint(msgspec.Struct, frozen=True):
    endpoint: Endpoint
    secret: str
    """`whsec_…`, shown this once."""

    def __repr__(self) -> str:
        return f"NewEndpoint({self.endpoint.endpoint_id})"


class DeliveryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an endpoint's delivery log."""

    sequence: int
    message_id: UUID
    type: str
    subject_id: UUID
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    """When the next attempt may start; None when there is none to come, or when it is due at once."""
    last_status: int | None
    last_error_code: str | None
    created_at: datetime
    settled_at: datetime | None


class Webhooks(Protocol):
    """An agency's endpoints. Another agency's endpoint is an unknown one."""

    async def register(
        self, territory: str, agency: str, url: str, event_types: Sequence[str], now: datetime
    ) -> NewEndpoint:
        """Raises EndpointRefused for an address that may never be called, TooManyEndpoints."""

    async def endpoints(self, territory: str, agency: str) -> list[Endpoint]:
        """Oldest first."""

    async def endpoint(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        """Raises UnknownEndpoint, as all that follow."""

    async def rotate_secret(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> str:
        """A new secret; the one before signs beside it for 24 hours."""

    async def disable(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
        """Nothing more is sent there; what waited is given up, and may be replayed. Again is a no-op."""

    async def enable(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        """Starts afresh, with no failure counted. Again is a no-op."""

    async def send_test(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> UUID:
        """Queue a test message; returns its id."""

    async def deliveries(
        self,
        territory: str,
        agency: str,
        endpoint_id: UUID,
        *,
        state: DeliveryState | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[DeliveryLine]:
        """The latest first; `before` is the `sequence` of the last line of the page before."""

    async def replay(
        self,
        territory: str,
        agency: str,
        endpoint_id: UUID,
        *,
        message_id: UUID | None = None,
        since: datetime | None = None,
    ) -> int:
        """Send again one message, or all that this endpoint missed since a time; returns how many are queued.

        With `message_id`, even one that was delivered. With `since`, those given up, and those that came while the
        endpoint was disabled. Under the same message id, so that a receiver who had it after all ignores it. One that
        is still to be sent is not queued again. Raises UnknownMessage.
        """


class UnknownEndpoint(DomainError):
    """No webhook endpoint of yours has this identifier."""

    code = "unknown_endpoint"
    status = 404
    title_fr = "Aucun de vos points de réception ne porte cet identifiant."


class UnknownMessage(DomainError):
    """No message with this identifier was for this endpoint."""

    code = "unknown_message"
    status = 404
    title_fr = "Aucun message portant cet identifiant n'était destiné à ce point de réception."


class EndpointRefused(DomainError):
    """Messages cannot be sent to this address."""

    code = "endpoint_refused"
    status = 422
    title_fr = "Aucun message ne peut être envoyé à cette adresse."


class EndpointDisabled(DomainError):
    """This webhook endpoint is disabled: enable it first."""

    code = "endpoint_disabled"
    title_fr = "Ce point de réception est désactivé : réactivez-le d'abord."


class TooManyEndpoints(DomainError):
    """An agency may have ten webhook endpoints."""

    code = "too_many_endpoints"
    title_fr = "Un service peut avoir dix points de réception."
