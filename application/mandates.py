"""Use cases on auditors' mandates: propose, sign, revoke; what one opens now; what was opened under it."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from application.access import Caller, Means
from application.authorisation import Forbidden, Warrant, authorise, may_ever
from application.civil_time import ZoneOf, in_paris
from application.decision_table import Action
from application.event_log import Appended, Commit, EventLog, Idempotency, StaleVersion
from application.memberships import scopes_of
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act
from domain.errors import DomainError
from domain.mandate import (
    Mandate,
    MandateCommand,
    MandateKind,
    MandateRegister,
    MandateUsed,
    SignMandate,
    open_register,
    register_id_of,
    use_id_of,
)
from domain.pathway import NotAParticipant
from domain.roles import Role
from domain.rulebook import Author

ATTEMPTS = 4
TERRITORIES_KEPT = 256
USES_KEPT = 10_000
"""Openings known to be recorded: no need to say them again."""

KIND_OF_ROLE = {
    Role.INTEGRITY_AUDITOR: MandateKind.INTEGRITY,
    Role.STATISTICS_AUDITOR: MandateKind.STATISTICS,
    Role.CASE_AUDITOR: MandateKind.CASE,
}


class MandateRequired(DomainError):
    """This is open to an auditor under a mandate that is signed and has not ended."""

    code = "mandate_required"
    status = 403
    title_fr = "Ceci n'est ouvert qu'à un auditeur, sous un mandat signé et en cours."


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A command was carried out, durably."""

    mandate_id: UUID
    version: int
    """Of the register."""
    position: int
    """Where the territory's log stood after it; 0 when the command changed nothing."""
    replayed: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command, who gives it, and under which key it may come again."""

    caller: Caller
    command: MandateCommand
    idempotency_key: str
    fingerprint: bytes
    correlation_id: UUID | None = None


class Use(NamedTuple):
    """On that day the auditor of a mandate opened a pathway, for the first time at this instant."""

    pathway: UUID
    day: str
    at: datetime


class Mandates:
    """The mandates of every territory, straight from the log."""

    def __init__(self, log: EventLog, clock: Clock, zone_of: ZoneOf = in_paris) -> None:
        self._log = log
        self._clock = clock
        self._zone_of = zone_of
        self._known: OrderedDict[str, MandateRegister] = OrderedDict()
        self._said: OrderedDict[UUID, None] = OrderedDict()

    async def carry_out(self, order: Order) -> Receipt:
        """Raises Forbidden, StaleVersion, IdempotencyKeyReused and what the command itself may raise."""
        action = Action.SIGN_MANDATES if isinstance(order.command, SignMandate) else Action.PROPOSE_MANDATES
        authorise(order.caller, action, None, at=self._clock.now())
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                return await self._decide(order)
            except StaleVersion:
                if not attempts_left:
                    raise
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def read(self, territory: str) -> MandateRegister:
        """As the log has it now; an empty one before anything was proposed. Not to be changed."""
        return await self._load(territory) or MandateRegister()

    async def seen_by(self, caller: Caller) -> list[Mandate]:
        """Those that the caller may read, as they were proposed: all for who may propose or sign, else one's own."""
        mandates = (await self.read(caller.territory)).mandates.values()
        if may_ever(caller, Action.PROPOSE_MANDATES):
            return list(mandates)
        return [each for each in mandates if caller.means is Means.PERSON and each.auditor == author_of(caller)]

    async def limited(self, caller: Caller) -> Caller:
        """The caller without those roles of an auditor that no mandate backs now."""
        audits = caller.roles & KIND_OF_ROLE.keys()
        if not audits:
            return caller
        register, now, me = await self.read(caller.territory), self._clock.now(), author_of(caller)
        backed = {each.kind for each in register.mandates.values() if each.is_open_to(me, each.kind, now)}
        lost = {role for role in audits if KIND_OF_ROLE[role] not in backed}
        if not lost:
            return caller
        left = caller.roles - lost
        return msgspec.structs.replace(caller, roles=left, scopes=caller.scopes & scopes_of(left))

    async def in_force(self, caller: Caller, kind: MandateKind) -> list[Mandate]:
        """Those of one kind that are open to the caller now. Raises MandateRequired when there is none."""
        register, now, me = await self.read(caller.territory), self._clock.now(), author_of(caller)
        found = [each for each in register.mandates.values() if each.is_open_to(me, kind, now)]
        if not found:
            raise MandateRequired
        return found

    async def reach(self, caller: Caller) -> Mapping[UUID, UUID]:
        """The pathways open to an auditor of cases now, each with the mandate that opens it.

        Raises Forbidden, MandateRequired.
        """
        if not may_ever(caller, Action.AUDIT_REPLAY):
            raise Forbidden
        mandates = await self.in_force(caller, MandateKind.CASE)
        return {pathway: mandate.id for mandate in mandates for pathway in mandate.pathways}

    async def warrants(self, caller: Caller) -> list[Warrant]:
        """The same, as the decision table asks for it."""
        return [
            Warrant(mandate_id=mandate.id, pathways=frozenset(mandate.pathways), until=mandate.ends_at)
            for mandate in await self.in_force(caller, MandateKind.CASE)
        ]

    async def open(self, caller: Caller, pathways: Collection[UUID]) -> None:
        """Say in the log that the caller opens these pathways, before they are opened: nothing said, nothing opened.

        Raises MandateRequired, and NotAParticipant for a pathway that no mandate names, as for one that is not there.
        """
        reach = await self.reach(caller)
        if not reach.keys() >= set(pathways):
            raise NotAParticipant
        day = self._today(caller.territory).isoformat()
        await asyncio.gather(*(self._say(caller, reach[pathway], pathway, day) for pathway in sorted(pathways)))

    async def uses(self, territory: str, mandate: Mandate) -> list[Use]:
        """What was opened under a mandate, oldest first."""
        ids = [
            use_id_of(mandate.id, pathway, day)
            for day in self._days(territory, mandate)
            for pathway in mandate.pathways
        ]
        found = []
        for [stored] in (await self._log.read_streams(territory, ids)).values():
            assert isinstance(stored.event, MandateUsed)
            found.append((stored.position, Use(stored.event.pathway_id, stored.event.day, stored.event.timestamp)))
        return [use for _, use in sorted(found)]

    def _days(self, territory: str, mandate: Mandate) -> Iterator[str]:
        """Every day on which it may have been used so far."""
        zone = self._zone_of(territory)
        day = mandate.begins_at.astimezone(zone).date()
        last = min(self._today(territory), mandate.ends_at.astimezone(zone).date())
        while day <= last:
            yield day.isoformat()
            day += timedelta(days=1)

    async def _say(self, caller: Caller, mandate_id: UUID, pathway: UUID, day: str) -> None:
        use_id = use_id_of(mandate_id, pathway, day)
        if use_id in self._said:
            self._said.move_to_end(use_id)
            return
        used = MandateUsed(
            originator_id=use_id,
            originator_version=1,
            originator_topic=MandateUsed.ORIGINATOR,
            timestamp=self._clock.now(),
            agency=caller.agency,
            actor=caller.agent,
            mandate_id=mandate_id,
            pathway_id=pathway,
            day=day,
        )
        with suppress(StaleVersion):  # Said already that day.
            await self._log.append(caller.territory, Commit(stream_id=use_id, expected_version=0, events=[used]))
        self._said[use_id] = None
        while len(self._said) > USES_KEPT:
            self._said.popitem(last=False)

    async def _decide(self, order: Order) -> Receipt:
        territory = order.caller.territory
        known, act = await self._load(territory), self._act(order.caller)
        register = open_register(territory, act) if known is None else known.copy()
        version = 0 if known is None else known.version
        try:
            mandate_id = order.command.decide(register, act)
        except DomainError:
            replayed = await self._replayed(order)
            if replayed is None:
                raise
            return replayed
        events = [event for event in register.collect_events() if isinstance(event, Event)]
        return _receipt(await self._append(order, mandate_id, version, events), mandate_id)

    async def _append(self, order: Order, mandate_id: UUID, version: int, events: list[Event]) -> Appended:
        """With nothing to append, the answer alone is remembered."""
        territory = order.caller.territory
        commit = Commit(
            stream_id=register_id_of(territory),
            expected_version=version,
            events=events,
            correlation_id=order.correlation_id,
            idempotency=Idempotency(
                client=order.caller.agency,
                key=order.idempotency_key,
                fingerprint=order.fingerprint,
                outcome=msgspec.json.encode(mandate_id),
            ),
        )
        return await self._log.append(territory, commit)

    async def _replayed(self, order: Order) -> Receipt | None:
        """A refused command may be one that was carried out before: then the answer it was given stands."""
        caller = order.caller
        if await self._log.outcome(caller.territory, caller.agency, order.idempotency_key) is None:
            return None
        nothing = UUID(int=0)
        return _receipt(await self._append(order, nothing, 0, []), nothing)

    async def _load(self, territory: str) -> MandateRegister | None:
        """What was known is gone on from: a stream is never rewritten."""
        was = self._known.get(territory)
        news = await self._log.read_stream(
            territory, register_id_of(territory), after_version=0 if was is None else was.version
        )
        register = None if was is None else was.copy() if news else was
        for stored in news:
            register = stored.event.mutate(register)
        if register is not None:
            self._known[territory] = register
            self._known.move_to_end(territory)
            while len(self._known) > TERRITORIES_KEPT:
                self._known.popitem(last=False)
        return register

    def _act(self, caller: Caller) -> Act:
        return Act(agency=caller.agency, agent=caller.agent, at=self._clock.now(), today=self._today(caller.territory))

    def _today(self, territory: str) -> date:
        return self._clock.now().astimezone(self._zone_of(territory)).date()


def author_of(caller: Caller) -> Author:
    return Author(caller.agency, caller.agent)


def _receipt(appended: Appended, mandate_id: UUID) -> Receipt:
    if appended.replayed is not None:
        mandate_id = msgspec.json.decode(appended.replayed, type=UUID)
    return Receipt(
        mandate_id=mandate_id,
        version=appended.version,
        position=appended.last_position,
        replayed=appended.replayed is not None,
    )
