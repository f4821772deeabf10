"""From an outbox row to a verified webhook: real sockets, the real database."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from api.demo.receiver import Receiver
from application.webhooks import Message, NewEndpoint
from domain.clock import SystemClock
from domain.ids import uuid7
from infrastructure.database import Pool
from infrastructure.delivery import DeliveryWorker
from infrastructure.key_file import KeyFile
from infrastructure.outbox import Outbox, RetryPolicy
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sender

TERRITORY = "FR-34"
CCAS = "ccas-montpellier"
RAISED = "unisson.alert.raised.v1"
PUBLIC_URL = "https://unisson.example"


async def anybody(_territory: str, _agency: str, _message: Message) -> bool:
    return True


class Rig:
    """A worker, its database and the endpoints of the test."""

    def __init__(self, pool: Pool, http: OutgoingHttp) -> None:
        self.pool = pool
        self.http = http
        self.secrets = SecretBox(KeyFile({1: bytes(32)}))
        self.webhooks = PostgresWebhooks(pool, self.secrets, allow_loopback=True)
        self.policy = RetryPolicy()
        self.clock = SystemClock()

    async def endpoint(self, url: str, agency: str = CCAS) -> NewEndpoint:
        return await self.webhooks.register(TERRITORY, agency, url, [], self.clock.now())

    async def put(self, *, agency: str = CCAS, subject: UUID | None = None, pathway: UUID | None = None) -> UUID:
        message_id = uuid7()
        await self.pool.execute(
            "INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position)"
            " VALUES ($1, $2, $3, $4, $5, $6, 1)",
            TERRITORY,
            message_id,
            agency,
            RAISED,
            subject or uuid7(),
            pathway,
        )
        return message_id

    def worker(self) -> DeliveryWorker:
        outbox = Outbox(self.pool, self.secrets, self.policy)
        return DeliveryWorker(outbox, Sender(self.http, PUBLIC_URL), anybody, self.clock, poll_seconds=0.02)


@pytest.fixture
async def rig(pool: Pool) -> AsyncIterator[Rig]:
    async with OutgoingHttp(allow_loopback=True) as http:
        yield Rig(pool, http)


async def test_an_outbox_row_reaches_the_agency_signed_and_verifiable(rig: Rig) -> None:
    async with Receiver() as partner:
        registered = await rig.endpoint(partner.url)
        partner.secrets.append(registered.secret)
        alert, pathway = uuid7(), uuid7()
        message_id = await rig.put(subject=alert, pathway=pathway)

        assert await rig.worker().drain() == 1

        event = partner.events[str(message_id)]
        assert event.get_type() == RAISED
        assert event.get_source() == "/territories/FR-34"
        assert event.get_subject() == str(alert)
        assert event.get_dataschema() == "https://unisson.example/schemas/events/alert.raised/1"
        assert event.get_data() == {"alert_id": str(alert), "pathway_id": str(pathway), "position": 1}
        assert partner.refused == 0
