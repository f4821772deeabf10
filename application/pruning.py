"""Dropping the payloads of an erased person: their hashes stay, so the tree's roots and proofs stay valid."""

from typing import Protocol
from uuid import UUID

from domain.errors import DomainError


class NotErased(DomainError):
    """No event says that this person was erased."""

    code = "not_erased"
    status = 409
    title_fr = "Aucun événement ne dit que cette personne a été effacée."


class Pruning(Protocol):
    async def prune(self, territory: str, subject: UUID) -> int:
        """Drop every payload about the subject but that of its `person.erased`; returns how many were dropped now.

        Resumable: what is pruned already is left alone. Raises NotErased unless that event is in the log.
        """
