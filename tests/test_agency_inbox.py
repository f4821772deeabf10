"""What an agency has to do is in its inbox from when it is asked until it is done, and in no other agency's."""

from datetime import timedelta

from domain.appointment import AppointmentOutcome, BookAppointment, ConcludeAppointment
from domain.correction import RetractEntry
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from infrastructure.database import Pool
from projections.agency_inbox import BEFORE_ANY, InboxItem, inbox
from tests.support.following import CCAS, MISSION, TERRITORY, TRAINING_NEED, Territory, catch_up, territory


async def inbox_of(pool: Pool, place: Territory, agency: str) -> list[tuple[str, str]]:
    async with pool.acquire() as db:
        items = await inbox(db, TERRITORY, agency, place.clock.now())
    return [(item.kind, item.code) for item in items]


async def test_a_referral_is_to_answer_then_to_start_then_done(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        referral_id = await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        assert referral_id is not None
        await catch_up(pool, place)
        assert await inbox_of(pool, place, MISSION) == [("referral_to_answer", "training")]
        assert await inbox_of(pool, place, CCAS) == []

        await place.act(pathway_id, MISSION, MoveReferral(referral_id=referral_id, status=ReferralStatus.ACCEPTED))
        await catch_up(pool, place)
        assert await inbox_of(pool, place, MISSION) == [("referral_to_start", "training")]

        started = MoveReferral(referral_id=referral_id, status=ReferralStatus.IN_PROGRESS)
        await place.act(pathway_id, MISSION, started)
        await catch_up(pool, place)
        assert await inbox_of(pool, place, MISSION) == []


async def test_what_is_retracted_is_no_longer_to_do(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        referral_id = await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        assert referral_id is not None
        await catch_up(pool, place)
        await place.act(pathway_id, CCAS, RetractEntry(entry_id=referral_id))
        await catch_up(pool, place)
        assert await inbox_of(pool, place, MISSION) == []


async def test_an_appointment_is_to_conclude_only_once_it_has_ended(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        start = place.clock.now() + timedelta(hours=2)
        booked = BookAppointment(start=start, end=start + timedelta(minutes=30))
        appointment_id = await place.act(pathway_id, CCAS, booked)
        assert appointment_id is not None
        await catch_up(pool, place)
        assert await inbox_of(pool, place, CCAS) == []
        place.pass_days(1)
        assert await inbox_of(pool, place, CCAS) == [("appointment_to_conclude", "in_person")]
        concluded = ConcludeAppointment(appointment_id=appointment_id, outcome=AppointmentOutcome.PRESENT)
        await place.act(pathway_id, CCAS, concluded)
        await catch_up(pool, place)
        assert await inbox_of(pool, place, CCAS) == []


async def test_pages_follow_one_another_without_loss_or_repetition(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        for _ in range(7):
            # Two in one commit share their time: pages must part them by id.
            referral = RequestReferral(to_agency=MISSION, theme=TRAINING_NEED)
            await place.act(pathway_id, CCAS, referral, referral)
            place.clock.advance(timedelta(minutes=1))
        await catch_up(pool, place)
        seen: list[InboxItem] = []
        after = BEFORE_ANY
        async with pool.acquire() as db:
            while page := await inbox(db, TERRITORY, MISSION, place.clock.now(), after=after, limit=3):
                seen += page
                after = (page[-1].since, page[-1].item)
    assert len(seen) == len({item.item for item in seen}) == 14


async def test_an_alert_is_in_the_inbox_until_it_is_cleared(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        referral_id = await place.act(pathway_id, CCAS, RequestReferral(to_agency=MISSION, theme=TRAINING_NEED))
        assert referral_id is not None
        place.pass_days(20)
        await catch_up(pool, place)
        assert ("alert", "referral-acknowledged") in await inbox_of(pool, place, MISSION)
        assert ("alert", "referral-acknowledged") in await inbox_of(pool, place, CCAS)
        await place.act(pathway_id, MISSION, MoveReferral(referral_id=referral_id, status=ReferralStatus.ACCEPTED))
        await catch_up(pool, place)
        assert ("alert", "referral-acknowledged") not in await inbox_of(pool, place, MISSION)
