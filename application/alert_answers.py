"""The alert desk: what agencies do about alerts, on top of what the rules and time write into the same streams."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec

from application.access import Caller
from application.alert_streams import ATTEMPTS, append_steps, living
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
from application.pathways import Pathways
from application.whole_steps import until_a_whole_step
from domain.alert import Alert, AlertStatus, Sees
from domain.alert_commands import AlertAct, AlertCommand
from domain.alert_escalation import EscalationLevel, level_of
from domain.alert_refusals import RightEnded, SaidTooMuch, UnknownAlert
from domain.alert_steps import AlertRead, AlertStep
from domain.clock import Clock
from domain.errors import DomainError
from domain.pathway import NotAParticipant
from domain.roles import Role
from domain.rules.calendars import Calendars

REFUSAL_STEP_SECONDS = 0.02
"""Longer than it takes to read and fold most alerts."""
SAID_MAX = 200
"""Steps of one agency in one revision: whoever repeats itself makes every later reading longer."""
NOT_ABOUT_THE_STATE = (LogBusy, AppendInDoubt, IdempotencyKeyReused)
"""Refusals that deciding again cannot change."""


class AlertOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A command on an alert, in whose name, and under which conditions."""

    caller: Caller
    command: AlertCommand
    idempotency_key: str
    fingerprint: bytes
    """Digest of the whole request: the same key with another fingerprint is refused."""
    if_match: int | None = None
    """Refuse unless this is the alert's present version."""
    correlation_id: UUID | None = None


class AlertReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """A command on an alert was carried out, durably."""

    alert_id: UUID
    version: int
    position: int
    """Where the territory's log stood after it; 0 when the command changed nothing."""
    replayed: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands in the log, and how much of it somebody may know."""

    alert: Alert
    subject: UUID
    history: Sequence[Stored]
    sees: Sees
    coordinates: bool
    """By what was escalated to whoever coordinates the territory."""


class AlertDesk:
    """Answers and readings of alerts, straight from the log. One writer at a time per alert in this process."""

    def __init__(self, log: EventLog, pathways: Pathways, calendars: Calendars, clock: Clock) -> None:
        self._log = log
        self._pathways = pathways
        self._calendars = calendars
        self._clock = clock
        self._locks: WeakValueDictionary[tuple[str, UUID], asyncio.Lock] = WeakValueDictionary()

    async def answer(self, alert_id: UUID, order: AlertOrder) -> AlertReceipt:
        """Carry out a command, decided again when somebody else wrote in between.

        Raises UnknownAlert, RightEnded, StaleVersion, KeyRestricted and what the command itself may raise.
        """
        async with _telling_nothing(), self._lock(order.caller.territory, alert_id):
            return await self._carry_out(alert_id, order)

    async def read(self, caller: Caller, alert_id: UUID) -> Case:
        """The alert as the log has it now. Raises UnknownAlert, RightEnded."""
        async with _telling_nothing():
            return await self._case(caller, alert_id)

    async def note_read(self, caller: Caller, alert_id: UUID) -> None:
        """Record that an agency opened the present revision; the second time is a no-op, as of a cleared one.

        Whoever reads is never refused for it: when it cannot be recorded now, the next reading will.
        """
        async with self._lock(caller.territory, alert_id):
            for _ in range(ATTEMPTS):
                try:
                    await self._note_read(caller, alert_id)
                except StaleVersion:
                    continue
                except (UnknownAlert, RightEnded, KeyDestroyed, LogBusy, AppendInDoubt, KeyRestricted):
                    pass
                return

    async def _note_read(self, caller: Caller, alert_id: UUID) -> None:
        case = await self._case(caller, alert_id)
        alert = case.alert
        is_told = alert.status is AlertStatus.OPEN and alert.recipient(caller.agency) is not None
        if is_told and alert.response_of(caller.agency).read_at is None:
            alert.step(AlertRead, self._act(caller, case))
            await append_steps(self._log, caller.territory, alert, case.subject)

    async def _carry_out(self, alert_id: UUID, order: AlertOrder) -> AlertReceipt:
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                return await self._decide(alert_id, order)
            except NOT_ABOUT_THE_STATE:
                raise
            except DomainError as refusal:
                decided_anew = isinstance(refusal, StaleVersion) and order.if_match is None
                if not (decided_anew and attempts_left):
                    return await self._replay_or_raise(alert_id, order, refusal)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    async def _decide(self, alert_id: UUID, order: AlertOrder) -> AlertReceipt:
        case = await self._case(order.caller, alert_id)
        if order.if_match is not None and order.if_match != case.alert.version:
            raise StaleVersion(case.alert.version)
        if said_by(order.caller.agency, case) >= SAID_MAX:
            raise SaidTooMuch
        order.command.decide(case.alert, self._act(order.caller, case))
        try:
            appended = await append_steps(
                self._log,
                order.caller.territory,
                case.alert,
                case.subject,
                idempotency=_idempotency(order),
                correlation_id=order.correlation_id,
            )
        except KeyDestroyed:
            raise UnknownAlert from None
        return _receipt(alert_id, appended)

    async def _replay_or_raise(self, alert_id: UUID, order: AlertOrder, refusal: DomainError) -> AlertReceipt:
        """A refused command may be one that was carried out before: then the answer it was given stands."""
        caller = order.caller
        if await self._log.outcome(caller.territory, caller.agency, order.idempotency_key) is None:
            raise refusal
        commit = Commit(stream_id=alert_id, expected_version=0, events=(), idempotency=_idempotency(order))
        return _receipt(alert_id, await self._log.append(caller.territory, commit))

    async def _case(self, caller: Caller, alert_id: UUID) -> Case:
        history = await self._log.read_stream(caller.territory, alert_id)
        alert = living(history)
        if alert is None or alert.finding is None or history[0].subject is None:
            raise UnknownAlert
        coordinates = Role.COORDINATOR in caller.roles and level_of(alert) is EscalationLevel.COORDINATOR
        recipient = alert.recipient(caller.agency)
        if recipient is None and not coordinates:
            raise UnknownAlert
        told = Sees.CONTENT if coordinates or recipient is None else recipient.sees
        if told is Sees.CONTENT and not await self._may_read(caller, alert.finding.pathway, coordinates=coordinates):
            raise RightEnded
        return Case(alert=alert, subject=history[0].subject, history=history, sees=told, coordinates=coordinates)

    async def _may_read(self, caller: Caller, pathway_id: UUID, *, coordinates: bool) -> bool:
        """Whether what the alert is about is the caller's to read, now: as on the board of alerts."""
        try:
            pathway = await self._pathways.read(caller, pathway_id, Action.EXISTENCE)
        except NotAParticipant:
            return False
        return not pathway.is_restricted and (coordinates or caller.agency in pathway.participants)

    def _act(self, caller: Caller, case: Case) -> AlertAct:
        at = self._clock.now()
        calendar = self._calendars.of(caller.territory)
        return AlertAct(
            agency=caller.agency,
            agent=caller.agent,
            at=at,
            today=at.astimezone(calendar.tz).date(),
            calendar=calendar,
            sees=case.sees,
            coordinates=case.coordinates,
        )

    def _lock(self, territory: str, alert_id: UUID) -> asyncio.Lock:
        return self._locks.setdefault((territory, alert_id), asyncio.Lock())


@asynccontextmanager
async def _telling_nothing() -> AsyncIterator[None]:
    """A stranger is refused at a whole step of time: whether there is an alert must not show in how long it takes."""
    began = time.monotonic()
    try:
        yield
    except UnknownAlert:
        await until_a_whole_step(began, REFUSAL_STEP_SECONDS)
        raise


def said_by(agency: str, case: Case) -> int:
    """How many steps of the present revision are an agency's."""
    steps = (stored.event for stored in case.history if isinstance(stored.event, AlertStep))
    return sum(step.agency == agency and step.revision == case.alert.revision for step in steps)


def _receipt(alert_id: UUID, appended: Appended) -> AlertReceipt:
    return AlertReceipt(
        alert_id=alert_id,
        version=appended.version,
        position=appended.last_position,
        replayed=appended.replayed is not None,
    )


def _idempotency(order: AlertOrder) -> Idempotency:
    return Idempotency(
        client=order.caller.agency, key=order.idempotency_key, fingerprint=order.fingerprint, outcome=b"{}"
    )
