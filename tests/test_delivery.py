"""From an outbox row to a verified webhook: real sockets, the real database."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cloudevents.core.base import BaseCloudEvent
from prometheus_client import REGISTRY
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from api.demo.receiver import Answer, Delivery, Receiver
from application.message_types import TEST_MESSAGE
from application.messages import OUTBOX_CHANNEL, Message
from application.webhook_recoveries import Asked
from application.webhooks import (
    DeliveryState,
    DisabledReason,
    EndpointDisabled,
    EndpointRefused,
    EndpointStatus,
    TooManyEndpoints,
    UnknownEndpoint,
    UnknownMessage,
)
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.delivery import LEASE
from infrastructure.head_listener import HeadListener
from infrastructure.outbox import CIRCUIT_FAILURES, CIRCUIT_PAUSE, RETRY_AFTER, Outbox, RetryPolicy
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_endpoints import ENDPOINTS_MAX, ROTATION, PostgresWebhooks
from infrastructure.webhooks import Sent
from tests.support.logs import postgres_log
from tests.support.webhook_rig import CCAS, CLEARED, INSERT, RAISED, SIAO, TERRITORY, Moody, Rig, Silent


@pytest.fixture
async def rig(pool: Pool) -> AsyncIterator[Rig]:
    async with OutgoingHttp(allow_loopback=True, total_seconds=3.0) as http:
        yield Rig(pool, http)


# When.


async def test_a_worker_is_woken_by_what_is_put_in_the_outbox(rig: Rig, database_url: str) -> None:
    """By a test message and by a replay, on whichever process; long before it would look by itself."""
    worker, stopping = rig.worker(poll_seconds=30.0), asyncio.Event()
    listener = HeadListener(database_url)
    listener.hear(OUTBOX_CHANNEL, lambda _: worker.wake())
    listener.open()
    await listener.listening.wait()
    running = asyncio.create_task(worker.run(stopping))
    async with Receiver() as partner:
        endpoint = await rig.trusted(partner)
        await asyncio.sleep(0.1)  # It has looked, and found nothing.
        message_id = await rig.webhooks.send_test(TERRITORY, CCAS, endpoint, rig.clock.now())
        await until_received(partner, 1)
        await until_settled(rig, endpoint)
        await rig.webhooks.replay(TERRITORY, CCAS, endpoint, message_id)
        await until_received(partner, 2)
        stopping.set()
        await running
    await listener.close()


async def until_received(partner: Receiver, requests: int) -> None:
    async with asyncio.timeout(20):
        while len(partner.deliveries) < requests:
            await asyncio.sleep(0.005)


async def until_settled(rig: Rig, endpoint: UUID) -> None:
    async with asyncio.timeout(20):
        while await rig.states(endpoint) != ["delivered"]:
            await asyncio.sleep(0.01)


# What it was caused by.


async def test_a_message_carries_the_request_that_led_to_it(rig: Rig, database_url: str, pool: Pool) -> None:
    """As a request id and as a W3C trace; nothing where no request did, nor for a bare notice."""
    cause = uuid7()
    async with Receiver() as partner, postgres_log(database_url, pool) as log:
        await rig.trusted(partner)
        message_id = await rig.put_because_of(cause, log, pathway=uuid7())
        await rig.put_because_of(None, log, pathway=uuid7())
        await rig.put_because_of(UUID(int=0), log, pathway=uuid7())
        await rig.put_because_of(cause, log, pathway=None)
        await rig.worker().drain()
        traced = [each.headers for each in partner.deliveries if "traceparent" in each.headers]
        assert len(partner.events) == 4
    [headers] = traced
    assert headers["x-request-id"] == str(cause)
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", cause.hex, "00")
    assert span == message_id.hex[16:] != "0" * 16


# Who gets what.


async def test_an_outbox_row_reaches_the_agency_signed_and_verifiable(rig: Rig) -> None:
    async with Receiver() as partner:
        endpoint = await rig.trusted(partner)
        alert, pathway = uuid7(), uuid7()
        message_id = await rig.put(subject=alert, pathway=pathway)

        assert await rig.worker().drain() == 1

        event = partner.events[str(message_id)]
        assert (event.get_type(), event.get_source(), event.get_subject()) == (RAISED, "/territories/FR-34", str(alert))
        assert event.get_data() == {"alert_id": str(alert), "pathway_id": str(pathway), "position": 1}
        assert await rig.states(endpoint) == ["delivered"]


async def test_each_active_endpoint_of_the_agency_is_told_and_nobody_else(rig: Rig) -> None:
    async with Receiver() as first, Receiver() as second, Receiver() as other, Receiver() as elsewhere:
        await rig.trusted(first)
        await rig.trusted(second)
        await rig.trusted(other, agency=SIAO)
        await rig.endpoint(elsewhere.url, territory="FR-30")
        await rig.put()
        await rig.worker().drain()
        assert [len(partner.deliveries) for partner in (first, second, other, elsewhere)] == [1, 1, 0, 0]


async def test_an_endpoint_hears_only_of_the_types_it_asked_for(rig: Rig) -> None:
    async with Receiver() as partner:
        await rig.trusted(partner, CLEARED)
        await rig.put(type_=RAISED)
        wanted = await rig.put(type_=CLEARED)
        await rig.worker().drain()
        assert list(partner.events) == [str(wanted)]


async def test_messages_from_before_the_registration_are_not_sent(rig: Rig) -> None:
    async with Receiver() as partner:
        await rig.put()
        await rig.trusted(partner)
        assert await rig.worker().drain() == 0


async def test_a_message_and_its_deliveries_are_written_together_or_not_at_all(rig: Rig) -> None:
    async with Receiver() as partner, rig.pool.acquire() as db:
        await rig.trusted(partner)
        transaction = db.transaction()
        await transaction.start()
        await db.execute(INSERT, TERRITORY, uuid7(), CCAS, RAISED, uuid7(), None, 1)
        assert await rig.worker().drain() == 0
        await transaction.rollback()
        assert await rig.worker().drain() == 0
        assert await rig.pool.fetchval("SELECT count(*) FROM deliveries") == 0


async def test_who_may_no_longer_know_is_not_told(rig: Rig) -> None:
    asked: list[tuple[str, str, UUID]] = []

    async def nobody(territory: str, agency: str, message: Message) -> bool:
        asked.append((territory, agency, message.message_id))
        return False

    async with Receiver() as partner:
        endpoint = await rig.trusted(partner)
        message_id = await rig.put()
        await rig.worker(nobody).drain()
        assert asked == [(TERRITORY, CCAS, message_id)]
        assert partner.deliveries == []
        assert await rig.states(endpoint) == ["withheld"]
        assert await rig.worker().drain() == 0, "never sent later either"


async def test_when_the_right_cannot_be_asked_nothing_is_sent_until_it_can(rig: Rig) -> None:
    async def broken(_territory: str, _agency: str, _message: Message) -> bool:
        raise ConnectionError

    async with Receiver() as partner:
        endpoint = await rig.trusted(partner)
        await rig.put()
        assert await rig.worker(broken).drain() == 1
        assert partner.deliveries == []
        (line,) = await rig.lines(endpoint)
        assert (line.state, line.attempts) == (DeliveryState.PENDING, 0)
        rig.clock.advance(timedelta(seconds=11))
        assert await rig.worker().drain() == 1
        assert len(partner.events) == 1


# Retries.


async def test_a_failed_delivery_is_tried_again_on_the_schedule_and_then_given_up(rig: Rig) -> None:
    rig.outbox = Outbox(rig.pool, rig.secrets, RetryPolicy(jitter=lambda: 0.0, circuit_failures=1000))
    async with Moody(*[500] * 10) as partner:
        endpoint = await rig.trusted(partner)
        await rig.put()
        worker = rig.worker()
        assert await worker.drain() == 1
        for attempts, wait in enumerate(RETRY_AFTER, start=1):
            (line,) = await rig.lines(endpoint)
            assert (line.state, line.attempts, line.last_error_code) == (DeliveryState.PENDING, attempts, "status_500")
            assert line.due_at == rig.clock.now() + wait
            rig.clock.advance(wait - timedelta(milliseconds=1))
            assert await worker.drain() == 0, "not a moment too early"
            rig.clock.advance(timedelta(milliseconds=1))
            assert await worker.drain() == 1
        (line,) = await rig.lines(endpoint)
        assert (line.state, line.attempts, line.due_at) == (DeliveryState.DEAD, 10, None)
        rig.clock.advance(timedelta(days=2))
        assert await worker.drain() == 0
        assert len(partner.deliveries) == 10
        assert len({delivery.headers["webhook-id"] for delivery in partner.deliveries}) == 1


def test_a_wait_is_lengthened_by_up_to_a_fifth() -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    for jitter, seconds in ((0.0, 300.0), (0.999, 359.94)):
        policy = RetryPolicy(jitter=itertools.repeat(jitter).__next__)
        due = policy.next_attempt(2, Sent(error_code="timeout"), now)
        assert due is not None
        assert (due - now).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(("asked", "hours"), [("7200", 2), ("99999999", 24), ("1", 5 / 3600)])
async def test_a_longer_retry_after_is_obeyed_up_to_a_day(rig: Rig, asked: str, hours: float) -> None:
    async with Moody(503, headers={"Retry-After": asked}) as partner:
        endpoint = await rig.trusted(partner)
        await rig.put()
        await rig.worker().drain()
        (line,) = await rig.lines(endpoint)
        assert line.due_at == rig.clock.now() + timedelta(hours=hours)


async def test_a_redirect_is_a_failure_and_is_not_followed(rig: Rig) -> None:
    async with Receiver() as inside, Moody(302, headers={"Location": inside.url}) as partner:
        endpoint = await rig.trusted(partner)
        await rig.put()
        await rig.worker().drain()
        assert inside.deliveries == []
        assert [line.last_error_code for line in await rig.lines(endpoint)] == ["status_302"]


# Order.


async def test_a_later_message_about_the_same_alert_waits_for_the_earlier(rig: Rig) -> None:
    async with Moody(500) as partner:
        await rig.trusted(partner)
        alert = uuid7()
        first = await rig.put(subject=alert)
        second = await rig.put(subject=alert, type_=CLEARED)
        assert await rig.worker().drain() == 1
        rig.clock.advance(RETRY_AFTER[0])
        await rig.worker().drain()
        assert list(partner.events) == [str(first), str(second)]


async def test_a_later_message_about_the_same_pathway_waits_too_and_others_do_not(rig: Rig) -> None:
    pathway = uuid7()
    async with Moody(500) as partner:
        await rig.trusted(partner)
        first = await rig.put(pathway=pathway)
        await rig.worker().drain()
        second, other = await rig.put(pathway=pathway), await rig.put(pathway=uuid7())
        await rig.worker().drain()
        assert list(partner.events) == [str(other)]
        rig.clock.advance(RETRY_AFTER[0])
        await rig.worker().drain()
        assert list(partner.events) == [str(other), str(first), str(second)]


async def test_many_messages_arrive_in_order_within_each_alert(rig: Rig) -> None:
    alerts = [uuid7() for _ in range(5)]
    async with Receiver() as partner:
        await rig.trusted(partner)
        for _ in range(6):
            for alert in alerts:
                await rig.put(subject=alert)
        assert await rig.worker().drain() == 30
        for alert in alerts:
            positions = [position_of(event) for event in partner.events.values() if event.get_subject() == str(alert)]
            assert positions == sorted(positions)
            assert len(positions) == 6


def position_of(event: BaseCloudEvent) -> int:
    told = event.get_data()
    assert isinstance(told, dict)
    return int(told["position"])


# Partners that misbehave.


async def test_an_endpoint_that_is_gone_is_disabled_and_what_waited_given_up(rig: Rig) -> None:
    async with Moody(410) as partner:
        registered = await rig.trusted(partner)
        alert = uuid7()
        for _ in range(3):
            await rig.put(subject=alert)
        await rig.worker().drain()
        endpoint = await rig.webhooks.endpoint(TERRITORY, CCAS, registered)
        assert (endpoint.status, endpoint.disabled_reason) == (EndpointStatus.DISABLED, DisabledReason.GONE)
        assert await rig.states(registered) == ["dead", "dead", "dead"]
        assert (await rig.lines(registered))[0].last_error_code == "status_410"
        await rig.put()
        assert await rig.worker().drain() == 0
        assert len(partner.deliveries) == 1


async def test_after_ten_failures_in_a_row_only_single_trials_are_made(rig: Rig) -> None:
    rig.outbox = Outbox(rig.pool, rig.secrets, RetryPolicy(waits=[timedelta(seconds=5)] * 9))
    async with Moody(*[500] * (CIRCUIT_FAILURES + 1)) as partner:
        endpoint = await rig.trusted(partner)
        for _ in range(20):
            await rig.put()
        worker = rig.worker()
        await worker.drain()
        assert len(partner.deliveries) == CIRCUIT_FAILURES
        rig.clock.advance(CIRCUIT_PAUSE - timedelta(seconds=1))
        assert await worker.drain() == 0, "open: nothing is sent"
        rig.clock.advance(timedelta(seconds=1))
        assert await worker.drain() == 1, "half open: one trial, which fails"
        rig.clock.advance(CIRCUIT_PAUSE)
        assert await worker.drain() == 0, "a failed trial doubles the pause"
        rig.clock.advance(CIRCUIT_PAUSE)
        await worker.drain()
        assert len(partner.events) == 20, "closed again: all is delivered"
        assert (await rig.webhooks.endpoint(TERRITORY, CCAS, endpoint)).consecutive_failures == 0


async def test_an_endpoint_that_fails_for_five_days_is_disabled(rig: Rig) -> None:
    async with Moody(*[500] * 1000) as partner:
        registered = await rig.trusted(partner)
        worker = rig.worker()
        for _ in range(11):
            await rig.put()
            await worker.drain()
            rig.clock.advance(timedelta(hours=12))
        endpoint = await rig.webhooks.endpoint(TERRITORY, CCAS, registered)
        assert endpoint.disabled_reason is DisabledReason.FAILING
        assert set(await rig.states(registered)) == {"dead"}


async def test_partners_that_hang_leave_the_others_their_places(rig: Rig) -> None:
    """Two who hang hold all eight places, and for longer than the sound one needs for everything."""
    patient = OutgoingHttp(allow_loopback=True, total_seconds=50.0)
    async with Silent() as hanging, Silent() as hanging_too, Receiver() as sound, patient:
        await rig.trusted(hanging, agency=SIAO)
        await rig.trusted(hanging_too, agency="mission-locale")
        for _ in range(8):
            await rig.put(agency=SIAO)
            await rig.put(agency="mission-locale")
        stopping = asyncio.Event()
        running = asyncio.create_task(Rig(rig.pool, patient).worker(concurrency=8).run(stopping))
        await asyncio.wait_for(asyncio.gather(hanging.asked.wait(), hanging_too.asked.wait()), 20)
        await rig.trusted(sound)
        for _ in range(20):
            await rig.put()
        await sound.wait_for(20, timeout_seconds=40)
        assert (hanging.busy, hanging_too.busy) == (4, 4), "not one of them has ended"
        stopping.set()
        await running


async def test_never_more_than_four_connections_to_an_endpoint_from_all_workers_together(rig: Rig) -> None:
    async def slow(delivery: Delivery) -> Answer:
        await asyncio.sleep(0.01)
        return await partner.accept(delivery)

    async with Receiver(answer=slow) as partner, OutgoingHttp(allow_loopback=True) as other_http:
        await rig.trusted(partner)
        for _ in range(60):
            await rig.put()
        others = Rig(rig.pool, other_http)
        stopping = asyncio.Event()
        running = [asyncio.create_task(each.worker().run(stopping)) for each in (rig, others)]
        await partner.wait_for(60)
        stopping.set()
        await asyncio.gather(*running)
        assert len(partner.deliveries) == 60, "two workers, and each message once"
        assert 1 < partner.busy_peak <= 4


# Workers that die.


async def test_a_worker_killed_in_the_middle_loses_nothing(rig: Rig, database_url: str) -> None:
    async with Silent() as partner:
        registered = await rig.trusted(partner)
        message_id = await rig.put()
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.delivering", database_url)
        await asyncio.wait_for(partner.asked.wait(), 20)
        process.kill()
        await process.wait()
        assert await rig.states(registered) == ["delivering"]

        partner._answer = partner.accept
        assert await rig.worker().drain() == 0, "still leased"
        rig.clock.set(datetime.now(UTC) + LEASE)
        assert await rig.worker().drain() == 1
        assert list(partner.events) == [str(message_id)]
        assert [line.attempts for line in await rig.lines(registered)] == [2]


async def test_a_worker_that_stops_gives_back_what_it_was_doing(rig: Rig) -> None:
    async with Silent() as partner:
        registered = await rig.trusted(partner)
        await rig.put()
        stopping = asyncio.Event()
        running = asyncio.create_task(rig.worker().run(stopping))
        await asyncio.wait_for(partner.asked.wait(), 20)
        stopping.set()
        await asyncio.wait_for(running, 1)
        (line,) = await rig.lines(registered)
        assert (line.state, line.attempts) == (DeliveryState.PENDING, 0)
        partner._answer = partner.accept
        await rig.worker().drain()
        assert len(partner.events) == 1


async def test_who_lost_the_lease_settles_nothing(rig: Rig) -> None:
    async with Receiver() as partner:
        registered = await rig.trusted(partner)
        await rig.put()
        (late,) = await rig.outbox.claim(rig.clock.now(), most=1, lease=LEASE, per_endpoint=4)
        rig.clock.advance(LEASE)
        (holder,) = await rig.outbox.claim(rig.clock.now(), most=1, lease=LEASE, per_endpoint=4)
        assert await rig.outbox.settle(late, Sent(200), rig.clock.now()) is None
        assert await rig.outbox.settle(late, Sent(error_code="timeout"), rig.clock.now()) is None
        assert await rig.states(registered) == ["delivering"]
        assert await rig.outbox.settle(holder, Sent(200), rig.clock.now()) is DeliveryState.DELIVERED
        assert (await rig.webhooks.endpoint(TERRITORY, CCAS, registered)).consecutive_failures == 0


async def test_a_receiver_that_had_it_already_ignores_the_second(rig: Rig) -> None:
    async def accept_but_answer_500(delivery: Delivery) -> Answer:
        await partner.accept(delivery)
        return Answer(500 if len(partner.deliveries) == 1 else 204)

    async with Receiver(answer=accept_but_answer_500) as partner:
        await rig.trusted(partner)
        await rig.put()
        await rig.worker().drain()
        rig.clock.advance(RETRY_AFTER[0])
        await rig.worker().drain()
        assert (len(partner.deliveries), len(partner.events)) == (2, 1)


async def test_a_running_worker_is_woken_at_once(rig: Rig) -> None:
    async with Receiver() as partner:
        await rig.trusted(partner)
        worker, stopping = rig.worker(poll_seconds=30), asyncio.Event()
        running = asyncio.create_task(worker.run(stopping))
        await asyncio.sleep(0.1)
        await rig.put()
        worker.wake()
        await partner.wait_for(1, timeout_seconds=20)
        stopping.set()
        await running


# What is told of it.


async def test_logs_hold_ids_and_codes_and_neither_address_nor_secret(rig: Rig) -> None:
    async with Moody(500) as partner:
        registered = await rig.endpoint(f"{partner.url}?token=canary")
        partner.secrets.append(registered.secret)
        message_id = await rig.put()
        with capture_logs(processors=[merge_contextvars]) as logs:
            await rig.worker().drain()
            rig.clock.advance(RETRY_AFTER[0])
            await rig.worker().drain()
    assert [(line["event"], line["attempt"]) for line in logs] == [("webhook.failed", 1), ("webhook.delivered", 2)]
    assert {line["message_id"] for line in logs} == {str(message_id)}
    for secret in ("canary", "127.0.0.1", registered.secret, CCAS):
        assert secret not in str(logs)


async def test_attempts_are_counted_by_how_they_ended(rig: Rig) -> None:
    before = {outcome: counted(outcome) for outcome in ("delivered", "failed", "withheld")}
    async with Moody(500) as partner:
        await rig.trusted(partner)
        await rig.put()
        await rig.worker().drain()
        await rig.put()
        await rig.worker().drain()
    assert {outcome: counted(outcome) - start for outcome, start in before.items()} == {
        "delivered": 1,
        "failed": 1,
        "withheld": 0,
    }


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("unisson_webhook_attempts_total", {"outcome": outcome}) or 0.0


# Endpoints.


async def test_the_secret_is_shown_once_and_stored_sealed(rig: Rig) -> None:
    registered = await rig.endpoint("http://127.0.0.1:9/hook")
    row = await rig.pool.fetchval("SELECT e::text FROM webhook_endpoints AS e")
    assert registered.secret.startswith("whsec_")
    assert registered.secret not in row
    assert registered.secret.encode().hex() not in row
    assert registered.secret not in repr(registered)


async def test_both_secrets_verify_for_a_day_after_a_rotation(rig: Rig) -> None:
    async with Receiver() as partner:
        endpoint = await rig.trusted(partner)
        (old,) = partner.secrets
        new = await rig.webhooks.rotate_secret(TERRITORY, CCAS, endpoint, rig.clock.now())
        for secret in (old, new):
            partner.secrets[:] = [secret]
            await rig.put()
            await rig.worker().drain()
        assert len(partner.events) == 2
        rig.clock.advance(ROTATION)
        await rig.put()
        await rig.worker().drain()
        assert len(partner.deliveries[-1].headers["webhook-signature"].split(" ")) == 1


async def test_an_inside_address_is_refused_at_registration_in_production(rig: Rig) -> None:
    webhooks = PostgresWebhooks(rig.pool, rig.secrets)
    for url in ("http://127.0.0.1:9/hook", "https://10.0.0.1/", "https://partner.example:8443/"):
        with pytest.raises(EndpointRefused):
            await webhooks.register(TERRITORY, CCAS, url, [], rig.clock.now())


async def test_an_agency_has_ten_endpoints_at_most(rig: Rig) -> None:
    for _ in range(ENDPOINTS_MAX):
        await rig.endpoint("http://127.0.0.1:9/hook")
    with pytest.raises(TooManyEndpoints):
        await rig.endpoint("http://127.0.0.1:9/hook")
    await rig.endpoint("http://127.0.0.1:9/hook", agency=SIAO)


async def test_the_endpoint_of_another_agency_is_unknown(rig: Rig) -> None:
    endpoint = (await rig.endpoint("http://127.0.0.1:9/hook")).endpoint.endpoint_id
    now, webhooks = rig.clock.now(), rig.webhooks
    for call in (
        webhooks.endpoint(TERRITORY, SIAO, endpoint),
        webhooks.endpoint("FR-30", CCAS, endpoint),
        webhooks.rotate_secret(TERRITORY, SIAO, endpoint, now),
        webhooks.disable(TERRITORY, SIAO, endpoint, now),
        webhooks.enable(TERRITORY, SIAO, endpoint),
        webhooks.send_test(TERRITORY, SIAO, endpoint, now),
        webhooks.deliveries(TERRITORY, SIAO, endpoint),
        webhooks.challenge(TERRITORY, SIAO, endpoint, now),
        webhooks.verify(TERRITORY, SIAO, endpoint, "guessed", now),
        webhooks.delivery(TERRITORY, SIAO, endpoint, uuid7()),
        webhooks.replay(TERRITORY, SIAO, endpoint, uuid7()),
        rig.recoveries.ask(TERRITORY, SIAO, endpoint, Asked(since=now), now),
        rig.recoveries.recoveries(TERRITORY, SIAO, endpoint),
        rig.recoveries.recovery(TERRITORY, SIAO, endpoint, uuid7()),
        rig.recoveries.cancel(TERRITORY, SIAO, endpoint, uuid7(), now),
    ):
        with pytest.raises(UnknownEndpoint):
            await call
    assert await webhooks.endpoints(TERRITORY, SIAO) == []
    assert (await webhooks.endpoint(TERRITORY, CCAS, endpoint)).status is EndpointStatus.ACTIVE


async def test_a_test_message_goes_to_one_endpoint_whatever_types_it_wants(rig: Rig) -> None:
    async with Receiver() as asked, Receiver() as other:
        endpoint = await rig.trusted(asked, CLEARED)
        await rig.trusted(other)
        message_id = await rig.webhooks.send_test(TERRITORY, CCAS, endpoint, rig.clock.now())
        await rig.worker().drain()
        assert asked.events[str(message_id)].get_type() == TEST_MESSAGE
        assert other.deliveries == []


async def test_the_delivery_log_is_read_in_pages_and_by_state(rig: Rig) -> None:
    async with Moody(500) as partner:
        endpoint = await rig.trusted(partner)
        for _ in range(5):
            await rig.put()
            await rig.worker().drain()
        newest = await rig.webhooks.deliveries(TERRITORY, CCAS, endpoint, limit=3)
        rest = await rig.webhooks.deliveries(TERRITORY, CCAS, endpoint, limit=3, before=newest[-1].sequence)
        assert [line.state for line in newest + rest] == ["delivered"] * 4 + ["pending"]
        failed = await rig.webhooks.deliveries(TERRITORY, CCAS, endpoint, state=DeliveryState.PENDING)
        assert [(line.last_status, line.last_error_code) for line in failed] == [(500, "status_500")]


async def test_one_message_may_be_sent_again_even_when_it_was_delivered(rig: Rig) -> None:
    async with Receiver() as partner:
        endpoint = await rig.trusted(partner)
        message_id = await rig.put()
        await rig.worker().drain()
        assert await rig.webhooks.replay(TERRITORY, CCAS, endpoint, message_id) == 1
        assert await rig.webhooks.replay(TERRITORY, CCAS, endpoint, message_id) == 0  # It waits already.
        with pytest.raises(UnknownMessage):
            await rig.webhooks.replay(TERRITORY, CCAS, endpoint, uuid7())
        await rig.worker().drain()
        assert (len(partner.deliveries), list(partner.events)) == (2, [str(message_id)])


async def test_a_disabled_endpoint_hears_nothing_more(rig: Rig) -> None:
    async with Receiver() as partner:
        registered = await rig.trusted(partner)
        await rig.put()
        endpoint = await rig.webhooks.disable(TERRITORY, CCAS, registered, rig.clock.now())
        again = await rig.webhooks.disable(TERRITORY, CCAS, registered, rig.clock.now())
        assert (again, endpoint.disabled_reason) == (endpoint, DisabledReason.ASKED)
        await rig.put()
        assert await rig.worker().drain() == 0
        assert await rig.states(registered) == ["dead"]
        with pytest.raises(EndpointDisabled):
            await rig.webhooks.send_test(TERRITORY, CCAS, registered, rig.clock.now())
