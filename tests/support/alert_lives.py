"""Lives of alerts, thrown by dice and written to a real log, beside a plain account of them to recount figures from."""

import heapq
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec

from application.event_log import Commit
from domain.aggregate import Event
from domain.alert import (
    AlertCleared,
    AlertDisclosed,
    AlertRaised,
    AlertReopened,
    ClearedBecause,
    Finding,
    Recipient,
    Role,
    Sees,
)
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import AlertSnoozed, AlertWaived, AlertWaiverEnded, WaiverCode, WaiverEnd
from domain.alert_response import AlertChannel, Answer, Wrong
from domain.alert_steps import (
    AlertAcknowledged,
    AlertAnswered,
    AlertDelivered,
    AlertDisputed,
    AlertStep,
    AlertStepTold,
)
from domain.contact import Channel as ContactChannel
from domain.contact import RecordContact
from domain.pathway import SYSTEM
from tests.support.following import CCAS, HOUSING, MISSION, Territory

RULES = (("silence-90", 1), ("silence-90", 2), ("referral-acknowledged", 1))
BY_RULES = (ClearedBecause.RULE_CHANGE, ClearedBecause.CALENDAR_CHANGE)
BY_TIME = (ClearedBecause.CLOSED, ClearedBecause.RELEASED)
BY_ACT = (
    ClearedBecause.DONE_LATE,
    ClearedBecause.LATE_EVIDENCE,
    ClearedBecause.CORRECTED,
    ClearedBecause.RETRACTED,
    ClearedBecause.CLOSED,
)
S = TypeVar("S", bound=AlertStep)


class Told(msgspec.Struct):
    """What one agency was told of one raising, and did."""

    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acted_at: datetime | None = None
    waived: WaiverCode | None = None
    snoozed: bool = False
    disputed: Wrong | None = None


class Raising(msgspec.Struct):
    """One time that an alert was raised."""

    rule: str
    version: int
    revision: int
    raised_at: datetime
    told_at: datetime | None = None
    agencies: dict[str, Told] = {}
    escalated: bool = False
    cleared_at: datetime | None = None
    reason: ClearedBecause | None = None
    by: str | None = None

    def of(self, agency: str) -> Told:
        return self.agencies.setdefault(agency, Told())


class AlertLife:
    """One alert. Each method happens now, by the territory's clock; `raisings` is its plain account."""

    def __init__(self, place: Territory, pathway: UUID, rule: str, version: int) -> None:
        self.place = place
        self.alert = uuid4()
        self.pathway = pathway
        self.finding = Finding(pathway=pathway, rule=rule, version=version, severity="warning", activation="fact-1")
        self.recipients = (
            Recipient(CCAS, Role.REFERENT, Sees.CONTENT),
            Recipient(MISSION, Role.ABLE_TO_ACT, Sees.CONTENT),
        )
        self.raisings: list[Raising] = []
        self.length = 0

    @property
    def now(self) -> datetime:
        return self.place.clock.now()

    @property
    def last(self) -> Raising:
        return self.raisings[-1]

    async def raise_(self, *, quiet: bool = False, hidden: bool = False) -> None:
        found = {"known_at": 0, "finding": self.finding, "recipients": self.recipients}
        found |= {"quiet": quiet, "hidden": hidden, "on": self.now}
        if not self.raisings:
            await self._append(AlertRaised, SYSTEM, originator_topic=AlertRaised.ORIGINATOR, **found)
        else:
            await self._append(AlertReopened, SYSTEM, revision=len(self.raisings) + 1, **found)
        self.raisings.append(
            Raising(self.finding.rule, self.finding.version, len(self.raisings) + 1, self.now, agencies={})
        )
        if not (quiet or hidden):
            self._told()

    async def disclose(self, *, quiet: bool = False) -> None:
        fields = {"known_at": 0, "pathway": self.pathway, "rule": self.finding.rule, "recipients": self.recipients}
        await self._append(AlertDisclosed, SYSTEM, on=self.now, quiet=quiet, **fields)
        if not quiet:
            self._told()

    async def clear(self, reason: ClearedBecause, by: str | None = None) -> None:
        """By an act of an agency on the pathway at this very moment; without one, as time passes."""
        if by is not None:
            await self.place.act(self.pathway, by, RecordContact(channel=ContactChannel.PHONE))
        known_at = await self.place.log.head(self.place.name)
        fields = {"known_at": known_at, "pathway": self.pathway, "rule": self.finding.rule, "on": self.now}
        await self._append(AlertCleared, SYSTEM, reason=reason, recipients=self.recipients, **fields)
        self.last.cleared_at, self.last.reason, self.last.by = self.now, reason, by

    async def deliver(self, to: str) -> None:
        await self._step(AlertDelivered, SYSTEM, to=to, channel=AlertChannel.WEBHOOK)
        self.last.of(to).delivered_at = self.last.of(to).delivered_at or self.now

    async def acknowledge(self, by: str) -> None:
        await self._step(AlertAcknowledged, by, until=self.now + timedelta(days=3))
        self.last.of(by).acknowledged_at = self.last.of(by).acknowledged_at or self.now

    async def answer(self, by: str, answer: Answer) -> None:
        until = None if answer is Answer.NOT_CONCERNED else self.now + timedelta(days=3)
        await self._step(AlertAnswered, by, answer=answer, until=until)
        mine = self.last.of(by)
        mine.acted_at = None if until is None else mine.acted_at or self.now
        if until is not None:
            mine.acknowledged_at = mine.acknowledged_at or self.now

    async def waive(self, by: str, code: WaiverCode = WaiverCode.EXEMPT, days: float = 30) -> None:
        await self._step(AlertWaived, by, code=code, until=self.now + timedelta(days=days), text="…")
        self.last.of(by).waived = code

    async def end_waiver(self, *, tells: bool = False) -> None:
        await self._step(AlertWaiverEnded, SYSTEM, because=WaiverEnd.EXPIRED)
        if tells:
            self._told()

    async def snooze(self, by: str) -> None:
        await self._step(AlertSnoozed, by, until=self.now + timedelta(days=9), reason="…")
        self.last.of(by).snoozed = True

    async def dispute(self, by: str, reason: Wrong) -> None:
        await self._step(AlertDisputed, by, reason=reason, text="…")
        self.last.of(by).disputed = reason

    async def escalate(self, to: str | None) -> None:
        named = () if to is None else (Recipient(to, Role.COORDINATOR, Sees.CONTENT),)
        await self._step(
            AlertEscalated, SYSTEM, level=EscalationLevel.COORDINATOR, severity="critical", recipients=named
        )
        self.last.escalated = True
        if to is not None:
            self.last.of(to)

    def _told(self) -> None:
        self.last.told_at = self.now
        for one in self.recipients:
            self.last.of(one.agency)

    async def _step(self, type_: type[S], agency: str, **fields: Any) -> None:
        common = {"on": self.now, "revision": self.last.revision, "pathway": self.pathway, "rule": self.finding.rule}
        if issubclass(type_, AlertStepTold):
            common["concerned"] = self.recipients
        await self._append(type_, agency, **common, **fields)

    async def _append(self, type_: type[Event], agency: str, **fields: Any) -> None:
        event = type_(
            originator_id=self.alert,
            originator_version=self.length + 1,
            timestamp=self.now,
            agency=agency,
            **fields,
        )
        subject = (await self.place.pathway(self.pathway)).subject
        commit = Commit(stream_id=self.alert, expected_version=self.length, events=[event], subject=subject)
        await self.place.log.append(self.place.name, commit)
        self.length += 1


async def lives(place: Territory, dice: random.Random, count: int) -> list[Raising]:
    """Alerts of as many pathways over half a year, what happens to one between what happens to the others."""
    begun = [AlertLife(place, await place.open(), *dice.choice(RULES)) for _ in range(count)]
    start = place.clock.now()
    waiting = [(start + some_time(dice, 180 * 24), number, live(life, dice)) for number, life in enumerate(begun)]
    heapq.heapify(waiting)
    while waiting:
        at, number, life = heapq.heappop(waiting)
        place.clock.set(at)
        hours = await anext(life, None)
        if hours is not None:
            heapq.heappush(waiting, (at + some_time(dice, hours), number, life))
    return [raising for life in begun for raising in life.raisings]


def some_time(dice: random.Random, hours_max: int) -> timedelta:
    """Never twice the same instant."""
    return timedelta(seconds=dice.uniform(3600, hours_max * 3600))


async def live(life: AlertLife, dice: random.Random) -> AsyncIterator[int]:
    """What services might do about one alert, raised up to three times; yields how many hours it waits at most."""
    for _ in range(dice.randrange(1, 4)):
        quiet, hidden = dice.random() < 0.15, dice.random() < 0.1
        await life.raise_(quiet=quiet, hidden=hidden)
        for _ in range(dice.randrange(0, 7)):
            yield 80
            await one_step(life, dice)
        if hidden and not quiet and dice.random() < 0.5:
            yield 80
            await life.disclose()
        if dice.random() < 0.3:
            return
        yield 400
        await clear(life, dice)
        yield 400


async def clear(life: AlertLife, dice: random.Random) -> None:
    match dice.randrange(5):
        case 0:
            await life.clear(dice.choice(BY_RULES))
        case 1:
            await life.clear(dice.choice(BY_TIME))
        case _:
            await life.clear(dice.choice(BY_ACT), by=dice.choice((CCAS, MISSION, HOUSING)))


async def one_step(life: AlertLife, dice: random.Random) -> None:
    by = dice.choice((CCAS, MISSION))
    match dice.randrange(9):
        case 0 | 1:
            await life.deliver(by)
        case 2:
            await life.acknowledge(by)
        case 3 | 4:
            await life.answer(by, dice.choice(list(Answer)))
        case 5:
            await life.snooze(by)
        case 6:
            await life.waive(by, dice.choice(list(WaiverCode)))
            await life.end_waiver()
        case 7:
            await life.dispute(by, dice.choice(list(Wrong)))
        case _:
            await life.escalate(dice.choice((HOUSING, None)))
