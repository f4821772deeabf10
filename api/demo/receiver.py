"""A partner's webhook receiver, as a partner would write it: verifies, parses, remembers ids, answers.

Runs on a real socket of the loopback interface; for the demonstration and for the tests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import msgspec
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook, WebhookVerificationError

CHALLENGE = "unisson.webhook.challenge.v1"
BODY_BYTES_MAX = 64 * 1024
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 410: "Gone", 500: "Server Error"}


class Answer(msgspec.Struct, frozen=True):
    status: int = 204
    headers: dict[str, str] = {}
    body: bytes = b""


class Delivery(msgspec.Struct, frozen=True):
    """One request that came in, whether or not it is what it pretends to be."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Use as an async context manager; `url` is where it listens.

    `secrets` are those it accepts; while it has none it refuses everything with 401. `events` holds each verified
    event once, however often it came; `refused` counts what did not verify once it had one; the peaks say how many
    connections were open, and requests being answered, at the same time.
    """

    def __init__(self, *secrets: str, answer: Callable[[Delivery], Awaitable[Answer]] | None = None) -> None:
        self.secrets = list(secrets)
        self.events: dict[str, BaseCloudEvent] = {}
        self.deliveries: list[Delivery] = []
        self.refused = 0
        self.connections_open = 0
        self.connections_peak = 0
        self.busy = 0
        self.busy_peak = 0
        self._answer = answer or self.accept
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/unisson"

    async def accept(self, delivery: Delivery) -> Answer:
        """Verify, then parse; an event already known is answered well and has no second effect.

        A challenge is given back and is no event: it says that whoever registered this address was meant to.
        """
        event = self.verified(delivery)
        if event is None:
            self.refused += bool(self.secrets)
            return Answer(401)
        if event.get_type() == CHALLENGE:
            asked = msgspec.json.decode(delivery.body)["data"]["challenge"]
            return Answer(200, body=msgspec.json.encode({"challenge": asked}))
        self.events.setdefault(event.get_id(), event)
        return Answer()

    def verified(self, delivery: Delivery) -> BaseCloudEvent | None:
        """The event, when one of the secrets made its signature within the last five minutes."""
        for secret in self.secrets:
            try:
                Webhook(secret).verify(delivery.body, delivery.headers)
            except (WebhookVerificationError, ValueError):
                continue
            return JSONFormat().read(CloudEvent, delivery.body)
        return None

    async def wait_for(self, events: int, timeout_seconds: float = 10) -> None:
        """Until so many different events were accepted; raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.events) >= events)

    async def _answered(self, delivery: Delivery) -> Answer:
        self.busy += 1
        self.busy_peak = max(self.busy_peak, self.busy)
        try:
            return await self._answer(delivery)
        finally:
            self.busy -= 1

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections_open += 1
        self.connections_peak = max(self.connections_peak, self.connections_open)
        try:
            while delivery := await _read(reader):
                self.deliveries.append(delivery)
                writer.write(_bytes(await self._answered(delivery)))
                await writer.drain()
                async with self._changed:
                    self._changed.notify_all()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.connections_open -= 1
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Delivery | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    request, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = min(int(headers.get("content-length", "0")), BODY_BYTES_MAX)
    return Delivery(request.split(" ")[1], headers, await reader.readexactly(length))


def _bytes(answer: Answer) -> bytes:
    headers = {"Content-Length": str(len(answer.body))} | answer.headers
    lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
