"""Every way for a partner to misbehave, beside sound ones: each has its outcome recorded, and delays nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from api.demo.receiver import Answer, Delivery, Receiver
from application.message_types import DISABLED_MESSAGE
from application.webhooks import DisabledReason
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.outbox import RETRY_AFTER, Outbox, RetryPolicy
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_secret import new_secret
from tests.campaigns.webhook_disorder import campaign
from tests.support.bad_partners import BEHAVIOURS, listening
from tests.support.webhook_rig import CCAS, TERRITORY, Moody, Rig

OUTCOMES = {
    "hang": ("pending", "timeout"),
    "fail": ("pending", "status_500"),
    "gone": ("dead", "status_410"),
    "redirect_inside": ("pending", "status_307"),
    "reset": ("pending", "connection_lost"),
    "drip": ("pending", "timeout"),
    "break_off": ("pending", "not_http"),
    "break_off_body": ("delivered", None),
    "huge": ("pending", "status_500"),
}


@pytest.fixture
async def rig(pool: Pool) -> AsyncIterator[Rig]:
    async with OutgoingHttp(allow_loopback=True, total_seconds=1.5) as http:
        yield Rig(pool, http)


async def test_each_bad_partner_has_its_outcome_and_the_sound_ones_their_messages(rig: Rig) -> None:
    assert OUTCOMES.keys() == BEHAVIOURS.keys()
    async with AsyncExitStack() as stack:
        bad, endpoints = {}, {}
        for name in BEHAVIOURS:
            bad[name] = await stack.enter_async_context(listening(name))
            made = await rig.endpoint(bad[name].url, agency=name)
            endpoints[name] = made.endpoint.endpoint_id
        sound = [await stack.enter_async_context(Receiver()) for _ in range(3)]
        for partner in sound:
            await rig.trusted(partner)
        for _ in range(4):
            await rig.put()
            for name in BEHAVIOURS:
                await rig.put(agency=name)
        await rig.worker(concurrency=16).drain()
        assert [len(partner.events) for partner in sound] == [4, 4, 4]
        for name, (state, code) in OUTCOMES.items():
            lines = await rig.lines(endpoints[name], agency=name)
            assert (state, code) in {(line.state, line.last_error_code) for line in lines}, name
            assert bad[name].connections_peak <= 4, name


async def test_a_secret_that_cannot_be_opened_stops_its_endpoint_alone(rig: Rig) -> None:
    """A row altered in the database, or sealed by a key that is not there: nothing goes out unsigned."""
    async with Receiver() as broken, Receiver() as sound:
        endpoint = await rig.trusted(broken)
        await rig.trusted(sound)
        for secret in (b"", b"\0" * 4, b"\0\0\0\1" + b"x" * 80):
            await rig.pool.execute("UPDATE webhook_endpoints SET secret = $2 WHERE endpoint_id = $1", endpoint, secret)
            await rig.put()
            await rig.worker().drain()
            rig.clock.advance(timedelta(seconds=11))
        assert (len(broken.deliveries), len(sound.events)) == (0, 3)
        assert set(await rig.states(endpoint)) == {"pending"}


async def test_a_receiver_with_another_secret_gets_it_when_it_has_the_right_one(rig: Rig) -> None:
    async with Receiver(new_secret()) as partner:
        endpoint = await rig.trusted(partner)
        right = partner.secrets.pop()
        message_id = await rig.put()
        await rig.worker().drain()
        assert (await rig.lines(endpoint))[0].last_error_code == "status_401"
        partner.secrets.append(right)
        rig.clock.advance(RETRY_AFTER[0])
        await rig.worker().drain()
        assert list(partner.events) == [str(message_id)]


# Told of what happened to an endpoint.


async def test_the_other_endpoints_are_told_that_one_was_disabled(rig: Rig) -> None:
    async with Moody(410) as gone, Receiver() as other, Receiver() as stranger:
        endpoint = await rig.trusted(gone)
        await rig.trusted(other)
        await rig.trusted(stranger, agency="siao-herault")
        await rig.put()
        await rig.worker().drain()
        told = [event for event in other.events.values() if event.get_type() == DISABLED_MESSAGE]
        assert [event.get_subject() for event in told] == [str(endpoint)]
        assert [event.get_data() for event in told] == [{"position": 0, "endpoint_id": str(endpoint)}]
        assert (len(gone.deliveries), len(stranger.deliveries)) == (1, 0)


async def test_who_disables_an_endpoint_is_not_told_of_it(rig: Rig) -> None:
    async with Receiver() as one, Receiver() as other:
        endpoint = await rig.trusted(one)
        await rig.trusted(other)
        await rig.webhooks.disable(TERRITORY, CCAS, endpoint, rig.clock.now())
        assert await rig.worker().drain() == 0


async def test_one_disabling_is_told_once_however_many_attempts_found_it(rig: Rig) -> None:
    together = asyncio.Barrier(4)

    async def gone(_: Delivery) -> Answer:
        await together.wait()
        return Answer(410)

    async with Receiver(answer=gone) as partner:
        endpoint = await rig.trusted(partner)
        for _ in range(4):
            await rig.put()
        await rig.worker().drain()
        found = await rig.webhooks.endpoint(TERRITORY, CCAS, endpoint)
        assert found.disabled_reason is DisabledReason.GONE
        told = await rig.pool.fetchval("SELECT count(*) FROM outbox WHERE type = $1", DISABLED_MESSAGE)
        assert told == 1


# The log of attempts.


async def test_each_attempt_is_kept_with_how_it_ended_the_latest_thirty(rig: Rig) -> None:
    rig.outbox = Outbox(rig.pool, rig.secrets, RetryPolicy(waits=RETRY_AFTER[:1] * 2, jitter=lambda: 0.0))
    async with Moody(500, 429) as partner:
        endpoint = await rig.trusted(partner)
        message_id = await rig.put(pathway=uuid7())
        for _ in range(3):
            await rig.worker().drain()
            rig.clock.advance(RETRY_AFTER[0])
        found = await rig.webhooks.delivery(TERRITORY, CCAS, endpoint, message_id)
        assert [(each.status, each.error_code) for each in found.attempts_made] == [
            (500, "status_500"),
            (429, "status_429"),
            (204, None),
        ]
        assert [each.at for each in found.attempts_made] == sorted(each.at for each in found.attempts_made)
        assert found.message.pathway is None
        for _ in range(32):
            await rig.webhooks.replay(TERRITORY, CCAS, endpoint, message_id)
            await rig.worker().drain()
        found = await rig.webhooks.delivery(TERRITORY, CCAS, endpoint, message_id)
        assert len(found.attempts_made) == 30


# Duplicates and disorder: `python -m tests.campaigns.webhook_disorder` is longer.


@pytest.mark.parametrize("seed", range(2))
def test_however_shuffled_and_repeated_the_receiver_ends_where_it_should(seed: int) -> None:
    found = campaign(4_000, seed)
    assert (found.deliveries, found.messages, found.effects, found.astray) == (4_000, 2_000, 2_000, 0)
