"""An endpoint is told nothing until it gave back what only its address received."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from api.demo.receiver import Answer, Delivery, Receiver
from application.message_types import CHALLENGE_MESSAGE
from application.webhooks import (
    ChallengeFailed,
    EndpointDisabled,
    EndpointStatus,
    EndpointUnverified,
    TooManyChallenges,
)
from domain.ids import uuid7
from infrastructure.database import Pool, connect
from infrastructure.migrate import migrate, read_migrations
from infrastructure.outbox import RETRY_AFTER
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_challenges import is_echo
from infrastructure.webhook_endpoints import CHALLENGE_GOOD_FOR, CHALLENGES_MAX, CHALLENGES_PERIOD
from tests.support.webhook_rig import CCAS, TERRITORY, Rig


@pytest.fixture
async def rig(pool: Pool) -> AsyncIterator[Rig]:
    async with OutgoingHttp(allow_loopback=True, total_seconds=3.0) as http:
        yield Rig(pool, http)


class Reader(Receiver):
    """Takes everything and gives nothing back; its owner reads."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(answer=self._take)
        self.body = body

    async def _take(self, _: Delivery) -> Answer:
        return Answer(200, body=self.body)

    @property
    def challenges(self) -> list[str]:
        told = [msgspec.json.decode(delivery.body) for delivery in self.deliveries]
        return [each["data"]["challenge"] for each in told if each["type"] == CHALLENGE_MESSAGE]


async def registered(rig: Rig, partner: Receiver) -> UUID:
    """As over HTTP: nothing else was done."""
    made = await rig.webhooks.register(TERRITORY, CCAS, partner.url, (), rig.clock.now())
    partner.secrets.append(made.secret)
    return made.endpoint.endpoint_id


async def status(rig: Rig, endpoint: UUID) -> EndpointStatus:
    return (await rig.webhooks.endpoint(TERRITORY, CCAS, endpoint)).status


async def test_an_endpoint_that_gives_its_challenge_back_is_verified(rig: Rig) -> None:
    async with Receiver() as partner:
        endpoint = await registered(rig, partner)
        assert await status(rig, endpoint) is EndpointStatus.UNVERIFIED
        await rig.worker().drain()
        found = await rig.webhooks.endpoint(TERRITORY, CCAS, endpoint)
        assert (found.status, found.verified_at, found.challenge_until) == (
            EndpointStatus.ACTIVE,
            rig.clock.now(),
            None,
        )
        message_id = await rig.put()
        await rig.worker().drain()
        assert list(partner.events) == [str(message_id)]


async def test_nothing_but_its_challenge_is_sent_to_an_endpoint_before_it_is_verified(rig: Rig) -> None:
    async with Reader() as partner:
        endpoint, now = await registered(rig, partner), rig.clock.now()
        await rig.put()
        await rig.worker().drain()
        for refused in (
            rig.webhooks.send_test(TERRITORY, CCAS, endpoint, now),
            rig.webhooks.replay(TERRITORY, CCAS, endpoint, endpoint),
        ):
            with pytest.raises(EndpointUnverified):
                await refused
        assert len(partner.deliveries) == len(partner.challenges) == 1
        (line,) = await rig.lines(endpoint)
        assert (line.state, line.last_error_code) == ("delivered", "not_echoed")
        await rig.webhooks.verify(TERRITORY, CCAS, endpoint, partner.challenges[0], now)
        assert await rig.worker().drain() == 0, "what came before is not sent by itself"


async def test_the_owner_may_tell_what_the_address_received(rig: Rig) -> None:
    async with Reader() as partner:
        endpoint, now = await registered(rig, partner), rig.clock.now()
        await rig.worker().drain()
        (challenge,) = partner.challenges
        for wrong in ("", "x", challenge[:-1], partner.secrets[0], str(endpoint)):
            with pytest.raises(ChallengeFailed):
                await rig.webhooks.verify(TERRITORY, CCAS, endpoint, wrong, now)
        verified = await rig.webhooks.verify(TERRITORY, CCAS, endpoint, challenge, now)
        assert verified.status is EndpointStatus.ACTIVE
        assert await rig.webhooks.verify(TERRITORY, CCAS, endpoint, "again, whatever it is", now) == verified
        assert await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now) == verified


async def test_a_challenge_is_good_for_four_days(rig: Rig) -> None:
    async with Reader() as partner:
        endpoint = await registered(rig, partner)
        await rig.worker().drain()
        late = rig.clock.now() + CHALLENGE_GOOD_FOR
        with pytest.raises(ChallengeFailed):
            await rig.webhooks.verify(TERRITORY, CCAS, endpoint, partner.challenges[0], late)
        assert timedelta(days=4) == CHALLENGE_GOOD_FOR > sum(RETRY_AFTER, timedelta()) * 1.2


async def test_a_new_challenge_makes_those_before_void(rig: Rig) -> None:
    async with Reader() as partner:
        endpoint, now = await registered(rig, partner), rig.clock.now()
        await rig.worker().drain()
        await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now)
        await rig.worker().drain()
        first, second = partner.challenges
        assert first != second
        with pytest.raises(ChallengeFailed):
            await rig.webhooks.verify(TERRITORY, CCAS, endpoint, first, now)
        await rig.webhooks.verify(TERRITORY, CCAS, endpoint, second, now)


async def test_a_challenge_refused_at_first_comes_again_and_at_once_when_asked(rig: Rig) -> None:
    async with Receiver() as partner:
        made = await rig.webhooks.register(TERRITORY, CCAS, partner.url, (), rig.clock.now())
        endpoint = made.endpoint.endpoint_id
        await rig.worker().drain()
        assert await rig.states(endpoint) == ["pending"], "it does not know its secret yet"
        partner.secrets.append(made.secret)
        assert await rig.worker().drain() == 0
        await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, rig.clock.now())
        await rig.worker().drain()
        assert await status(rig, endpoint) is EndpointStatus.ACTIVE
        lines = await rig.lines(endpoint)
        assert [(line.state, line.last_error_code) for line in lines] == [("dead", "superseded"), ("delivered", None)]


async def test_a_challenge_asked_for_while_the_one_before_comes_back_leaves_the_endpoint_verified(rig: Rig) -> None:
    """Whichever is first: verified by the old one, or unverified until the new one comes back."""
    for _ in range(5):
        async with Receiver() as partner:
            endpoint = await registered(rig, partner)
            now = rig.clock.now()
            await asyncio.gather(rig.worker().drain(), rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now))
            await rig.worker().drain()
            found = await rig.webhooks.endpoint(TERRITORY, CCAS, endpoint)
            assert (found.status, found.challenge_until) == (EndpointStatus.ACTIVE, None)


async def test_an_address_that_answers_410_to_its_challenge_is_disabled(rig: Rig) -> None:
    async def gone(_: Delivery) -> Answer:
        return Answer(410)

    async with Receiver(answer=gone) as partner:
        endpoint, now = await registered(rig, partner), rig.clock.now()
        await rig.worker().drain()
        assert await status(rig, endpoint) is EndpointStatus.DISABLED
        for refused in (
            rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now),
            rig.webhooks.verify(TERRITORY, CCAS, endpoint, "whatever", now),
        ):
            with pytest.raises(EndpointDisabled):
                await refused
        enabled = await rig.webhooks.enable(TERRITORY, CCAS, endpoint)
        assert enabled.status is EndpointStatus.UNVERIFIED, "it never was verified"
        partner._answer = partner.accept
        await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now)
        await rig.worker().drain()
        assert await status(rig, endpoint) is EndpointStatus.ACTIVE


async def test_an_agency_cannot_have_an_address_flooded_with_challenges(rig: Rig) -> None:
    async with Reader() as partner:
        endpoint, now = await registered(rig, partner), rig.clock.now()
        for _ in range(CHALLENGES_MAX - 1):
            await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now)
        with pytest.raises(TooManyChallenges):
            await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now)
        await rig.webhooks.challenge(TERRITORY, CCAS, endpoint, now + CHALLENGES_PERIOD)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"challenge",
        b'"challenge"',
        b'{"challenge": null}',
        b'{"challenge": ["right"]}',
        b'{"challenge": "Right"}',
        b'{"challenge": "right',
        b'\xff{"challenge": "right"}',
        b"[" * 5000,
    ],
)
def test_anything_else_is_no_echo(body: bytes) -> None:
    assert not is_echo(body, "right")


def test_other_fields_may_stand_beside_the_echo() -> None:
    assert is_echo(b'{"ok": true, "challenge": "right"}', "right")


async def test_an_echo_that_drips_or_breaks_off_verifies_nothing(rig: Rig) -> None:
    """The answer counts as a delivery all the same, and the endpoint stays where it is."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"challenge": "')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    made = await rig.webhooks.register(TERRITORY, CCAS, url, (), rig.clock.now())
    await rig.worker().drain()
    assert await status(rig, made.endpoint.endpoint_id) is EndpointStatus.UNVERIFIED
    server.close()


# Those that were there before anything was asked of them.


async def test_endpoints_of_an_earlier_release_go_on_being_told(empty_database_url: str) -> None:
    connection = await connect(empty_database_url)
    earlier = {migration.name for migration in read_migrations() if migration.name < CHALLENGES_CAME_WITH}
    await migrate(connection, only=earlier)
    for status, reason in (("active", None), ("disabled", "gone")):
        await connection.execute(EARLIER, uuid7(), status, reason)
    await connection.execute(TOLD, uuid7())
    await migrate(connection)
    rows = await connection.fetch("SELECT status, verified_at = created_at AS known FROM webhook_endpoints ORDER BY 1")
    assert [tuple(row) for row in rows] == [("active", True), ("disabled", True)]
    await connection.execute(TOLD, uuid7())
    assert await connection.fetchval("SELECT count(*) FROM deliveries WHERE attempts = '[]'") == 2
    await connection.close()


CHALLENGES_CAME_WITH = "0018_webhooks.sql"
EARLIER = """
INSERT INTO webhook_endpoints (territory, endpoint_id, agency, url, secret, status, disabled_reason, created_at)
VALUES ('FR-34', $1, 'ccas-montpellier', 'https://partner.example/', '', $2, $3, now())"""
TOLD = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, position)
VALUES ('FR-34', $1, 'ccas-montpellier', 'unisson.alert.raised.v1', $1, 1)"""
