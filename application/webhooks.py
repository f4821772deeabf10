"""Webhooks as the use cases see them: where an agency wants to be told, what it is told, and how each telling went."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.errors import DomainError

TEST_MESSAGE = "unisson.webhook.test.v1"
"""Sent to one endpoint when its owner asks for it, whatever types it listens to."""
ERASED_MESSAGE = "unisson.person.erased.v1"
"""Tells an agency that a pathway it knew of is gone (GDPR art. 19). Its subject is the pathway."""
BUDGET_MESSAGE = "unisson.access.budget-spent.v1"
"""Tells officers, and the agency itself, that a user asked for more persons in a day than allowed. Without subject."""
BREAK_GLASS_MESSAGE = "unisson.glass.broken.v1"
"""Tells those in charge of a pathway, and those who review it, that somebody broke the glass, which is its subject."""

OUTBOX_CHANNEL = "unisson_outbox"
"""Notified when something was put in the outbox, so that whoever sends does not find it by looking only."""


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


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency is told: that something happened to an alert of its concern, and nothing of what it is about."""

    territory: str
    message_id: UUID
    agency: str
    type: str
    subject_id: UUID
    pathway: UUID | None
    """Only when the agency may see what the alert is about."""
    position: int
    created_at: datetime
    correlation_id: UUID | None = None
    """Of the request that led to it, where there was one."""


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


MaySend = Callable[[str, str, Message], Awaitable[bool]]
"""Territory, agency, message. Asked again just before sending: a right withdrawn in between must be respected."""


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
