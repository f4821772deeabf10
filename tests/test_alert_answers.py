"""The alert desk on a real log: agencies, rules and other processes that write to one alert in the same instant."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.access import Caller
from application.alert_answers import SAID_MAX, AlertDesk, AlertOrder, AlertReceipt
from application.event_log import StaleVersion
from application.pathways import Pathways
from domain.alert_commands import Acknowledge, AlertCommand, AnswerAlert, Dispute
from domain.alert_refusals import AlreadyTaken, SaidTooMuch, UnknownAlert
from domain.alert_response import Answer, Wrong
from domain.compartments import Compartment
from domain.rules import Calendars
from infrastructure.database import Pool
from tests.support.answering import alert_of, history, unanswered
from tests.support.following import CCAS, MISSION, TERRITORY, Territory, territory

TAKING = AnswerAlert(answer=Answer.TAKING)


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as it:
        yield it


def desk_of(place: Territory) -> AlertDesk:
    """Of a process of its own: it shares no lock with another's."""
    return AlertDesk(place.log, Pathways(place.log, place.clock), Calendars(), place.clock)


def order(agency: str, command: AlertCommand = TAKING, **fields: Any) -> AlertOrder:
    caller = Caller(territory=TERRITORY, agency=agency)
    return AlertOrder(caller=caller, command=command, idempotency_key=str(uuid4()), fingerprint=b"", **fields)


async def topics(place: Territory, alert_id: UUID) -> list[str]:
    return [stored.topic for stored in await history(place, alert_id)]


async def test_two_agencies_take_it_through_two_processes_in_the_same_instant_and_one_does(
    pool: Pool, place: Territory
) -> None:
    desks = desk_of(place), desk_of(place)
    for _ in range(4):
        alert_id = await unanswered(pool, place)
        both = await asyncio.gather(
            *(desk.answer(alert_id, order(agency)) for desk, agency in zip(desks, (CCAS, MISSION), strict=True)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in both) == ["AlertReceipt", "AlreadyTaken"]
        [lost] = [each for each in both if isinstance(each, AlreadyTaken)]
        assert str((await alert_of(place, alert_id)).taken_by) in lost.detail


async def test_eight_answers_at_once_through_many_processes_are_all_recorded_in_some_order(
    pool: Pool, place: Territory
) -> None:
    alert_id = await unanswered(pool, place)
    said = [order(agency, Dispute(reason=reason)) for agency in (CCAS, MISSION) for reason in Wrong]
    receipts = await asyncio.gather(*(desk_of(place).answer(alert_id, each) for each in said))
    assert sorted(each.version for each in receipts) == list(range(2, 2 + len(said)))
    assert (await topics(place, alert_id)).count("alert.disputed") == len(said)


async def test_sent_again_after_it_succeeded_the_answer_stands_whatever_came_since(
    pool: Pool, place: Territory
) -> None:
    alert_id, desk, mine = await unanswered(pool, place), desk_of(place), order(CCAS)
    first = await desk.answer(alert_id, mine)
    await desk.answer(alert_id, order(CCAS, AnswerAlert(answer=Answer.NOT_CONCERNED, reason="Finalement, non.")))
    await desk.answer(alert_id, order(MISSION))
    again = await desk_of(place).answer(alert_id, mine)
    assert again == AlertReceipt(alert_id=alert_id, version=first.version, position=first.position, replayed=True)
    assert (await alert_of(place, alert_id)).taken_by == MISSION


async def test_whoever_names_the_version_it_expects_is_refused_another(pool: Pool, place: Territory) -> None:
    alert_id, desk = await unanswered(pool, place), desk_of(place)
    await desk.answer(alert_id, order(CCAS, Acknowledge(), if_match=1))
    with pytest.raises(StaleVersion):
        await desk.answer(alert_id, order(MISSION, if_match=1))
    mine = order(MISSION, if_match=2)
    first = await desk.answer(alert_id, mine)
    again = await desk.answer(alert_id, mine)
    assert (again.version, again.replayed) == (first.version, True), "sent again it is the same request, not a new one"


async def test_an_agency_that_repeats_itself_without_end_is_stopped_and_the_others_are_not(
    pool: Pool, place: Territory
) -> None:
    alert_id, desk, said = await unanswered(pool, place), desk_of(place), Dispute(reason=Wrong.DATA_ERROR, text="Non.")
    for _ in range(SAID_MAX):
        await desk.answer(alert_id, order(CCAS, said))
    with pytest.raises(SaidTooMuch):
        await desk.answer(alert_id, order(CCAS, said))
    await desk.answer(alert_id, order(MISSION, said))


async def test_of_another_territory_a_pathway_or_nothing_there_is_no_alert(pool: Pool, place: Territory) -> None:
    alert_id, desk, pathway_id = await unanswered(pool, place), desk_of(place), await place.open()
    elsewhere = Caller(territory="FR-75", agency=CCAS)
    with pytest.raises(UnknownAlert):
        await desk.read(elsewhere, alert_id)
    for absent in (pathway_id, uuid4()):
        with pytest.raises(UnknownAlert):
            await desk.answer(absent, order(CCAS))


async def test_a_reading_is_recorded_once_however_many_come_at_once(pool: Pool, place: Territory) -> None:
    alert_id, caller = await unanswered(pool, place), Caller(territory=TERRITORY, agency=MISSION)
    await asyncio.gather(*(desk_of(place).note_read(caller, alert_id) for _ in range(4)))
    assert (await topics(place, alert_id)).count("alert.read") == 1
    await desk_of(place).note_read(Caller(territory=TERRITORY, agency="cpam"), alert_id)
    await desk_of(place).note_read(caller, uuid4())
    assert len(await topics(place, alert_id)) == 2


async def test_of_an_erased_person_there_is_nothing_left_to_answer(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    subject = (await history(place, alert_id))[0].subject
    assert subject is not None
    await place.log.vault.destroy(TERRITORY, subject, list(Compartment))  # type: ignore[attr-defined]
    for command in (TAKING, Acknowledge()):
        with pytest.raises(UnknownAlert):
            await desk_of(place).answer(alert_id, order(MISSION, command))
