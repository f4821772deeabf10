"""What anyone may ask for in order to check the log from outside: checkpoints, proofs, tiles, receipts."""

from typing import Protocol

import msgspec

from domain.errors import DomainError


class NothingSealed(DomainError):
    """The log of this territory has not been sealed yet."""

    code = "nothing_sealed"
    status = 404
    title_fr = "Le journal de ce territoire n'a pas encore été scellé."


class NoSuchTree(DomainError):
    """The sealed log has never had these sizes, or does not hold this event."""

    code = "no_such_tree"
    status = 404
    title_fr = "Le journal scellé n'a jamais eu ces tailles, ou ne contient pas cet événement."


class UnknownReceipt(DomainError):
    """Your agency recorded nothing at this position."""

    code = "unknown_receipt"
    status = 404
    title_fr = "Votre service n'a rien enregistré à cette position."


class NotSealedYet(DomainError):
    """This event is recorded and will be sealed within the minute; ask again."""

    code = "not_sealed_yet"
    status = 409
    title_fr = "Cet événement est enregistré et sera scellé dans la minute ; redemandez."


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Shows that an event is in the log for good: it can be checked without trusting who gave it."""

    position: int
    leaf_index: int
    leaf_hash: bytes
    """SHA-256 of a zero byte, the header and the payload's hash."""
    header: bytes
    """What the event says in clear: where, when, by which agency, of what kind."""
    payload_sha256: bytes
    inclusion_proof: list[bytes]
    checkpoint: str
    """The signed note that the proof leads to."""


class LogProofs(Protocol):
    async def checkpoint(self, territory: str) -> str:
        """The last signed note, with the lines of witnesses. Raises NothingSealed."""

    async def receipt(self, territory: str, agency: str, position: int) -> Receipt:
        """Of an event that this agency recorded. Raises UnknownReceipt or NotSealedYet."""

    async def inclusion(self, territory: str, index: int, size: int) -> list[bytes]:
        """Raises NoSuchTree."""

    async def consistency(self, territory: str, old_size: int, size: int) -> list[bytes]:
        """Raises NoSuchTree."""

    async def tile(self, territory: str, level: int, number: int, width: int) -> bytes | None:
        """So many hashes of a tile of the sealed tree; None when it does not hold them."""

    async def entries(self, territory: str, number: int, width: int) -> bytes | None:
        """What the leaves of a tile of level 0 were made from, each after its length on two bytes."""
