"""Readers that ask again and again over real sockets, and remember each event they are given and when."""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from urllib.parse import urlsplit

from api.demo.receiver import CHALLENGE, Answer, Delivery, Receiver
from domain.clock import Clock
from tests.support.server_sent import Refused, following
from tests.support.service import Agency

PAUSE_SECONDS = 0.2
STREAMED_SECONDS = 1.5
"""How long a stream is followed before it is left and begun again from where it was."""
NDJSON = "application/x-ndjson"
SMALL_BUFFER = 4096
FAR = 1_000_000
POSITION = re.compile(rb'"position":(\d+)')


def narrow_listener() -> socket.socket:
    """Connections to it buffer little on the server's side."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
    return listener


class Reader:
    """One way of reading, with one credential. Goes on when refused, as software does that knows of nothing."""

    def __init__(self, how: str, clock: Clock, ask: Callable[["Reader"], Awaitable[None]], after: int = 0) -> None:
        self.how = how
        self.after = after
        self.given: dict[int, datetime] = {}
        """When each position came."""
        self.answers = 0
        self._clock = clock
        self._ask = ask

    def note(self, position: int) -> None:
        self.given.setdefault(position, self._clock.now())
        self.after = max(self.after, position)

    async def run(self) -> None:
        while True:
            await self._ask(self)
            self.answers += 1
            await asyncio.sleep(PAUSE_SECONDS)


def streaming(client: Agency, address: str) -> Callable[[Reader], Awaitable[None]]:
    async def ask(reader: Reader) -> None:
        headers = {"Accept": NDJSON}
        async with client.stream("GET", address, params={"after": reader.after}, headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                return
            async for line in answer.aiter_lines():
                told = json.loads(line)
                if "position" in told:
                    reader.note(told["position"])

    return ask


def server_sent(client: Agency, address: str) -> Callable[[Reader], Awaitable[None]]:
    async def ask(reader: Reader) -> None:
        with suppress(TimeoutError, Refused):
            async with (
                asyncio.timeout(STREAMED_SECONDS),
                following(client, address=address, after=reader.after) as stream,
            ):
                while (sent := await stream.next()) is not None:
                    reader.note(sent.position)

    return ask


def listing(client: Agency, address: str, **params: float) -> Callable[[Reader], Awaitable[None]]:
    """Pages of `items`; with `wait`, long polls."""

    async def ask(reader: Reader) -> None:
        answer = await client.get(address, params={"after": reader.after, **params})
        for item in answer.json().get("items", []):
            reader.note(item["position"])

    return ask


def patient(client: Agency, address: str) -> Callable[[Reader], Awaitable[None]]:
    """Reads that are let in, then wait for what does not come, and are answered with what has come meanwhile."""

    async def ask(reader: Reader) -> None:
        params = {"after": reader.after, "at_least": reader.after + FAR}
        answer = await client.get(address, params=params, headers={"Prefer": "wait=2.5"})
        for item in answer.json().get("items", []):
            reader.note(item["position"])

    return ask


class Webhooks(Receiver):
    """A partner that is told of a position at a time."""

    def __init__(self, clock: Clock) -> None:
        self.reader = Reader("webhook", clock, self._nothing)
        super().__init__(answer=self._note)

    async def _nothing(self, _: Reader) -> None:
        """Is told, does not ask."""

    async def _note(self, delivery: Delivery) -> Answer:
        event = self.verified(delivery)
        if event is not None and event.get_type() != CHALLENGE:
            self.reader.note(json.loads(delivery.body)["data"]["position"])
        return await self.accept(delivery)


class HeldStream:
    """A stream whose reader takes the beginning, and the rest only much later."""

    def __init__(self, client: Agency, address: str) -> None:
        self._client = client
        self._address = address
        self.before = 0
        """Events taken at once."""
        self.later = b""

    async def open(self) -> None:
        place = urlsplit(str(self._client.base_url))
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        door.setblocking(False)
        await asyncio.get_running_loop().sock_connect(door, (place.hostname, place.port))
        self._answer, self._asked = await asyncio.open_connection(sock=door, limit=SMALL_BUFFER)
        shown = {
            name: self._client.headers[name] for name in ("Authorization", "Cookie") if name in self._client.headers
        }
        lines = [f"GET {self._address} HTTP/1.1", f"Host: {place.netloc}", "Connection: close", f"Accept: {NDJSON}"]
        lines += [f"{name}: {value}" for name, value in shown.items()]
        self._asked.write("\r\n".join([*lines, "", ""]).encode())
        self.before = len(POSITION.findall(await self._answer.readuntil(b'"position"') + await self._answer.read(1000)))

    async def take_the_rest(self) -> None:
        self.later = await self._answer.read()
        self._asked.close()

    @property
    def positions(self) -> list[int]:
        return [int(found) for found in POSITION.findall(self.later)]

    @property
    def whole(self) -> bool:
        return b"next_after" in self.later
