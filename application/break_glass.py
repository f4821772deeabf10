"""Breaking the glass, as a use case: an agency with a review overdue must have it done before it may do so again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from application.pathways import Order, Pathways, Receipt
from domain.clock import Clock
from domain.errors import DomainError


class ReviewsOverdue(DomainError):
    """A breaking of the glass by your agency waits for its review since more than a week: that comes first."""

    code = "reviews_overdue"
    status = 403
    title_fr = "Un bris de glace de votre service attend son examen depuis plus d'une semaine : c'est à faire d'abord."


class ToReview(msgspec.Struct, frozen=True, kw_only=True):
    """A breaking of the glass of which nobody said yet whether it was justified."""

    break_glass_id: UUID
    pathway_id: UUID
    agency: str
    agent: str
    until: datetime
    """When the access ends, or ended."""
    review_due: datetime


class Reviews(Protocol):
    """What is still to be reviewed, by territory, the earliest due first."""

    async def pending(self, territory: str, *, agency: str | None = None, limit: int = 100) -> Sequence[ToReview]: ...


class BreakGlasses:
    def __init__(self, pathways: Pathways, reviews: Reviews, clock: Clock) -> None:
        self._pathways = pathways
        self._reviews = reviews
        self._clock = clock

    async def open(self, pathway_id: UUID, order: Order) -> Receipt:
        """Raises ReviewsOverdue, and what the command may raise."""
        oldest = await self._reviews.pending(order.caller.territory, agency=order.caller.agency, limit=1)
        if oldest and oldest[0].review_due < self._clock.now():
            raise ReviewsOverdue
        return await self._pathways.act(pathway_id, order)

    async def pending(self, territory: str) -> Sequence[ToReview]:
        return await self._reviews.pending(territory)
