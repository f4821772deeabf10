"""What another system tells of a person: one pathway, step by step, each step known again by its id."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

import msgspec

from application.importing import Reason, Refusal
from application.key_vault import KeyVault
from domain.command import Command
from domain.compartments import Compartment
from domain.errors import DomainError
from domain.opening import OpenPathway

SECRETS = UUID("6d706f72-7400-8000-8000-000000000001")
"""What a territory's import secret is filed under in the key vault."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one line says, as a command that carries the id of its entry."""

    id: UUID
    command: Command
    agency: str
    file: str
    line: int
    columns: Mapping[str, str] = {}
    """Column of each field of the command (JSON pointer) that may be refused."""

    def refused(self, error: DomainError) -> Refusal:
        return Refusal(self.file, self.line, self.columns.get(error.field or ""), Reason.of(error))


class Opening(Step, frozen=True, kw_only=True):
    """The step that opens a pathway; its id is the pathway's."""

    command: OpenPathway


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """One person's pathway as the source tells it. Steps stand in the order in which they happened."""

    subject: UUID
    opening: Opening
    steps: tuple[Step, ...]
    closing: Step | None = None
    """Closes the pathway once all that is told has been recorded; its id is not used."""
    deleted: tuple[UUID, ...] = ()
    """Entries of lines that the source now marks as deleted, in the order in which they may be taken back."""

    @property
    def pathway_id(self) -> UUID:
        return self.opening.id


class Ids:
    """Ids made from where a thing came from: the same each time, and telling nothing to who lacks the secret."""

    def __init__(self, secret: bytes, source: str) -> None:
        self._key = hmac.digest(secret, source.encode(), sha256)

    def of(self, *place: str) -> UUID:
        """A UUIDv8: 48 fixed bits, so that what is imported is stored together, then 74 bits of HMAC-SHA256."""
        said = msgspec.json.encode(place)
        bits = int.from_bytes(hmac.digest(self._key, said, sha256)[:10], "big") >> 6
        return UUID(int=(0x8 << 76) | ((bits >> 62) << 64) | (0b10 << 62) | (bits & ((1 << 62) - 1)))


async def import_secret(vault: KeyVault, territory: str, *, dry_run: bool) -> bytes:
    """The territory's own, kept wrapped in the key vault. A dry run does not make one: nothing can be recorded yet."""
    if dry_run:
        known = (await vault.keyrings(territory, [SECRETS])).get(SECRETS, {})
        return known[Compartment.CASE].secret if known else bytes(32)
    return (await vault.ensure(territory, SECRETS, [Compartment.CASE]))[Compartment.CASE].secret
