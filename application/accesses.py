"""Reading the access log: every access to one person's content, those of an agency; and letting months expire."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import islice
from uuid import UUID

import msgspec

from application.access_log import LoggedLooks, append_once
from application.event_log import EventLog, Stored
from application.key_vault import KeyVault
from domain.access_log import (
    SEALED_BY,
    AccessOpened,
    AccessRefused,
    BudgetSpent,
    Month,
    MonthExpired,
    Opened,
    Register,
    log_subject,
    months_back,
    pseudonym_of,
    stream_of,
)
from domain.clock import Clock
from domain.compartments import Compartment
from domain.ids import uuid8_of
from domain.pathway import SYSTEM, Pathway
from domain.shares import AccessPurpose

MONTHS_KEPT = 12
"""Before the present one (CNIL: six months to a year)."""
MONTHS_BEHIND = 60
"""How late an installation may be with its expiries and still make up for them."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One time that somebody was shown content of a person, or was refused it."""

    at: datetime
    position: int
    person: str
    """The month's pseudonym."""
    agency: str
    agent: str | None
    means: str
    roles: tuple[str, ...]
    compartments: tuple[Compartment, ...]
    purpose: AccessPurpose
    opened: tuple[Opened, ...]
    """Why each compartment was opened; empty when it was refused."""
    refused: str | None
    """Code of the refusal; None when it was allowed."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A user, or a whole agency, was stopped for the rest of the day."""

    at: datetime
    position: int
    agency: str
    agent: str | None
    """None: the agency as a whole."""
    day: date
    persons_most: int


class AccessPage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the access log, in order."""

    accesses: list[Access]
    spent: list[Spent]
    next_after: int | None
    """After what to go on; None at the end."""


def months_kept(break_glass: int = MONTHS_KEPT) -> Mapping[Register, int]:
    """What was opened by breaking the glass may be kept longer, where it is justified."""
    return {Register.ORDINARY: MONTHS_KEPT, Register.BREAK_GLASS: break_glass}


class Accesses:
    """The accesses to one person in one month are one stream: reading it needs that month's key, and no projection."""

    def __init__(
        self,
        log: EventLog,
        looks: LoggedLooks,
        vault: KeyVault,
        clock: Clock,
        kept: Mapping[Register, int] | None = None,
    ) -> None:
        self._log = log
        self._looks = looks
        self._vault = vault
        self._clock = clock
        self._kept_months = kept or months_kept()

    async def accesses_of(self, territory: str, subject: UUID) -> list[Access]:
        """Every access to this person's content that is still kept, oldest first. The person may be erased."""
        keyrings = await self._vault.keyrings(territory, list(self._kept(territory)))
        streams = [
            stream_of(territory, pseudonym_of(ring[SEALED_BY].secret, subject))
            for ring in keyrings.values()
            if SEALED_BY in ring
        ]
        found = await self._log.read_streams(territory, streams)
        accesses = (access_of(stored) for history in found.values() for stored in history)
        return sorted((each for each in accesses if each is not None), key=lambda each: each.position)

    async def of_pathway(self, pathway: Pathway) -> list[Access]:
        return [] if pathway.subject is None else await self.accesses_of(pathway.territory, pathway.subject)

    async def page(self, territory: str, *, after: int, limit: int, agency: str | None = None) -> AccessPage:
        """Accesses to anybody's content, of one agency or of all. Those of expired months are not among them."""
        stored = await self._looks.page(territory, after=after, limit=limit, agency=agency)
        return AccessPage(
            accesses=[access for each in stored if (access := access_of(each)) is not None],
            spent=[spent for each in stored if (spent := _spent(each)) is not None],
            next_after=stored[-1].position if len(stored) == limit else None,
        )

    async def expire(self) -> int:
        """Destroy the keys of the months that have served their time, and drop the counts of the days that are over.

        To be called now and then. Returns how many months there were.
        """
        await self._looks.forget_before(self._clock.now().date() - timedelta(days=1))
        return sum([await self._expire_all(territory) for territory in await self._log.territories()])

    async def _expire_all(self, territory: str) -> int:
        now = self._clock.now()
        over = {
            log_subject(territory, month, register): (register, month)
            for register, kept in self._kept_months.items()
            for month in islice(months_back(now), kept + 1, kept + 1 + MONTHS_BEHIND)
        }
        live = await self._vault.keyrings(territory, list(over), fresh=True)
        expired = sorted((over[subject], subject) for subject, ring in live.items() if ring)
        for (register, month), subject in expired:
            await append_once(self._log, territory, _expiry(territory, register, month, now))
            await self._vault.destroy(territory, subject, [SEALED_BY])
        return len(expired)

    def _kept(self, territory: str) -> Iterator[UUID]:
        now = self._clock.now()
        for register, kept in self._kept_months.items():
            for month in islice(months_back(now), kept + 1):
                yield log_subject(territory, month, register)


def access_of(stored: Stored) -> Access | None:
    """None for an event whose month has expired."""
    match stored.event:
        case AccessOpened() as event:
            return _access(event, tuple(each.compartment for each in event.opened), opened=event.opened, refused=None)
        case AccessRefused() as event:
            return _access(event, event.compartments, opened=(), refused=event.reason)
    return None


def _spent(stored: Stored) -> Spent | None:
    event = stored.event
    if not isinstance(event, BudgetSpent):
        return None
    return Spent(
        at=event.timestamp,
        position=event.position,
        agency=event.agency,
        agent=event.actor,
        day=event.day,
        persons_most=event.persons_most,
    )


def _access(
    event: AccessOpened | AccessRefused,
    compartments: tuple[Compartment, ...],
    *,
    opened: tuple[Opened, ...],
    refused: str | None,
) -> Access:
    return Access(
        at=event.timestamp,
        position=event.position,
        person=event.person,
        agency=event.agency,
        agent=event.actor,
        means=event.means,
        roles=event.roles,
        compartments=compartments,
        purpose=event.purpose,
        opened=opened,
        refused=refused,
    )


def _expiry(territory: str, register: Register, month: Month, now: datetime) -> MonthExpired:
    return MonthExpired(
        originator_id=uuid8_of("access-month", territory, register, month),
        originator_version=1,
        timestamp=now,
        agency=SYSTEM,
        month=month,
        register=register,
    )
