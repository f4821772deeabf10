"""A backtest of the rules in force tells the alerts, instants and reasons that the service itself recorded."""

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.backtest.histories import histories_of_log
from application.backtest.replay import Episode, Found
from application.backtest.worked_out import FastReplay
from application.facts_export import pathways_of
from domain.alert import AlertCleared, AlertRaised, AlertReopened
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.command import Command
from domain.contact import Channel, RecordContact
from domain.correction import CorrectEntry, RetractEntry
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.errors import DomainError
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.rules import Calendars, compile_rules
from domain.rules.instants import instant_of
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from infrastructure.database import Pool
from tests.support.following import CCAS, MISSION, TRAINING_NEED, Territory, catch_up, territory
from tests.support.four_rules import four_rules

PATHWAYS, STEPS = 12, 14


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_backtest_says_what_the_service_recorded(database_url: str, pool: Pool, seed: int) -> None:
    async with territory(database_url, pool) as place:
        await live(place, random.Random(seed))  # noqa: S311
        await catch_up(pool, place)

        recorded = await recorded_in_the_log(place)
        found = await backtested(place)

    assert [told(one) for one in found] == recorded
    assert len(found) > PATHWAYS
    assert len({one.because for one in found}) > 3


async def live(place: Territory, dice: random.Random) -> None:
    """Twelve pathways over some months; what the domain refuses is not done."""
    pathways = [await place.open(pathway_id=UUID(int=(7 << 76) | (2 << 62) | number)) for number in range(PATHWAYS)]
    entries: dict[UUID, list[UUID]] = {pathway: [] for pathway in pathways}
    for _ in range(PATHWAYS * STEPS):
        place.pass_days(dice.choice((0, 0.1, 1, 3)))
        pathway = dice.choice(pathways)
        command = dice.choice(ACTS)(dice, place.clock.now().date(), entries[pathway] or [pathway])
        agency = MISSION if isinstance(command, MoveReferral) else CCAS
        with suppress(DomainError):
            recorded = await place.act(pathway, agency, command)
            if recorded is not None:
                entries[pathway].append(recorded)
    place.pass_days(120)


def _earlier(dice: random.Random, today: date) -> date:
    return today - timedelta(days=dice.randrange(0, 40))


ACTS: tuple[Callable[[random.Random, date, list[UUID]], Command], ...] = (
    lambda dice, today, _: RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),), on=_earlier(dice, today)),
    lambda _, __, ___: RecordDiagnosis(needs=(FoundNeed(theme=TRAINING_NEED),)),
    lambda dice, today, _: RequestReferral(to_agency=MISSION, theme=TRAINING_NEED, on=_earlier(dice, today)),
    lambda _, __, ___: RequestReferral(to_agency=MISSION, theme=TRAINING_NEED),
    lambda dice, _, known: MoveReferral(referral_id=dice.choice(known), status=ReferralStatus.ACCEPTED),
    lambda _, __, ___: RecordContact(channel=Channel.PHONE),
    lambda dice, today, _: RecordContact(channel=Channel.PHONE, on=_earlier(dice, today)),
    lambda dice, today, known: CorrectEntry(entry_id=dice.choice(known), start=_earlier(dice, today)),
    lambda dice, _, known: RetractEntry(entry_id=dice.choice(known)),
    lambda _, __, ___: ClosePathway(outcome=ClosureOutcome.GOALS_REACHED),
    lambda _, __, ___: ReopenPathway(),
    lambda _, __, ___: SuspendPathway(motive=SuspensionMotive.OTHER),
    lambda _, __, ___: ResumePathway(),
)


async def backtested(place: Territory) -> list[Episode]:
    fast = FastReplay(compile_rules(four_rules()), Calendars())
    until = instant_of(place.clock.now())
    head = await place.log.head(place.name)
    ids = await pathways_of(place.log, place.name, head)
    found: list[Found] = [fast.judge(each, until) async for each in histories_of_log(place.log, place.name, ids, head)]
    return sorted((episode for one in found for episode in one.episodes), key=told)


def told(one: Episode) -> tuple[Any, ...]:
    return (one.opened, one.rule, one.pathway, one.activation, one.closed, one.because)


async def recorded_in_the_log(place: Territory) -> list[tuple[Any, ...]]:
    """Each time that an alert was raised, with what ended it."""
    open_alerts: dict[UUID, list[Any]] = {}
    rows: list[list[Any]] = []
    for stored in await all_events(place):
        match stored:
            case AlertRaised() | AlertReopened():
                finding = stored.finding
                row = [instant_of(stored.on), finding.rule, str(finding.pathway), finding.activation, None, None]
                open_alerts[stored.originator_id] = row
                rows.append(row)
            case AlertCleared():
                open_alerts.pop(stored.originator_id)[4:] = [instant_of(stored.on), stored.reason]
    return sorted((tuple(row) for row in rows), key=lambda row: row)


async def all_events(place: Territory) -> list[Any]:
    return [stored.event async for page in place.log.pages(place.name, after=0) for stored in page]
