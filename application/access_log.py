"""Looking at what is sealed of a person, with the event that says so: it is written before anything is shown."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from application.access import Caller
from application.event_log import Appended, Commit, EventLog, StaleVersion, Stored
from application.key_vault import KeyVault
from domain.access_log import (
    SEALED_BY,
    AccessOpened,
    AccessRefused,
    BudgetSpent,
    Opened,
    Register,
    log_subject,
    month_of,
    pseudonym_of,
    stream_of,
)
from domain.aggregate import Event
from domain.clock import Clock
from domain.compartments import Compartment
from domain.errors import DomainError
from domain.ids import uuid7, uuid8_of
from domain.shares import AccessPurpose

K = TypeVar("K")
T = TypeVar("T")

ATTEMPTS = 5
STREAMS_KEPT = 10_000
TOLD_KEPT = 10_000


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody about to be shown content of a person, or to be refused it."""

    caller: Caller
    subject: UUID
    stream_id: UUID
    """The person's pathway."""
    compartments: frozenset[Compartment]
    purpose: AccessPurpose
    correlation_id: UUID | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How many different persons may be looked at in one day (UTC)."""

    by_user: int = 200
    by_agency: int = 2_000


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays for one more person, out of which day's budget."""

    person: str
    """The month's pseudonym."""
    user: str
    agency: str
    day: date


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be looked at, and who pays for it."""

    stream_id: UUID
    topics: frozenset[str]
    """Events of other topics are left where they are."""
    compartments: frozenset[Compartment]
    """What is opened of them. The rest reads as erased."""
    notes_of: frozenset[str] | None
    """Agencies whose notes are opened; None: everybody's."""
    access_id: UUID
    purpose: AccessPurpose
    spending: Spending


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and where the log says so."""

    appended: Appended
    events: Sequence[Stored]


class LoggedLooks(Protocol):
    """Shows what is sealed to whoever writes, in the very same statement, that they look at it."""

    async def look(self, territory: str, commit: Commit, look: Look) -> Seen:
        """Raises BudgetExceeded and what `EventLog.append` raises, and shows nothing then."""

    async def count(self, territory: str, spending: Spending) -> None:
        """For a person who is read of without opening anything. Raises BudgetExceeded."""

    async def page(self, territory: str, *, after: int, limit: int, agency: str | None) -> list[Stored]:
        """Accesses after a position, and who was stopped, in order; of one agency, or of all."""

    async def forget_before(self, day: date) -> None:
        """Drop whom everybody looked at before that day: it no longer counts."""


class BudgetExceeded(DomainError):
    """Too many different persons were looked at today."""

    code = "too_many_persons"
    status = 429
    title_fr = "Trop de personnes différentes ont été consultées aujourd'hui."

    def __init__(self, *, of_agency: bool, persons_most: int) -> None:
        super().__init__(retry_after_s=3600)
        self.of_agency = of_agency
        self.persons_most = persons_most


class AccessLog:
    """The accesses to one person in one month are one stream, whose versions are kept in mind from one to the next."""

    def __init__(self, log: EventLog, looks: LoggedLooks, vault: KeyVault, clock: Clock) -> None:
        self._log = log
        self._looks = looks
        self._vault = vault
        self._clock = clock
        self._slots: OrderedDict[tuple[str, UUID], _Slot] = OrderedDict()
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._counted: OrderedDict[tuple[str, str, UUID, date], None] = OrderedDict()

    async def look(
        self,
        visit: Visit,
        topics: frozenset[str],
        opened: tuple[Opened, ...],
        *,
        notes_of: frozenset[str] | None = None,
        register: Register = Register.ORDINARY,
    ) -> Seen:
        """The events of these topics on a person's pathway, once it is written that the caller was shown them, and why.

        Raises BudgetExceeded, which is written too, and what `LoggedLooks.look` raises.
        """
        caller, now = visit.caller, self._clock.now()
        person = await self._pseudonym(caller.territory, visit.subject, now, register)
        look = Look(
            stream_id=visit.stream_id,
            topics=topics,
            compartments=visit.compartments,
            notes_of=notes_of,
            access_id=uuid7(),
            purpose=visit.purpose,
            spending=spending_of(caller, person, now),
        )

        async def send(commit: Commit) -> tuple[Appended, Seen]:
            seen = await self._looks.look(caller.territory, commit, look)
            return seen.appended, seen

        draft = _draft(AccessOpened, visit, person, now, access_id=look.access_id, opened=opened)
        try:
            return await self._write(visit, register, draft, send)
        except BudgetExceeded as refusal:
            await self._tell_of_budget(caller, look.spending, refusal)
            raise

    async def count(self, caller: Caller, subject: UUID) -> None:
        """Count a person whose coded facts somebody reads, once a day. Software reads them as it needs.

        Raises BudgetExceeded, which is written too.
        """
        now = self._clock.now()
        read = (caller.territory, user_of(caller), subject, now.date())
        if not caller.is_proved or read in self._counted:
            return
        person = await self._pseudonym(caller.territory, subject, now, Register.ORDINARY)
        spending = spending_of(caller, person, now)
        try:
            await self._looks.count(caller.territory, spending)
        except BudgetExceeded as refusal:
            await self._tell_of_budget(caller, spending, refusal)
            raise
        _remember(self._counted, read)

    async def refuse(self, visit: Visit, reason: str) -> None:
        """Write that content was refused to somebody: once a day for each user, person and reason."""
        caller, now = visit.caller, self._clock.now()
        person = await self._pseudonym(caller.territory, visit.subject, now, Register.ORDINARY)
        refusal = (caller.territory, user_of(caller), person, reason, str(now.date()))
        if refusal in self._told:
            return

        async def send(commit: Commit) -> tuple[Appended, None]:
            return await self._log.append(caller.territory, commit), None

        compartments = tuple(sorted(visit.compartments))
        draft = _draft(AccessRefused, visit, person, now, compartments=compartments, reason=reason)
        await self._write(visit, Register.ORDINARY, draft, send)
        _remember(self._told, refusal)

    async def _write(
        self,
        visit: Visit,
        register: Register,
        draft: Callable[[int], Event],
        send: Callable[[Commit], Awaitable[tuple[Appended, T]]],
    ) -> T:
        """Send the next event of a stream; again, with the next version, when another process wrote one meanwhile."""
        territory, attempts_left = visit.caller.territory, ATTEMPTS
        stream_id = draft(1).originator_id
        async with self._held(territory, stream_id) as slot:
            while True:
                event = draft(slot.version + 1)
                commit = Commit(
                    stream_id=stream_id,
                    expected_version=slot.version,
                    events=[event],
                    subject=log_subject(territory, month_of(event.timestamp), register),
                    correlation_id=visit.correlation_id,
                )
                attempts_left -= 1
                try:
                    appended, sent = await send(commit)
                except StaleVersion as stale:
                    slot.version = stale.current_version
                    if not attempts_left:
                        raise
                else:
                    slot.version = appended.version
                    return sent

    async def _tell_of_budget(self, caller: Caller, spending: Spending, refusal: BudgetExceeded) -> None:
        """Once a day for each budget; whoever came first has told."""
        spender = spending.agency if refusal.of_agency else spending.user
        budget = (caller.territory, spender, str(spending.day))
        if budget in self._told:
            return
        event = BudgetSpent(
            originator_id=uuid8_of("access-budget", *budget),
            originator_version=1,
            timestamp=self._clock.now(),
            agency=caller.agency,
            actor=None if refusal.of_agency else caller.agent,
            day=spending.day,
            of_agency=refusal.of_agency,
            persons_most=refusal.persons_most,
        )
        await append_once(self._log, caller.territory, event)
        _remember(self._told, budget)

    async def _pseudonym(self, territory: str, subject: UUID, now: datetime, register: Register) -> str:
        month = log_subject(territory, month_of(now), register)
        keyring = await self._vault.ensure(territory, month, [SEALED_BY])
        return pseudonym_of(keyring[SEALED_BY].secret, subject)

    @asynccontextmanager
    async def _held(self, territory: str, stream_id: UUID) -> AsyncIterator["_Slot"]:
        """One at a time on a stream in this process: they would only refuse each other."""
        slot = self._slots.setdefault((territory, stream_id), _Slot())
        self._slots.move_to_end((territory, stream_id))
        while len(self._slots) > STREAMS_KEPT:
            self._slots.popitem(last=False)
        async with slot.lock:
            yield slot


class _Slot:
    """The last version known of a stream, and the lock of whoever writes to it."""

    __slots__ = ("lock", "version")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.version = 0


def user_of(caller: Caller) -> str:
    """Whose budget of the day it is."""
    return f"{caller.agency}/{caller.user}"


def spending_of(caller: Caller, person: str, now: datetime) -> Spending:
    return Spending(person=person, user=user_of(caller), agency=caller.agency, day=now.astimezone(UTC).date())


def _remember(known: OrderedDict[K, None], what: K) -> None:
    """Up to `TOLD_KEPT`, the latest."""
    known[what] = None
    while len(known) > TOLD_KEPT:
        known.popitem(last=False)


def _draft(
    event_type: Callable[..., Event], visit: Visit, person: str, now: datetime, **fields: Any
) -> Callable[[int], Event]:
    """The event, for whatever version it will be."""
    caller = visit.caller

    def draft(version: int) -> Event:
        return event_type(
            originator_id=stream_of(caller.territory, person),
            originator_version=version,
            timestamp=now,
            agency=caller.agency,
            actor=caller.agent,
            person=person,
            purpose=visit.purpose,
            means=caller.means.value,
            credential=caller.key_id,
            roles=tuple(sorted(caller.roles)),
            **fields,
        )

    return draft


async def append_once(log: EventLog, territory: str, event: Event) -> None:
    """The first and only event of its stream; a no-op when it is there already."""
    try:
        await log.append(territory, Commit(stream_id=event.originator_id, expected_version=0, events=[event]))
    except StaleVersion:
        return
