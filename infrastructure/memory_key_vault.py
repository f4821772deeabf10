"""The key vault in memory, for unit tests. Forgets everything with the process."""

import secrets
from collections.abc import Iterable
from uuid import UUID

from application.key_vault import (
    MACHINERY,
    DataKey,
    KeyDestroyed,
    KeyRestricted,
    Keyring,
    Use,
    must_be_allowed,
    withheld,
)
from domain.compartments import Compartment
from infrastructure.key_file import KEY_BYTES


class MemoryKeyVault:
    def __init__(self) -> None:
        self._keys: dict[tuple[str, UUID], dict[Compartment, DataKey]] = {}
        self._destroyed: set[tuple[str, UUID, Compartment]] = set()
        self._restricted: set[tuple[str, UUID]] = set()

    async def keyrings(
        self,
        territory: str,
        subjects: Iterable[UUID],
        *,
        fresh: bool = False,  # noqa: ARG002
        use: Use = MACHINERY,
    ) -> dict[UUID, Keyring]:
        must_be_allowed(use)
        found: dict[UUID, Keyring] = {}
        for subject in subjects:
            keyring = self._keys.get((territory, subject))
            if keyring is not None:
                found[subject] = withheld(keyring, use) if (territory, subject) in self._restricted else dict(keyring)
        return found

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        needed = set(compartments)
        restricted = (territory, subject) in self._restricted
        if restricted and needed - {Compartment.CASE}:
            raise KeyRestricted
        keyring = self._keys.setdefault((territory, subject), {})
        for compartment in needed:
            if (territory, subject, compartment) in self._destroyed:
                raise KeyDestroyed
            if compartment not in keyring:
                keyring[compartment] = DataKey(1, secrets.token_bytes(KEY_BYTES))
        return withheld(keyring, MACHINERY) if restricted else dict(keyring)

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        for compartment in compartments:
            self._destroyed.add((territory, subject, compartment))
            self._keys.get((territory, subject), {}).pop(compartment, None)

    async def restrict(self, territory: str, subject: UUID, restricted: bool) -> None:
        (self._restricted.add if restricted else self._restricted.discard)((territory, subject))
