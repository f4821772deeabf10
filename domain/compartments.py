"""Compartments: which key seals which field of a person's events, and what is left once that key is destroyed."""

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

T = TypeVar("T")


class Compartment(StrEnum):
    CASE = "case"  # Coded facts: kinds, themes, dates, states, ids. Rules and read models see only these.
    IDENTITY = "identity"  # Names, birth date, ways to reach the person.
    HEALTH = "health"  # What names a health condition; elsewhere a health theme stands as its family only.
    NOTES = "notes"  # Free text.


class Erased(msgspec.Struct, frozen=True):
    """Stands where a field was whose key has been destroyed."""

    compartment: Compartment


Case = Annotated[T, Compartment.CASE]
Identity = Annotated[T | Erased | None, Compartment.IDENTITY]
Health = Annotated[T | Erased | None, Compartment.HEALTH]
Notes = Annotated[T | Erased | None, Compartment.NOTES]
