"""The outbox under any course of events: workers die and return, partners answer or not, time passes."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.clock import SettableClock
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.outbox import Claim, Outbox, RetryPolicy
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sent
from tests.support.delivering import KEYS
from tests.support.endpoints import verify

TERRITORY = "FR-34"
AGENCIES = ("ccas-montpellier", "siao-herault")
LEASE = timedelta(seconds=60)
PER_ENDPOINT = 4
INSERT = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position)
VALUES ($1, $2, $3, 'unisson.alert.raised.v1', $4, $5, $6)"""


class Course:
    """One seeded course of events, and what must hold at every step of it."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a course that can be run again)
        self.pool = pool
        self.clock = SettableClock(datetime.now(UTC))
        policy = RetryPolicy(
            waits=[timedelta(seconds=5)] * 30, failing_max=timedelta(days=999), jitter=self.random.random
        )
        self.outbox = Outbox(pool, SecretBox(KEYS), policy)
        self.webhooks = PostgresWebhooks(pool, SecretBox(KEYS), allow_loopback=True)
        self.pathways = [uuid7() for _ in range(3)]
        self.alerts = [(uuid7(), self.random.choice([None, *self.pathways])) for _ in range(6)]
        self.put: dict[UUID, int] = {}
        self.delivered: dict[UUID, list[tuple[UUID, UUID | None, int]]] = defaultdict(list)
        self.held: list[tuple[Claim, datetime]] = []

    async def begin(self) -> None:
        for agency in AGENCIES:
            for _ in range(2):
                made = await self.webhooks.register(TERRITORY, agency, "http://127.0.0.1:9/", [], self.clock.now())
                await verify(self.pool, self.webhooks, made)

    async def step(self) -> None:
        match self.random.choices(
            ["put", "claim", "succeed", "fail", "die", "give back", "wait"], [4, 4, 4, 3, 1, 1, 3]
        ):
            case ["put"]:
                await self._put()
            case ["claim"]:
                await self._claim(self.random.randint(1, 10))
            case ["succeed"]:
                await self._settle(Sent(204))
            case ["fail"]:
                await self._settle(Sent(error_code="timeout"))
            case ["die"] if self.held:
                self._take()
            case ["give back"] if self.held:
                await self.outbox.release(self._take()[0], self.clock.now())
            case ["wait"]:
                self.clock.advance(timedelta(seconds=self.random.choice([1, 5, 30, 61, 600])))

    async def finish(self) -> None:
        """Nobody fails any more: all that was put must arrive."""
        for _ in range(200):
            self.clock.advance(timedelta(hours=1))
            await self._claim(100)
            while self.held:
                await self._settle(Sent(204))
            if all(len(arrived) == self._expected(endpoint) for endpoint, arrived in self.delivered.items()):
                return

    async def _put(self) -> None:
        alert, pathway = self.random.choice(self.alerts)
        message_id, position = uuid7(), len(self.put) + 1
        await self.pool.execute(INSERT, TERRITORY, message_id, AGENCIES[position % 2], alert, pathway, position)
        self.put[message_id] = position

    async def _claim(self, most: int) -> None:
        now = self.clock.now()
        claims = await self.outbox.claim(now, most=most, lease=LEASE, per_endpoint=PER_ENDPOINT)
        assert len(claims) <= most
        self.held += [(claim, now + LEASE) for claim in claims]
        self._check_leases(now)

    def _check_leases(self, now: datetime) -> None:
        alive = [claim for claim, until in self.held if until > now]
        per_endpoint = Counter(claim.endpoint_id for claim in alive)
        assert not per_endpoint or max(per_endpoint.values()) <= PER_ENDPOINT
        for same in (
            [(claim.endpoint_id, claim.message.subject_id) for claim in alive],
            [(claim.endpoint_id, claim.message.pathway) for claim in alive if claim.message.pathway],
        ):
            assert len(same) == len(set(same)), "two messages of one alert or pathway at the same time"

    async def _settle(self, sent: Sent) -> None:
        if not self.held:
            return
        claim, _ = self._take()
        if await self.outbox.settle(claim, sent, self.clock.now()) is not None and sent.delivered:
            message = claim.message
            self.delivered[claim.endpoint_id].append((message.subject_id, message.pathway, message.position))

    def _take(self) -> tuple[Claim, datetime]:
        return self.held.pop(self.random.randrange(len(self.held)))

    def _expected(self, endpoint: UUID) -> int:
        first = self.delivered[endpoint][0][2]
        return sum(position % 2 == first % 2 for position in self.put.values())


def ordered(arrived: list[tuple[UUID, UUID | None, int]]) -> Iterator[list[int]]:
    """The positions of each alert, and of each pathway, as they arrived."""
    for key in (0, 1):
        for value in {row[key] for row in arrived if row[key]}:
            yield [row[2] for row in arrived if row[key] == value]


@pytest.mark.parametrize("seed", range(8))
async def test_each_message_arrives_once_settled_in_order_within_the_limits(pool: Pool, seed: int) -> None:
    course = Course(pool, seed)
    await course.begin()
    for _ in range(250):
        await course.step()
    await course.finish()

    assert len(course.put) > 20
    assert len(course.delivered) == 4
    for endpoint, arrived in course.delivered.items():
        positions = [position for _, _, position in arrived]
        assert len(positions) == len(set(positions)) == course._expected(endpoint)
        for each in ordered(arrived):
            assert each == sorted(each)
    assert await pool.fetchval("SELECT count(*) FROM deliveries WHERE state <> 'delivered'") == 0


async def test_only_what_is_settled_and_old_is_forgotten(pool: Pool) -> None:
    course = Course(pool, seed=0)
    await course.begin()
    for _ in range(3):
        await course._put()
    now = datetime.now(UTC)
    assert await course.outbox.forget(now + timedelta(days=1)) == 0, "still to be sent"
    await course.finish()
    assert await course.outbox.forget(now - timedelta(days=1)) == 0, "too young"
    assert await course.outbox.forget(now + timedelta(days=1), most=2) == 2
    assert await course.outbox.forget(now + timedelta(days=1), most=2) == 1
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 0
