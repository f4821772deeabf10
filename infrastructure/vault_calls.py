"""What may be asked of a vault that runs in a process of its own: one call, one answer, both in MessagePack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from application.blind_index import BlindKeys, IndexKey, OneIndexKey, TwoIndexKeys
from application.kek_epochs import Epoch, EpochInUse, EpochTooYoung, KekEpochs, UnknownEpoch
from application.key_vault import DataKey, KeyDestroyed, KeyRestricted, KeyVault, UnwrapRefused, Use
from domain.compartments import Compartment
from infrastructure.key_file import KeyFileUnusable
from infrastructure.key_wrap import KeyUnwrapFailed

PATH = "/calls"
CALL_BYTES_MAX = 1024 * 1024

Ring: TypeAlias = dict[Compartment, DataKey]


@dataclass(frozen=True)
class Vault:
    """All that a vault does."""

    keys: KeyVault
    blind: BlindKeys
    epochs: KekEpochs


class Call(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    async def carry_out(self, vault: Vault) -> Any:
        raise NotImplementedError


class Keyrings(Call, frozen=True):
    territory: str
    subjects: list[UUID]
    use: Use

    async def carry_out(self, vault: Vault) -> dict[UUID, Ring]:
        found = await vault.keys.keyrings(self.territory, self.subjects, use=self.use)
        return {subject: dict(keyring) for subject, keyring in found.items()}


class Ensure(Call, frozen=True):
    territory: str
    subject: UUID
    compartments: list[Compartment]

    async def carry_out(self, vault: Vault) -> Ring:
        return dict(await vault.keys.ensure(self.territory, self.subject, self.compartments))


class Destroy(Call, frozen=True):
    territory: str
    subject: UUID
    compartments: list[Compartment]

    async def carry_out(self, vault: Vault) -> None:
        await vault.keys.destroy(self.territory, self.subject, self.compartments)


class Restrict(Call, frozen=True):
    territory: str
    subject: UUID
    restricted: bool

    async def carry_out(self, vault: Vault) -> None:
        await vault.keys.restrict(self.territory, self.subject, self.restricted)


class Hashes(Call, frozen=True):
    territory: str
    terms: list[str]

    async def carry_out(self, vault: Vault) -> dict[int, list[bytes]]:
        return {version: list(some) for version, some in (await vault.blind.hashes(self.territory, self.terms)).items()}


class IndexKeys(Call, frozen=True):
    territory: str

    async def carry_out(self, vault: Vault) -> list[IndexKey]:
        return await vault.blind.index_keys(self.territory)


class RotateIndex(Call, frozen=True):
    territory: str

    async def carry_out(self, vault: Vault) -> IndexKey:
        return await vault.blind.rotate_index(self.territory)


class RetireIndex(Call, frozen=True):
    territory: str

    async def carry_out(self, vault: Vault) -> IndexKey:
        return await vault.blind.retire_index(self.territory)


class Epochs(Call, frozen=True):
    async def carry_out(self, vault: Vault) -> list[Epoch]:
        return await vault.epochs.epochs()


class Rotate(Call, frozen=True):
    async def carry_out(self, vault: Vault) -> Epoch:
        return await vault.epochs.rotate()


class Rewrap(Call, frozen=True):
    limit: int

    async def carry_out(self, vault: Vault) -> int:
        return await vault.epochs.rewrap(self.limit)


class DestroyEpoch(Call, frozen=True):
    number: int
    at_once: bool

    async def carry_out(self, vault: Vault) -> None:
        await vault.epochs.destroy(self.number, at_once=self.at_once)


AnyCall: TypeAlias = (
    Keyrings
    | Ensure
    | Destroy
    | Restrict
    | Hashes
    | IndexKeys
    | RotateIndex
    | RetireIndex
    | Epochs
    | Rotate
    | Rewrap
    | DestroyEpoch
)


class Refused(msgspec.Struct, frozen=True):
    """Why a call was not carried out: one of `REFUSALS`, and what it says."""

    kind: str
    message: str = ""


REFUSALS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        KeyDestroyed,
        KeyRestricted,
        UnwrapRefused,
        KeyFileUnusable,
        KeyUnwrapFailed,
        UnknownEpoch,
        EpochInUse,
        EpochTooYoung,
        OneIndexKey,
        TwoIndexKeys,
    )
}
