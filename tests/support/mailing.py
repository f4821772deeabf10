"""Everything that writes mail, on the test's database and against its mail server. Time moves by hand.

As a process of its own, to be killed: python -m tests.support.mailing DATABASE_URL SMTP_PORT
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from application.mail import Mailbox, Preferences
from application.messages import Audience, MaySend
from domain.clock import Clock, SettableClock, SystemClock
from domain.ids import uuid7
from domain.rules.calendars import Calendars
from infrastructure.database import Pool, create_pool
from infrastructure.logs import configure_logs
from infrastructure.mail_queue import MailQueue, MailRetries
from infrastructure.mail_worker import MailWorker
from infrastructure.mailbox_seal import MailboxBox
from infrastructure.mailboxes import PostgresMailboxes
from infrastructure.smtp import MailServer as Server
from infrastructure.smtp import Security, Smtp
from tests.support.delivering import KEYS, PUBLIC_URL, anybody
from tests.support.mail_server import HOST, MailServer

TERRITORY = "FR-34"
CCAS, SIAO = "ccas-montpellier", "siao-herault"
SENDER = "Unisson <unisson@unisson.example>"
TUESDAY = datetime(2026, 3, 3, 10, tzinfo=UTC)
"""11:00 in Montpellier, past the hour of the digest."""
CALENDARS = Calendars()

PUT = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, pathway, position, created_at, severity, urgent,
    audience) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""


class Rig:
    def __init__(self, pool: Pool, server: MailServer, clock: SettableClock | None = None) -> None:
        self.pool = pool
        self.server = server
        self.clock = clock or SettableClock(TUESDAY)
        self.box = MailboxBox(KEYS)
        self.mailboxes = PostgresMailboxes(pool, self.box, CALENDARS.of, can_send=True)
        self.queue = MailQueue(pool, self.box, CALENDARS.of, MailRetries(jitter=lambda: 0.0))
        self.position = 0

    def worker(self, may_send: MaySend = anybody, **settings: Any) -> MailWorker:
        return worker_for(self.queue, self.server.port, self.clock, may_send, **settings)

    async def registered(
        self, address: str = "equipe@ccas.example", *, agency: str = CCAS, **preferences: Any
    ) -> Mailbox:
        return await self.mailboxes.register(TERRITORY, agency, address, Preferences(**preferences), self.clock.now())

    async def confirmed(self, address: str = "equipe@ccas.example", *, agency: str = CCAS, **preferences: Any) -> UUID:
        """With nothing left to be sent there."""
        mailbox = await self.registered(address, agency=agency, **preferences)
        await self.worker().drain()
        code = code_in(self.server)
        await self.mailboxes.confirm(TERRITORY, agency, mailbox.mailbox_id, code, self.clock.now())
        self.server.mails.clear()
        self.server.raw.clear()
        self.server.to.clear()
        return mailbox.mailbox_id

    async def put(
        self,
        *,
        agency: str = CCAS,
        name: str = "alert.raised",
        subject: UUID | None = None,
        pathway: UUID | None = None,
        severity: str | None = "warning",
        audience: Audience = Audience.TEAM,
    ) -> UUID:
        """Something to be told; returns what it is about."""
        subject, message_id = subject or uuid7(), uuid7()
        self.position += 1
        await self.pool.execute(
            PUT,
            TERRITORY,
            message_id,
            agency,
            f"unisson.{name}.v1",
            subject,
            pathway,
            self.position,
            self.clock.now(),
            severity,
            severity == "critical",
            audience,
        )
        return subject

    async def next_morning(self) -> None:
        """To the next digest, and what it sends."""
        at = await self.pool.fetchval("SELECT min(next_digest_at) FROM mailboxes WHERE status = 'active'")
        self.clock.set(at)
        await self.worker().drain()

    async def states(self) -> list[str]:
        return [row["state"] for row in await self.pool.fetch("SELECT state FROM mails ORDER BY created_at, mail_id")]


def worker_for(queue: MailQueue, port: int, clock: Clock, may_send: MaySend = anybody, **settings: Any) -> MailWorker:
    server = Server(host=HOST, port=port, security=Security.NONE, sender=SENDER)
    smtp = Smtp(server, timeout_seconds=settings.pop("timeout_seconds", 5.0))
    return MailWorker(queue, smtp, may_send, clock, PUBLIC_URL, **({"poll_seconds": 0.02} | settings))


def code_in(server: MailServer) -> str:
    """The code of the last mail."""
    text = server.mails[-1].get_body(("plain",))
    assert text is not None
    return "".join(character for character in str(text.get_content()) if character.isdigit())


async def main(url: str, port: int) -> None:
    configure_logs("error")
    async with create_pool(url) as pool:
        queue = MailQueue(pool, MailboxBox(KEYS), CALENDARS.of)
        worker = worker_for(queue, port, SystemClock(), lease=timedelta(seconds=1))
        await worker.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
