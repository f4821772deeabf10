"""A delivery worker, its database and the endpoints that a test needs; partners that misbehave."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api.demo.receiver import Answer, Delivery, Receiver
from application.event_log import Commit
from application.messages import MaySend
from application.webhooks import DeliveryLine, NewEndpoint
from domain.clock import SettableClock
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.delivery import DeliveryWorker
from infrastructure.event_log import PostgresEventLog
from infrastructure.outbox import Outbox, RetryPolicy
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_recoveries import PostgresRecoveries
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sender
from tests.support.delivering import KEYS, PUBLIC_URL, anybody
from tests.support.endpoints import verify
from tests.support.histories import painted

TERRITORY = "FR-34"
CCAS, SIAO = "ccas-montpellier", "siao-herault"
RAISED, CLEARED = "unisson.alert.raised.v1", "unisson.alert.cleared.v1"
INSERT = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""


class Rig:
    """A worker, its database and the endpoints of the test. Time moves by hand, from the present on."""

    def __init__(self, pool: Pool, http: OutgoingHttp) -> None:
        self.pool = pool
        self.http = http
        self.secrets = SecretBox(KEYS)
        self.webhooks = PostgresWebhooks(pool, self.secrets, allow_loopback=True)
        self.recoveries = PostgresRecoveries(pool)
        self.policy = RetryPolicy(jitter=lambda: 0.0)
        self.clock = SettableClock(datetime.now(UTC))
        self.outbox = Outbox(pool, self.secrets, self.policy)
        self.position = 0

    async def endpoint(self, url: str, *types: str, agency: str = CCAS, territory: str = TERRITORY) -> NewEndpoint:
        """One that was verified."""
        made = await self.webhooks.register(territory, agency, url, types, self.clock.now())
        await verify(self.pool, self.webhooks, made)
        return made

    async def trusted(self, partner: Receiver, *types: str, agency: str = CCAS) -> UUID:
        """Register a receiver and give it its secret."""
        registered = await self.endpoint(partner.url, *types, agency=agency)
        partner.secrets.append(registered.secret)
        return registered.endpoint.endpoint_id

    async def put(
        self, *, agency: str = CCAS, type_: str = RAISED, subject: UUID | None = None, pathway: UUID | None = None
    ) -> UUID:
        message_id = uuid7()
        self.position += 1
        subject = subject or uuid7()
        await self.pool.execute(INSERT, TERRITORY, message_id, agency, type_, subject, pathway, self.position)
        return message_id

    async def put_because_of(self, cause: UUID | None, log: PostgresEventLog, pathway: UUID | None) -> UUID:
        """With the event that it tells of."""
        stream_id = uuid7()
        commit = Commit(stream_id=stream_id, expected_version=0, events=[painted(stream_id, 1)], correlation_id=cause)
        self.position = (await log.append(TERRITORY, commit)).last_position - 1
        return await self.put(pathway=pathway)

    def worker(self, may_send: MaySend = anybody, **settings: Any) -> DeliveryWorker:
        settings = {"poll_seconds": 0.02} | settings
        return DeliveryWorker(self.outbox, Sender(self.http, PUBLIC_URL), may_send, self.clock, **settings)

    async def lines(self, endpoint_id: UUID, agency: str = CCAS) -> list[DeliveryLine]:
        """The earliest first."""
        return (await self.webhooks.deliveries(TERRITORY, agency, endpoint_id, limit=1000))[::-1]

    async def states(self, endpoint_id: UUID, agency: str = CCAS) -> list[str]:
        return [line.state.value for line in await self.lines(endpoint_id, agency)]


class Moody(Receiver):
    """Answers with these statuses in turn, then accepts for good."""

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.extra = headers or {}
        super().__init__(answer=self._next)

    async def _next(self, delivery: Delivery) -> Answer:
        return Answer(self.statuses.pop(0), self.extra) if self.statuses else await self.accept(delivery)


class Silent(Receiver):
    """Takes the request and never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        super().__init__(answer=self._hang)

    async def _hang(self, _: Delivery) -> Answer:
        self.asked.set()
        await asyncio.sleep(60)
        return Answer()
