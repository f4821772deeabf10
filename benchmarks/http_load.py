"""Load over HTTP from its own process: `python -m benchmarks.http_load`, plan on its input, result on its output."""

import asyncio
import sys
import time
from itertools import count, cycle
from typing import cast

import msgspec
import uvloop


class Request(msgspec.Struct):
    """Sent with a number that is never the same between the two parts: its idempotency key."""

    before: bytes
    after: bytes


class Plan(msgspec.Struct):
    socket: str
    connections: int
    seconds: float
    requests: list[Request]
    """Dealt out to the connections, each of which goes round its own."""
    name: str
    """Makes this run's numbers its own."""


class Result(msgspec.Struct):
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int


class Client(asyncio.Protocol):
    """One connection: sends a request, waits for the whole answer, sends the next."""

    def __init__(self, requests: list[Request], numbers: "count[int]", name: bytes, until: float) -> None:
        self._requests = cycle(requests)
        self._numbers = numbers
        self._name = name
        self._until = until
        self._received = b""
        self.latencies: list[float] = []
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        if self._began > self._until:
            self._transport.close()
            return
        request = next(self._requests)
        self._transport.write(b"%s%s-%d%s" % (request.before, self._name, next(self._numbers), request.after))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.latencies.append(time.perf_counter() - self._began)
        self.refused += not head.startswith(b"HTTP/1.1 20")
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(exc)


async def load(plan: Plan) -> Result:
    numbers = count()
    until = time.perf_counter() + plan.seconds
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    began = time.perf_counter()
    for place in range(plan.connections):
        mine = plan.requests[place :: plan.connections]
        _, client = await loop.create_unix_connection(
            lambda mine=mine: Client(mine, numbers, plan.name.encode(), until),  # type: ignore[misc]
            plan.socket,
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    elapsed = time.perf_counter() - began
    latencies = sorted(latency for client in clients for latency in client.latencies)
    return Result(
        per_second=len(latencies) / elapsed,
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
        refused=sum(client.refused for client in clients),
    )


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(load(given))))
