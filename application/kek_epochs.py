"""Epochs of the key-encryption key: a new one every week, persons' keys wrapped anew, the old ones destroyed.

Copies of a wrapped key survive its destruction, in write-ahead logs and backups: they die with their epoch.
"""

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from domain.errors import DomainError

KEPT = timedelta(days=30)
"""Between an epoch's retirement and its destruction: as long as the oldest backup one may have to restore."""


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    made_at: datetime
    retired_at: datetime | None
    """When a later epoch took over; None: it wraps the new keys."""
    destroyed_at: datetime | None
    keys: int
    """Persons' keys still wrapped under it."""


class KekEpochs(Protocol):
    """Turns over the key that wraps the others. Safe to call from several processes, and again after a crash."""

    async def epochs(self) -> list[Epoch]:
        """Every one there ever was, the oldest first."""

    async def current(self) -> Epoch:
        """The one that wraps new keys."""

    async def rotate(self) -> Epoch:
        """Make a new epoch and use it from now on."""

    async def rewrap(self, limit: int) -> int:
        """Wrap up to `limit` keys under the current epoch instead of an older one; returns how many remain to do."""

    async def destroy(self, number: int, *, at_once: bool = False) -> None:
        """Overwrite an epoch's key where it is kept. A second time changes nothing.

        Raises EpochInUse while it wraps any key, EpochTooYoung within `KEPT` of its retirement unless `at_once`.
        """


class UnknownEpoch(DomainError):
    """There is no such epoch."""

    code = "unknown_epoch"
    status = 404
    title_fr = "Cette époque n'existe pas."


class EpochInUse(DomainError):
    """This epoch still wraps keys: rotate and rewrap first."""

    code = "epoch_in_use"
    title_fr = "Cette époque enveloppe encore des clés : faites d'abord « rotate » puis « rewrap »."


class EpochTooYoung(DomainError):
    """This epoch was retired too short a time ago: backups that need it may still have to be restored."""

    code = "epoch_too_young"
    title_fr = (
        "Cette époque est retirée depuis trop peu de temps : il peut falloir restaurer une sauvegarde qui en dépend."
    )
