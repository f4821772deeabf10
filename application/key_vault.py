"""Keys of persons, one per compartment, wrapped by a key that lives outside the database."""

from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from domain.compartments import Compartment


class DataKey(msgspec.Struct, frozen=True):
    """A clear data-encryption key. Never logged, never stored."""

    generation: int
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey(generation={self.generation})"


Keyring = Mapping[Compartment, DataKey]


class KeyVault(Protocol):
    """Makes, opens and destroys the keys of persons."""

    async def keyrings(self, territory: str, subjects: Iterable[UUID], *, fresh: bool = False) -> dict[UUID, Keyring]:
        """The live keys of these subjects. A destroyed or unknown key is simply not there.

        Answers may be a minute old; `fresh` asks the store itself.
        """

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        """The subject's keys, made if they never were. A destroyed key is never made again: raises KeyDestroyed."""

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        """Make what these keys sealed unreadable. Doing it again changes nothing."""


class KeyDestroyed(Exception):
    """The person's data have been erased; nothing more can be recorded for them."""
