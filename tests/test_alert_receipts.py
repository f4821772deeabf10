"""That an alert reached an agency is recorded once per revision, by whichever channel came first, and is never lost."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.alert_deliveries import AlertDeliveries
from application.alert_receipts import FIRST_ID, LONG_AGO, PAGE_ROWS, Delivery, Receipts
from domain.alert_response import AlertChannel
from domain.alert_steps import AlertDelivered
from infrastructure.alert_arrivals import SETTLED, PostgresArrivals
from infrastructure.database import Pool
from tests.support.answering import alert_of, history, unanswered
from tests.support.following import CCAS, MISSION, TERRITORY, Territory, territory

ENDPOINT = UUID(int=7)
REGISTER = """
INSERT INTO webhook_endpoints (territory, endpoint_id, agency, url, secret, status, verified_at, created_at)
VALUES ($1, $2, $3, 'https://partner.example/', '', 'active', $4, $4)"""
SETTLE = """
INSERT INTO deliveries (territory, message_id, endpoint_id, subject_id, state, settled_at)
SELECT territory, message_id, $2, subject_id, 'delivered', $3 FROM outbox
WHERE agency = $4 AND subject_id = $1 AND type = 'unisson.alert.raised.v1'"""


@pytest.fixture
async def place(database_url: str, pool: Pool) -> AsyncIterator[Territory]:
    async with territory(database_url, pool) as it:
        await pool.execute(REGISTER, TERRITORY, ENDPOINT, MISSION, it.clock.now())
        yield it


def receipts_of(pool: Pool, place: Territory) -> Receipts:
    """Of a process just started."""
    return Receipts(place.log, PostgresArrivals(pool), AlertDeliveries(place.log, place.clock))


async def settle(pool: Pool, alert_id: UUID, at: datetime) -> None:
    await pool.execute("DELETE FROM deliveries WHERE subject_id = $1", alert_id)
    assert await pool.execute(SETTLE, alert_id, ENDPOINT, at, MISSION) == "INSERT 0 1"


async def delivered(place: Territory, alert_id: UUID) -> list[AlertDelivered]:
    events: list[Any] = [stored.event for stored in await history(place, alert_id)]
    return [event for event in events if isinstance(event, AlertDelivered)]


async def test_what_a_webhook_delivered_is_recorded_once(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    place.clock.advance(timedelta(minutes=5))
    at = place.clock.now() - timedelta(minutes=1)
    await settle(pool, alert_id, at)
    receipts = receipts_of(pool, place)
    assert [await receipts.collect() for _ in range(3)] == [1, 0, 0]
    assert await receipts_of(pool, place).collect() == 0, "a process that starts looks again, and finds it recorded"
    [event] = await delivered(place, alert_id)
    assert (event.to, event.channel, event.on, event.agency) == (MISSION, "webhook", at, "unisson")
    assert (await alert_of(place, alert_id)).responses[MISSION].delivered_at == at


async def test_settled_before_the_process_was_killed_it_is_recorded_by_the_next(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    await settle(pool, alert_id, place.clock.now())
    place.clock.advance(timedelta(days=30))
    assert await receipts_of(pool, place).collect() == 1


async def test_committed_late_it_is_found_behind_the_last_place(pool: Pool, place: Territory) -> None:
    first, second = await unanswered(pool, place), await unanswered(pool, place)
    place.clock.advance(timedelta(hours=1))
    now = place.clock.now()
    await settle(pool, first, now)
    receipts = receipts_of(pool, place)
    assert await receipts.collect() == 1
    await settle(pool, second, now - timedelta(seconds=30))
    assert await receipts.collect() == 1


async def test_the_first_channel_counts_and_only_for_whom_it_concerns(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    position = (await history(place, alert_id))[-1].position
    receipts, now = receipts_of(pool, place), place.clock.now()
    for agency, channel in (
        ("cpam", AlertChannel.STREAM),
        (CCAS, AlertChannel.STREAM),
        (CCAS, AlertChannel.STREAM),
        (MISSION, AlertChannel.MAIL),
        (MISSION, AlertChannel.STREAM),
    ):
        receipts.add(TERRITORY, alert_id, agency, channel, now, position=position)
    assert await receipts.flush() == 2
    assert [(each.to, each.channel) for each in await delivered(place, alert_id)] == [
        (CCAS, "stream"),
        (MISSION, "mail"),
    ]


async def test_what_tells_of_an_earlier_revision_does_not_count_for_this_one(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    receipts = receipts_of(pool, place)
    receipts.add(TERRITORY, alert_id, MISSION, AlertChannel.STREAM, place.clock.now(), position=1)
    assert await receipts.flush() == 0


async def test_what_could_not_be_recorded_is_kept_for_the_next_turn(pool: Pool, place: Territory) -> None:
    alert_id = await unanswered(pool, place)
    position = (await history(place, alert_id))[-1].position
    recorder = FailsOnce(AlertDeliveries(place.log, place.clock))
    receipts = Receipts(place.log, PostgresArrivals(pool), recorder)
    receipts.add(TERRITORY, alert_id, MISSION, AlertChannel.STREAM, place.clock.now(), position=position)
    with pytest.raises(OSError, match="lost"):
        await receipts.flush()
    assert await receipts.flush() == 1


async def test_an_alert_that_cannot_be_read_keeps_nothing_of_the_others(pool: Pool, place: Territory) -> None:
    altered, sound = await unanswered(pool, place), await unanswered(pool, place)
    receipts, now = receipts_of(pool, place), place.clock.now()
    for alert_id in (altered, sound):
        position = (await history(place, alert_id))[-1].position
        receipts.add(TERRITORY, alert_id, MISSION, AlertChannel.STREAM, now, position=position)
    await pool.execute("ALTER TABLE events DISABLE TRIGGER USER")
    await pool.execute("UPDATE events SET payload = sha256(payload) WHERE stream_id = $1", altered)
    assert await receipts.flush() == 1
    assert len(await delivered(place, sound)) == 1


@pytest.mark.parametrize(
    ("channel", "index"), [(AlertChannel.WEBHOOK, "deliveries_settled"), (AlertChannel.MAIL, "mail_items_told")]
)
async def test_what_came_since_is_found_by_its_time(pool: Pool, channel: AlertChannel, index: str) -> None:
    """Every second: nothing that was settled before is looked at again."""
    async with pool.acquire() as db, db.transaction():
        await db.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        plan = await db.fetch(f"EXPLAIN {SETTLED[channel]}", TERRITORY, LONG_AGO, FIRST_ID, PAGE_ROWS)
    assert any(f"using {index} " in line for (line,) in plan)


class FailsOnce:
    def __init__(self, recorder: AlertDeliveries) -> None:
        self._recorder = recorder
        self._failed = False

    async def record(self, territory: str, deliveries: Iterable[Delivery]) -> int:
        if not self._failed:
            self._failed = True
            raise OSError("the connection was lost")
        return await self._recorder.record(territory, deliveries)
