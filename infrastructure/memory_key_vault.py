"""The key vault in memory, for unit tests. Forgets everything with the process."""

import secrets
from collections.abc import Iterable
from uuid import UUID

from application.key_vault import DataKey, KeyDestroyed, Keyring
from domain.compartments import Compartment
from infrastructure.key_file import KEY_BYTES


class MemoryKeyVault:
    def __init__(self) -> None:
        self._keys: dict[tuple[str, UUID], dict[Compartment, DataKey]] = {}
        self._destroyed: set[tuple[str, UUID, Compartment]] = set()

    async def keyrings(
        self,
        territory: str,
        subjects: Iterable[UUID],
        *,
        fresh: bool = False,  # noqa: ARG002
    ) -> dict[UUID, Keyring]:
        return {
            subject: dict(self._keys[territory, subject]) for subject in subjects if (territory, subject) in self._keys
        }

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        keyring = self._keys.setdefault((territory, subject), {})
        for compartment in compartments:
            if (territory, subject, compartment) in self._destroyed:
                raise KeyDestroyed
            if compartment not in keyring:
                keyring[compartment] = DataKey(1, secrets.token_bytes(KEY_BYTES))
        return dict(keyring)

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        for compartment in compartments:
            self._destroyed.add((territory, subject, compartment))
            self._keys.get((territory, subject), {}).pop(compartment, None)
