"""A delivery worker in a process of its own, to be killed.

    python -m tests.support.delivering DATABASE_URL [LEASE_SECONDS]

With a short lease it is as short of patience in everything, for those who have no minute to wait.
"""

import asyncio
import sys
from datetime import timedelta

from application.messages import Message
from domain.clock import SystemClock
from infrastructure.database import create_pool
from infrastructure.delivery import LEASE, DeliveryWorker
from infrastructure.key_file import KeyFile
from infrastructure.outbox import RETRY_AFTER, Outbox, RetryPolicy
from infrastructure.outgoing_http import TOTAL_SECONDS, OutgoingHttp
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sender

KEYS = KeyFile({1: bytes(32)})
PUBLIC_URL = "https://unisson.example"


async def anybody(_territory: str, _agency: str, _message: Message) -> bool:
    return True


async def main(url: str, lease: timedelta = LEASE) -> None:
    haste = lease / LEASE
    policy = RetryPolicy(waits=RETRY_AFTER if haste == 1 else [haste * RETRY_AFTER[0]] * len(RETRY_AFTER))
    async with (
        create_pool(url) as pool,
        OutgoingHttp(allow_loopback=True, total_seconds=haste * TOTAL_SECONDS) as http,
    ):
        outbox, sender = Outbox(pool, SecretBox(KEYS), policy), Sender(http, PUBLIC_URL)
        worker = DeliveryWorker(outbox, sender, anybody, SystemClock(), lease=lease, poll_seconds=0.02)
        await worker.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(timedelta(seconds=float(each)) for each in sys.argv[2:])))
