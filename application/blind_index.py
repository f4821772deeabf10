"""Finding a person by a full identity without storing any: keyed hashes of several fields together.

Equal hashes show that two identities agree; so no field is ever hashed alone that few values fill.
"""

from typing import Protocol
from uuid import UUID


class BlindIndex(Protocol):
    """The hashes of the identities that are known."""

    async def forget(self, territory: str, subject: UUID) -> int:
        """Delete a person's hashes (erasure); returns how many there were. Doing it again changes nothing."""
