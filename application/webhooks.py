"""Webhooks as the use cases see them: where an agency wants to be told, what it is told, and how each telling went."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from application.messages import Message
from domain.errors import DomainError


class EndpointStatus(StrEnum):
    UNVERIFIED = "unverified"  # It has not given its challenge back: nothing else is sent there.
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
    disabled_at: datetime | None
    challenge_until: datetime | None
    """Until when the challenge it was sent last may be given back; None when nothing is asked of it."""
    verified_at: datetime | None
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


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was made. One that the end of its process cut short leaves none."""

    at: datetime
    """When it ended."""
    milliseconds: int
    status: int | None
    error_code: str | None
    """None: delivered."""


class DeliveryDetail(DeliveryLine, frozen=True, kw_only=True):
    """A line with its attempts, the latest thirty, in order, and the message as anybody might read it."""

    attempts_made: tuple[Attempt, ...]
    message: Message
    """Without the pathway: what is kept of a message is not told again by its log."""


class Webhooks(Protocol):
    """An agency's endpoints. Another agency's endpoint is an unknown one."""

    async def register(
        self, territory: str, agency: str, url: str, event_types: Sequence[str], now: datetime
    ) -> NewEndpoint:
        """Unverified, with a challenge on its way.

        Raises EndpointRefused for an address that may never be called, TooManyEndpoints, TooManyChallenges.
        """

    async def endpoints(self, territory: str, agency: str) -> list[Endpoint]:
        """Oldest first."""

    async def endpoint(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        """Raises UnknownEndpoint, as all that follow."""

    async def challenge(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
        """Send a new challenge; those before are void. Of a verified endpoint nothing is asked: a no-op.

        Raises EndpointDisabled, TooManyChallenges.
        """

    async def verify(self, territory: str, agency: str, endpoint_id: UUID, challenge: str, now: datetime) -> Endpoint:
        """The owner read the challenge in what its address received. For a verified endpoint a no-op.

        Raises EndpointDisabled, ChallengeFailed.
        """

    async def rotate_secret(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> str:
        """A new secret; the one before signs beside it for 24 hours."""

    async def disable(self, territory: str, agency: str, endpoint_id: UUID, now: datetime) -> Endpoint:
        """Nothing more is sent there; what waited is given up, and may be replayed. Again is a no-op."""

    async def enable(self, territory: str, agency: str, endpoint_id: UUID) -> Endpoint:
        """Starts afresh, with no failure counted; unverified if it never was. Again is a no-op."""

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

    async def delivery(self, territory: str, agency: str, endpoint_id: UUID, message_id: UUID) -> DeliveryDetail:
        """Raises UnknownMessage for one that was never for this endpoint."""

    async def replay(self, territory: str, agency: str, endpoint_id: UUID, message_id: UUID) -> int:
        """Send one message again, even one that was delivered; returns how many are queued, 1 or 0.

        Under the same message id, so that a receiver who had it after all ignores it. One that is still to be sent is
        not queued again. Raises UnknownMessage, EndpointDisabled, EndpointUnverified.
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


class EndpointUnverified(DomainError):
    """This webhook endpoint has not given its challenge back: verify it first."""

    code = "endpoint_unverified"
    title_fr = "Ce point de réception n'a pas renvoyé le défi qui lui a été adressé : vérifiez-le d'abord."


class ChallengeFailed(DomainError):
    """This is not the challenge that was sent last to the endpoint, or it is no longer good: ask for another."""

    code = "challenge_failed"
    status = 422
    title_fr = (
        "Ce n'est pas le dernier défi adressé à ce point de réception, ou il n'est plus valable : demandez-en un autre."
    )


class TooManyChallenges(DomainError):
    """An agency may have twenty challenges sent in an hour; wait before asking for another."""

    code = "too_many_challenges"
    status = 429
    title_fr = "Un service peut faire envoyer vingt défis par heure ; attendez avant d'en demander un autre."


class TooManyEndpoints(DomainError):
    """An agency may have ten webhook endpoints."""

    code = "too_many_endpoints"
    title_fr = "Un service peut avoir dix points de réception."
