"""Keys of persons, one per compartment, wrapped by a key that lives outside the database."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.compartments import Compartment
from domain.errors import DomainError

CACHE_SECONDS = 60.0
"""The longest a process may go on using a key that was destroyed elsewhere, should it not be told."""


class DataKey(msgspec.Struct, frozen=True):
    """A clear data-encryption key. Never logged, never stored."""

    generation: int
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey(generation={self.generation})"


Keyring = Mapping[Compartment, DataKey]


class Purpose(StrEnum):
    """What a key is asked for."""

    RECORD = "record"  # The machinery loads, decides, seals and folds: nothing is shown to anybody.
    CARE = "care"  # Somebody reads what the service needs to know.
    EXPORT = "export"  # The person asks what is known of them.
    DPO = "dpo"
    ERASURE = "erasure"


DESPITE_RESTRICTION = frozenset({Purpose.EXPORT, Purpose.DPO, Purpose.ERASURE})


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for keys, and why."""

    purpose: Purpose
    actor: str
    """A pseudonym; never a name."""
    access_event: UUID | None = None
    """The entry of the access log that tells of this use: there is one whenever something is shown."""


MACHINERY = Use(purpose=Purpose.RECORD, actor="unisson")


class KeyVault(Protocol):
    """Makes, opens, withholds and destroys the keys of persons."""

    async def keyrings(
        self, territory: str, subjects: Iterable[UUID], *, fresh: bool = False, use: Use = MACHINERY
    ) -> dict[UUID, Keyring]:
        """The live keys of these subjects. A destroyed or unknown key is simply not there.

        Answers may be a minute old; `fresh` asks the store itself. What is to be shown is always fresh, and counted.
        Of a restricted person the machinery gets the key of coded facts only.
        Raises UnwrapRefused without an access event for what is to be shown, KeyRestricted for a restricted person.
        """

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        """The subject's keys, made if they never were.

        A destroyed key is never made again: raises KeyDestroyed. Raises KeyRestricted for a restricted person, unless
        coded facts are all that is to be sealed.
        """

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        """Make what these keys sealed unreadable, and every process forget them. Doing it again changes nothing."""

    async def restrict(self, territory: str, subject: UUID, restricted: bool) -> None:
        """Withhold all of a person's keys, or release them, whatever the compartment. Doing it again changes nothing.

        While it lasts, snapshots taken of the person lack what was withheld: whoever lifts it drops them.
        """


class KeyDestroyed(Exception):
    """The person's data have been erased; nothing more can be recorded for them."""


class KeyRestricted(DomainError):
    """The processing of this person's data is restricted: they are kept, and neither shown nor added to."""

    code = "person_restricted"
    title_fr = (
        "Le traitement des données de cette personne est limité : elles sont conservées, mais ni montrées "
        "ni complétées."
    )


class UnwrapRefused(Exception):
    """Keys were asked for without saying who asks, why, or which entry of the access log tells of it: a bug."""


def must_be_allowed(use: Use) -> None:
    """Raises UnwrapRefused unless the use says all that it must."""
    if not use.actor:
        raise UnwrapRefused("nobody asks")
    if use.purpose is not Purpose.RECORD and use.access_event is None:
        raise UnwrapRefused(f"no access event for {use.purpose}")


def withheld(keyring: Keyring, use: Use) -> Keyring:
    """What is left of a restricted person's keys for this use. Raises KeyRestricted when that is nothing."""
    if use.purpose in DESPITE_RESTRICTION:
        return keyring
    if use.purpose is Purpose.RECORD:
        return {name: key for name, key in keyring.items() if name is Compartment.CASE}
    raise KeyRestricted
