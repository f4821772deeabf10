"""Snapshots of long pathways, so that loading one stays flat however long its history grows."""

from typing import Protocol
from uuid import UUID

from domain.pathway import Pathway

FOLDED_MAX = 500
"""A load that had to fold more events than this is worth a snapshot."""


class Snapshots(Protocol):
    """Derived from the log and never needed: any may be dropped at any time."""

    async def latest(self, territory: str, pathway_id: UUID) -> Pathway | None:
        """The pathway at some version; None when there is no snapshot that today's code took, or its key is gone."""

    def offer(self, territory: str, pathway: Pathway, folded: int) -> None:
        """Keep it, in the background, if `folded` events is a lot. The pathway is read before this returns."""

    async def forget(self, territory: str, pathway_id: UUID) -> None:
        """Drop the pathway's snapshots (erasure)."""
