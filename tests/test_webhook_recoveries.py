"""Recoveries: what an endpoint missed is sent again by jobs that survive whoever carries them out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from api.demo.receiver import Receiver
from application.webhook_recoveries import Asked, RecoveryState, RecoveryUnderWay, UnknownRecovery
from application.webhooks import EndpointDisabled
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.recovery_runner import RecoveryRunner
from infrastructure.webhook_recoveries import SHOWN, PostgresRecoveries
from tests.support.endpoints import verify
from tests.support.webhook_rig import CCAS, CLEARED, SIAO, TERRITORY, Moody, Rig

LONG_AGO = timedelta(days=1)


@pytest.fixture
async def rig(pool: Pool) -> AsyncIterator[Rig]:
    async with OutgoingHttp(allow_loopback=True, total_seconds=3.0) as http:
        yield Rig(pool, http)


class Desk:
    """Recoveries of one endpoint, by pages of two."""

    def __init__(self, rig: Rig, endpoint: UUID) -> None:
        self.rig = rig
        self.endpoint = endpoint
        self.jobs = PostgresRecoveries(rig.pool, page=2, lease=timedelta())

    async def ask(self, asked: Asked | None = None) -> UUID:
        asked = asked or Asked(since=self.rig.clock.now() - LONG_AGO)
        return (await self.jobs.ask(TERRITORY, CCAS, self.endpoint, asked, self.rig.clock.now())).recovery_id

    async def drain(self) -> None:
        await RecoveryRunner(self.jobs, self.rig.clock).drain()

    async def far(self, recovery_id: UUID) -> tuple[str, int | None, int, int]:
        found = await self.jobs.recovery(TERRITORY, CCAS, self.endpoint, recovery_id)
        return found.state.value, found.total, found.looked_at, found.queued


async def test_all_that_was_missed_is_sent_again_and_nothing_else(rig: Rig) -> None:
    async with Moody(204, 410) as partner:
        endpoint = await rig.trusted(partner)
        await rig.put()
        await rig.worker().drain()
        given_up = await rig.put()
        await rig.worker().drain()
        while_disabled = await rig.put()
        await rig.put(agency=SIAO)
        desk = Desk(rig, endpoint)
        with pytest.raises(EndpointDisabled):
            await desk.ask()
        await rig.webhooks.enable(TERRITORY, CCAS, endpoint)
        recovery = await desk.ask()
        assert await desk.far(recovery) == ("queued", None, 0, 0)
        await desk.drain()
        assert await desk.far(recovery) == ("done", 4, 4, 3), "one was delivered; a notice of the disabling came too"
        await rig.worker().drain()
        missed = [str(given_up), str(while_disabled)]
        assert [each for each in partner.events if each in missed] == missed


async def test_from_a_position_on_even_what_was_delivered_comes_again(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await rig.trusted(partner))
        messages = [await rig.put() for _ in range(5)]
        await rig.worker().drain()
        missed = await desk.ask(Asked(after_position=2))
        await desk.drain()
        assert await desk.far(missed) == ("done", 3, 3, 0), "none was missed"
        again = await desk.ask(Asked(after_position=2, again=True))
        await desk.drain()
        assert await desk.far(again) == ("done", 3, 3, 3)
        await rig.worker().drain()
        came = [delivery.headers["webhook-id"] for delivery in partner.deliveries]
        assert sorted(came) == sorted(str(each) for each in messages + messages[2:])
        assert len(partner.events) == 5


async def test_only_the_types_and_the_times_that_are_the_endpoints(rig: Rig) -> None:
    await rig.put(type_=CLEARED)
    rig.clock.advance(timedelta(minutes=1))
    async with Receiver() as partner:
        desk = Desk(rig, await rig.trusted(partner, CLEARED))
        await rig.put()
        recovery = await desk.ask()
        await desk.drain()
        assert await desk.far(recovery) == ("done", 0, 0, 0)


async def test_what_came_before_the_endpoint_was_verified_is_had_by_a_recovery(rig: Rig) -> None:
    async with Receiver() as partner:
        made = await rig.webhooks.register(TERRITORY, CCAS, partner.url, (), rig.clock.now())
        partner.secrets.append(made.secret)
        early = await rig.put()
        desk = Desk(rig, await verify(rig.pool, rig.webhooks, made))
        assert await rig.worker().drain() == 0
        recovery = await desk.ask()
        await desk.drain()
        assert await desk.far(recovery) == ("done", 1, 1, 1)
        await rig.worker().drain()
        assert list(partner.events) == [str(early)]


async def test_what_is_still_to_be_sent_is_not_queued_again(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await rig.trusted(partner))
        await rig.put()
        recovery = await desk.ask()
        await desk.drain()
        assert await desk.far(recovery) == ("done", 1, 1, 0)
        assert await rig.worker().drain() == 1


async def test_a_recovery_is_carried_on_where_whoever_died_left_it(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await disabled_meanwhile(rig, partner, 5))
        recovery = await desk.ask()
        dead = await desk.jobs.claim()
        assert dead is not None
        assert await desk.jobs.step(dead, rig.clock.now())
        assert await desk.far(recovery) == ("running", 5, 2, 2)
        await desk.drain()
        assert await desk.far(recovery) == ("done", 5, 5, 5)
        assert not await desk.jobs.step(dead, rig.clock.now()), "the dead come too late"
        await rig.worker().drain()
        assert len(partner.deliveries) == len(partner.events) == 5


async def test_a_recovery_given_back_goes_on_at_once(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await disabled_meanwhile(rig, partner, 3))
        recovery = await desk.ask()
        lasting = PostgresRecoveries(rig.pool, page=2)
        claim = await lasting.claim()
        assert claim is not None
        await lasting.step(claim, rig.clock.now())
        assert await lasting.claim() is None, "leased"
        await lasting.give_back(claim)
        await RecoveryRunner(lasting, rig.clock).drain()
        assert await desk.far(recovery) == ("done", 3, 3, 3)


async def test_a_cancelled_recovery_looks_no_further(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await disabled_meanwhile(rig, partner, 5))
        recovery = await desk.ask()
        claim = await desk.jobs.claim()
        assert claim is not None
        await desk.jobs.step(claim, rig.clock.now())
        cancelled = await desk.jobs.cancel(TERRITORY, CCAS, desk.endpoint, recovery, rig.clock.now())
        assert cancelled.state is RecoveryState.CANCELLED
        assert not await desk.jobs.step(claim, rig.clock.now())
        await desk.drain()
        assert await desk.far(recovery) == ("cancelled", 5, 2, 2)
        assert await desk.jobs.cancel(TERRITORY, CCAS, desk.endpoint, recovery, rig.clock.now()) == cancelled
        await rig.worker().drain()
        assert len(partner.events) == 2, "what was queued is sent"


async def test_a_recovery_ends_with_its_endpoint(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await disabled_meanwhile(rig, partner, 3))
        recovery = await desk.ask()
        await rig.webhooks.disable(TERRITORY, CCAS, desk.endpoint, rig.clock.now())
        await desk.drain()
        assert await desk.far(recovery) == ("stopped", None, 0, 0)


async def test_an_endpoint_has_one_recovery_at_a_time(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await rig.trusted(partner))
        first = await desk.ask()
        with pytest.raises(RecoveryUnderWay):
            await desk.ask()
        await desk.drain()
        second = await desk.ask()
        listed = await desk.jobs.recoveries(TERRITORY, CCAS, desk.endpoint)
        assert [each.recovery_id for each in listed] == [second, first]
        with pytest.raises(UnknownRecovery):
            await desk.jobs.recovery(TERRITORY, CCAS, desk.endpoint, uuid7())


async def test_the_latest_fifty_are_kept(rig: Rig) -> None:
    async with Receiver() as partner:
        desk = Desk(rig, await rig.trusted(partner))
        asked = []
        for _ in range(SHOWN + 2):
            asked.append(await desk.ask())
            await desk.jobs.cancel(TERRITORY, CCAS, desk.endpoint, asked[-1], rig.clock.now())
        assert await rig.pool.fetchval("SELECT count(*) FROM webhook_recoveries") == SHOWN
        kept = await desk.jobs.recoveries(TERRITORY, CCAS, desk.endpoint)
        ids = {each.recovery_id for each in kept}
        assert asked[-1] in ids
        assert asked[0] not in ids


async def disabled_meanwhile(rig: Rig, partner: Receiver, messages: int) -> UUID:
    """An endpoint that missed so many."""
    endpoint = await rig.trusted(partner)
    await rig.webhooks.disable(TERRITORY, CCAS, endpoint, rig.clock.now())
    for _ in range(messages):
        await rig.put()
    await rig.webhooks.enable(TERRITORY, CCAS, endpoint)
    return endpoint
