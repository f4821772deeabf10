"""Moments of a log, and how little of it a replay holds at once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.event_log import EventLog, Stored
from application.replay import PATHWAYS_AT_ONCE, Moment, Replay, UnknownMoment
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from domain.alert import AlertRaised
from domain.clock import SettableClock
from domain.rules import Calendars
from infrastructure.memory_event_log import MemoryEventLog
from tests.support.following import Territory
from tests.support.four_rules import four_rules
from tests.support.logs import START, memory_log

PLACE = "FR-34"


class HeaderIndex:
    """An index of alerts that reads the clear headers one by one."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def alerts_of(self, territory: str, pathways: Sequence[UUID], until_position: int) -> dict[UUID, list[UUID]]:
        found: dict[UUID, list[UUID]] = {}
        for header in await self._log.headers(territory, after=0, topics=[AlertRaised.TOPIC]):
            pathway = header.causation_id
            if pathway is not None and pathway in pathways and header.position <= until_position:
                found.setdefault(pathway, []).append(header.stream_id)
        return found

    async def pathway_of(self, territory: str, alert: UUID) -> UUID | None:
        headers = await self._log.headers(territory, after=0, topics=[AlertRaised.TOPIC])
        return next((header.causation_id for header in headers if header.stream_id == alert), None)


def replay_of(log: EventLog, clock: SettableClock) -> Replay:
    rulebooks = Rulebooks(log, clock, RulesInForce(four_rules()))
    return Replay(log, HeaderIndex(log), rulebooks, Calendars(), clock)


@settings(max_examples=settings().max_examples // 2)
@given(pauses=st.lists(st.sampled_from((0, 0, 1, 60, 86_400)), max_size=12), asked=st.integers(-10, 90_000 * 12))
async def test_an_instant_is_the_last_position_recorded_by_then(pauses: list[int], asked: int) -> None:
    """Also where several were recorded at the same instant, before the first, and after the last."""
    clock = SettableClock(START)
    log = memory_log(clock)
    times = []
    for seconds in pauses:
        clock.advance(timedelta(seconds=seconds))
        await Territory(log, clock).open()
        times.append(clock.now())
    clock.advance(timedelta(days=20))
    instant = START + timedelta(seconds=asked)
    moment = await replay_of(log, clock).moment(PLACE, instant)
    assert moment == Moment(position=sum(time <= instant for time in times), at=instant)


async def test_a_position_was_recorded_at_its_own_time_and_the_end_of_the_log_is_now() -> None:
    clock = SettableClock(START)
    log, replay = memory_log(clock), replay_of(memory_log(clock), clock)
    assert await replay.moment(PLACE, None) == Moment(position=0, at=START)
    replay = replay_of(log, clock)
    await Territory(log, clock).open()
    clock.advance(timedelta(days=1))
    assert await replay.moment(PLACE, 1) == Moment(position=1, at=START)
    assert await replay.moment(PLACE, None) == Moment(position=1, at=clock.now())


async def test_neither_positions_nor_instants_nor_days_to_come_are_replayed() -> None:
    clock = SettableClock(START)
    log = memory_log(clock)
    await Territory(log, clock).open()
    replay, now = replay_of(log, clock), clock.now()
    for known_at, true_on in ((2, None), (now + timedelta(seconds=1), None), (1, now.date() + timedelta(days=1))):
        with pytest.raises(UnknownMoment):
            await replay.moment(PLACE, known_at, true_on)


async def test_a_day_ends_where_the_territory_is() -> None:
    clock = SettableClock(datetime(2026, 6, 1, tzinfo=UTC))
    replay = replay_of(memory_log(clock), clock)
    moment = await replay.moment("FR-974", None, date(2026, 5, 20))
    assert replay.clock_of("FR-974", moment) == datetime(2026, 5, 20, 19, 59, 59, 999999, tzinfo=UTC)
    moment = await replay.moment("FR-974", None, date(2026, 6, 1))
    assert replay.clock_of("FR-974", moment) == clock.now(), "a day that is not over ends now"


class Watched(MemoryEventLog):
    """Remembers how many streams were ever asked for together."""

    most = 0

    async def read_streams(
        self, territory: str, stream_ids: Sequence[UUID], *, until_position: int | None = None
    ) -> dict[UUID, list[Stored]]:
        self.most = max(self.most, len(stream_ids))
        return await super().read_streams(territory, stream_ids, until_position=until_position)


async def test_a_whole_territory_is_replayed_a_few_pathways_at_a_time() -> None:
    clock = SettableClock(START)
    log = Watched(clock=clock)
    opened = [await Territory(log, clock).open() for _ in range(3 * PATHWAYS_AT_ONCE + 7)]
    replay = replay_of(log, clock)
    then = await replay.moment(PLACE, len(opened) - 5)
    assert [history.pathway.id async for history in replay.everything(PLACE, then)] == opened[:-5]
    assert log.most == PATHWAYS_AT_ONCE
