"""A delivery worker in a process of its own, to be killed: python -m tests.support.delivering DATABASE_URL"""

import asyncio
import sys

from application.messages import Message
from domain.clock import SystemClock
from infrastructure.database import create_pool
from infrastructure.delivery import DeliveryWorker
from infrastructure.key_file import KeyFile
from infrastructure.outbox import Outbox, RetryPolicy
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sender

KEYS = KeyFile({1: bytes(32)})
PUBLIC_URL = "https://unisson.example"


async def anybody(_territory: str, _agency: str, _message: Message) -> bool:
    return True


async def main(url: str) -> None:
    async with create_pool(url) as pool, OutgoingHttp(allow_loopback=True) as http:
        outbox = Outbox(pool, SecretBox(KEYS), RetryPolicy())
        worker = DeliveryWorker(outbox, Sender(http, PUBLIC_URL), anybody, SystemClock(), poll_seconds=0.02)
        await worker.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
