"""Use cases on pathways: load, ask the aggregate, append. One writer at a time per pathway in this process."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, cast
from uuid import UUID

import msgspec

from application.access import Caller
from application.authorisation import authorise, must_be_allowed
from application.civil_time import ZoneOf, in_paris
from application.decision_table import Action
from application.event_log import (
    Appended,
    AppendInDoubt,
    Commit,
    EventLog,
    Idempotency,
    IdempotencyKeyReused,
    LogBusy,
    StaleVersion,
    Stored,
)
from application.key_vault import KeyDestroyed, KeyRestricted
from application.snapshots import Snapshots
from application.whole_steps import until_a_whole_step
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act, Command
from domain.errors import DomainError
from domain.opening import OpenPathway, open_pathway
from domain.pathway import NotAParticipant, Pathway
from domain.roles import Role

ATTEMPTS = 4  # The first, then three more after somebody else wrote in between.
PATHWAYS_KEPT = 2_000
REFUSAL_STEP_SECONDS = 0.02
"""Longer than it takes to read and fold most pathways."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command, in whose name, and under which conditions."""

    caller: Caller
    command: Command
    idempotency_key: str
    fingerprint: bytes
    """Digest of the whole request: the same key with another fingerprint is refused."""
    if_match: int | None = None
    """Refuse unless this is the pathway's present version."""
    correlation_id: UUID | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a command with its idempotency key."""

    pathway_id: UUID
    id: UUID | None
    created: bool


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A command was carried out, durably."""

    pathway_id: UUID
    id: UUID | None
    """What was recorded; None where nothing new has an id."""
    created: bool
    version: int
    position: int
    """Where the territory's log stood after it; 0 when the command changed nothing."""
    replayed: bool = False


class PersonErased(DomainError):
    """The person's data have been erased: nothing more can be recorded here."""

    code = "person_erased"
    status = 410
    title_fr = "Les données de la personne ont été effacées : plus rien ne peut être enregistré ici."


class InFlight(DomainError):
    """The same request, with the same idempotency key, is being carried out right now."""

    code = "in_flight"
    title_fr = "La même demande, avec la même clé d'idempotence, est en cours d'exécution."

    def __init__(self) -> None:
        super().__init__(retry_after_s=1)


NOT_ABOUT_THE_STATE = (LogBusy, AppendInDoubt, IdempotencyKeyReused, PersonErased)
"""Refusals that deciding again cannot change."""
USES = frozenset({Action.READ_CASE, Action.WRITE_CASE})
"""What restricting a pathway puts an end to, the data-protection officer apart."""


class PersonBudget(Protocol):
    """Keeps count of the persons whom somebody reads of."""

    async def count(self, caller: Caller, subject: UUID) -> None: ...


class Slot:
    """A pathway kept in memory, and the lock of whoever writes to it."""

    __slots__ = ("lock", "pathway")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.pathway: Pathway | None = None


class Pathways:
    """Opens pathways, carries out commands on them, reads them back.

    Pathways used lately stay in memory and may be behind the log: what is read is caught up first, and what is decided
    on a stale state is refused by the log, then decided again.
    """

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        zone_of: ZoneOf = in_paris,
        kept: int = PATHWAYS_KEPT,
        snapshots: Snapshots | None = None,
        budget: PersonBudget | None = None,
        refusal_step_seconds: float = REFUSAL_STEP_SECONDS,
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._budget = budget
        self._clock = clock
        self._zone_of = zone_of
        self._kept = kept
        self._refusal_step_seconds = refusal_step_seconds
        self._slots: OrderedDict[tuple[str, UUID], Slot] = OrderedDict()
        self._in_flight: set[tuple[str, str, str]] = set()

    async def open(self, order: Order) -> Receipt:
        """Open a pathway for a person. The caller's agency is its first participant."""
        assert isinstance(order.command, OpenPathway)
        territory = order.caller.territory
        with self._alone(order):
            act = self._act(order.caller)
            pathway = open_pathway(order.command, territory, act, pathway_id=act.new_id(), subject=act.new_id())
            async with self._held(territory, pathway.id) as slot:
                return await self._append(slot, pathway, order, recorded=pathway.id)

    async def act(self, pathway_id: UUID, order: Order) -> Receipt:
        """Carry out a command.

        When somebody else wrote in between, the command is decided again on the new state, unless the caller named the
        version it expects. Raises NotAParticipant, StaleVersion, InFlight and what the command itself may raise.
        """
        async with self._telling_nothing():
            with self._alone(order):
                async with self._held(order.caller.territory, pathway_id) as slot:
                    if slot.pathway is None:
                        await self._catch_up(slot, order.caller.territory, pathway_id)
                    return await self._carry_out(slot, pathway_id, order)

    async def read(self, caller: Caller, pathway_id: UUID, action: Action = Action.READ_CASE) -> Pathway:
        """The pathway as the log has it now. Not to be changed by the reader.

        Raises NotAParticipant, Forbidden, and what the budget raises when coded facts are to be read.
        """
        async with self._telling_nothing(), self._held(caller.territory, pathway_id) as slot:
            await self._catch_up(slot, caller.territory, pathway_id)
            pathway = self._allowed(caller, slot.pathway, action)
        if self._budget is not None and action is Action.READ_CASE and pathway.subject is not None:
            await self._budget.count(caller, pathway.subject)
        return pathway

    async def read_as_known(self, caller: Caller, pathway_id: UUID, until_position: int) -> Pathway:
        """The pathway as it was known when the log stood at a position. Raises NotAParticipant before its opening."""
        await self.read(caller, pathway_id)
        history = await self._log.read_stream(caller.territory, pathway_id, until_position=until_position)
        return self._allowed(caller, fold(None, history), Action.READ_CASE)

    async def changes(self, caller: Caller, pathway_id: UUID, *, after_version: int) -> list[Stored]:
        """What was recorded since a version, oldest first. Raises NotAParticipant."""
        await self.read(caller, pathway_id)
        return await self._log.read_stream(caller.territory, pathway_id, after_version=after_version)

    async def _carry_out(self, slot: Slot, pathway_id: UUID, order: Order) -> Receipt:
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                return await self._decide(slot, order)
            except NOT_ABOUT_THE_STATE:
                raise
            except DomainError as refusal:
                behind = await self._catch_up(slot, order.caller.territory, pathway_id)
                if not (behind and attempts_left):
                    return await self._replay_or_raise(order, pathway_id, refusal)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def _decide(self, slot: Slot, order: Order) -> Receipt:
        pathway = must_be_allowed(order.caller, order.command, slot.pathway, at=self._clock.now())
        if pathway.is_restricted:
            raise KeyRestricted
        if order.if_match is not None and order.if_match != pathway.version:
            raise StaleVersion(pathway.version)
        slot.pathway = None  # Ahead of the log until the append has succeeded.
        try:
            recorded = order.command.decide(pathway, self._act(order.caller))
        except DomainError:
            slot.pathway = pathway  # A refusal changed nothing.
            raise
        return await self._append(slot, pathway, order, recorded)

    async def _append(self, slot: Slot, pathway: Pathway, order: Order, recorded: UUID | None) -> Receipt:
        events = cast("list[Event]", pathway.collect_events())
        outcome = Outcome(pathway_id=pathway.id, id=recorded, created=recorded is not None)
        commit = Commit(
            stream_id=pathway.id,
            expected_version=pathway.version - len(events),
            events=events,
            subject=pathway.subject,
            correlation_id=order.correlation_id,
            idempotency=_idempotency(order, outcome),
        )
        try:
            appended = await self._log.append(order.caller.territory, commit)
        except KeyDestroyed:
            raise PersonErased from None
        if appended.replayed is not None:
            return _replayed(appended)
        for event, position in zip(events, range(appended.first_position, appended.last_position + 1), strict=True):
            pathway.ledger.stamp(event.originator_version, position, appended.recorded_at)
        slot.pathway = pathway
        return Receipt(
            pathway_id=pathway.id,
            id=recorded,
            created=outcome.created,
            version=appended.version,
            position=appended.last_position,
        )

    async def _replay_or_raise(self, order: Order, pathway_id: UUID, refusal: DomainError) -> Receipt:
        """A refused command may be one that was carried out before: then the answer it was given stands."""
        known = await self._log.outcome(order.caller.territory, order.caller.agency, order.idempotency_key)
        if known is None:
            raise refusal
        outcome = Outcome(pathway_id=pathway_id, id=None, created=False)
        commit = Commit(stream_id=pathway_id, expected_version=0, events=(), idempotency=_idempotency(order, outcome))
        return _replayed(await self._log.append(order.caller.territory, commit))

    async def _catch_up(self, slot: Slot, territory: str, pathway_id: UUID) -> bool:
        """Fold what the log has beyond the slot; False when there was nothing."""
        before = slot.pathway.version if slot.pathway else 0
        if slot.pathway is None and self._snapshots is not None:
            slot.pathway = await self._snapshots.latest(territory, pathway_id)
        version = slot.pathway.version if slot.pathway else 0
        news = await self._log.read_stream(territory, pathway_id, after_version=version)
        slot.pathway = fold(slot.pathway, news)
        if slot.pathway is None:
            return False
        if self._snapshots is not None:
            self._snapshots.offer(territory, slot.pathway, folded=len(news))
        return slot.pathway.version > before

    @asynccontextmanager
    async def _held(self, territory: str, pathway_id: UUID) -> AsyncIterator[Slot]:
        """The pathway's slot, for one task at a time. A slot left empty is not kept: absent pathways cost no memory."""
        place = (territory, pathway_id)
        slot = self._slots.setdefault(place, Slot())
        self._slots.move_to_end(place)
        try:
            async with slot.lock:
                yield slot
        finally:
            if slot.pathway is None and self._slots.get(place) is slot:
                del self._slots[place]
            while len(self._slots) > self._kept:
                self._slots.popitem(last=False)

    @asynccontextmanager
    async def _telling_nothing(self) -> AsyncIterator[None]:
        """A stranger is refused at a whole step of time: a pathway that there is takes longer to look at than none."""
        began = time.monotonic()
        try:
            yield
        except NotAParticipant:
            await until_a_whole_step(began, self._refusal_step_seconds)
            raise

    def forget(self, territory: str, pathway_id: UUID) -> None:
        """Let go of what is remembered of a pathway: it was erased, or what may be known of it changed elsewhere."""
        self._slots.pop((territory, pathway_id), None)

    def _allowed(self, caller: Caller, pathway: Pathway | None, action: Action) -> Pathway:
        ground = authorise(caller, action, pathway, at=self._clock.now())
        assert pathway is not None, "of an absent one nothing is allowed"
        if pathway.is_restricted and action in USES and ground.capacity is not Role.DPO:
            raise KeyRestricted
        return pathway

    def _act(self, caller: Caller) -> Act:
        at = self._clock.now()
        return Act(
            agency=caller.agency, agent=caller.agent, at=at, today=at.astimezone(self._zone_of(caller.territory)).date()
        )

    @contextmanager
    def _alone(self, order: Order) -> Iterator[None]:
        """Two requests under one idempotency key never run side by side here; across processes the log decides."""
        ticket = (order.caller.territory, order.caller.agency, order.idempotency_key)
        if ticket in self._in_flight:
            raise InFlight
        self._in_flight.add(ticket)
        try:
            yield
        finally:
            self._in_flight.discard(ticket)


def fold(pathway: Pathway | None, history: list[Stored]) -> Pathway | None:
    """The pathway after these events; None when there is none, or when they are of something else than a pathway."""
    for stored in history:
        pathway = stored.event.mutate(pathway)
    return pathway if isinstance(pathway, Pathway) else None


def _idempotency(order: Order, outcome: Outcome) -> Idempotency:
    return Idempotency(
        client=order.caller.agency,
        key=order.idempotency_key,
        fingerprint=order.fingerprint,
        outcome=msgspec.json.encode(outcome),
    )


def _replayed(appended: Appended) -> Receipt:
    assert appended.replayed is not None
    outcome = msgspec.json.decode(appended.replayed, type=Outcome)
    return Receipt(
        pathway_id=outcome.pathway_id,
        id=outcome.id,
        created=outcome.created,
        version=appended.version,
        position=appended.last_position,
        replayed=True,
    )
