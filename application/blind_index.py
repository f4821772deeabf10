"""Finding a person by a full identity without storing any: keyed hashes of several fields together.

Equal hashes show that two identities agree; so no field is ever hashed alone that few values fill.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from application.identity_terms import Identity, Kind
from domain.errors import DomainError

HASH_BYTES = 10


class IndexKey(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a territory's hashing key. Two are in use while the hashes are computed anew."""

    version: int
    made_at: datetime
    retired_at: datetime | None


class BlindKeys(Protocol):
    """Hashes with keys that never leave the vault: without it nobody can try identities one after the other."""

    async def hashes(self, territory: str, terms: Sequence[str]) -> Mapping[int, Sequence[bytes]]:
        """By version in use, the hash of each term, of `HASH_BYTES`. Makes the territory's first key."""

    async def index_keys(self, territory: str) -> list[IndexKey]:
        """Every version there ever was, the oldest first."""

    async def rotate_index(self, territory: str) -> IndexKey:
        """Put another version in use beside the present one. Raises TwoIndexKeys while there are two."""

    async def retire_index(self, territory: str) -> IndexKey:
        """Destroy the older of two versions in use. Raises OneIndexKey when there is no other."""


class Found(msgspec.Struct, frozen=True):
    """A pathway of which some fields of the identity agree."""

    pathway: UUID
    kind: Kind


class BlindIndex(Protocol):
    """The hashes of the identities that are known."""

    async def find(self, territory: str, identity: Identity) -> list[Found]:
        """The pathways of whoever this may be, in no order that tells anything."""

    async def twins(self, territory: str, agency: str, limit: int) -> list[tuple[UUID, UUID, Kind]]:
        """Pairs of pathways that may be one person's, among those that the agency takes part in."""

    async def forget(self, territory: str, subject: UUID) -> int:
        """Delete a person's hashes (erasure); returns how many there were. Doing it again changes nothing."""


class TwoIndexKeys(DomainError):
    """Two versions of the hashing key are in use already: rebuild the index, then retire the older."""

    code = "two_index_keys"
    title_fr = "Deux versions de la clé d'empreinte servent déjà : reconstruisez l'index, puis retirez l'ancienne."


class OneIndexKey(DomainError):
    """One version of the hashing key is in use: it cannot be retired before there is another."""

    code = "one_index_key"
    title_fr = "Une seule version de la clé d'empreinte est en service : elle ne peut être retirée."
