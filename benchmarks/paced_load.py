"""Load over HTTP at a given pace, whatever the answers: `python -m benchmarks.paced_load`, plan on its input.

A time runs from when a request was due, so that a server that holds up the client is not forgiven.
"""

import asyncio
import sys
import time
from collections import Counter
from itertools import count

import msgspec
import uvloop

from benchmarks.http_load import Request


class Pace(msgspec.Struct):
    socket: str
    connections: int
    per_second: float
    seconds: float
    requests: list[Request]
    name: str
    """Makes this run's idempotency keys its own."""


class Paced(msgspec.Struct):
    sent: int
    by_status: dict[str, int]
    p50_ms: float
    p99_ms: float


async def pace(plan: Pace) -> Paced:
    due: asyncio.Queue[float | None] = asyncio.Queue()
    numbers = count()
    latencies: list[float] = []
    statuses: Counter[str] = Counter()

    async def client() -> None:
        reader, writer = await asyncio.open_unix_connection(plan.socket)
        while (at := await due.get()) is not None:
            number = next(numbers)
            request = plan.requests[number % len(plan.requests)]
            writer.write(b"%s%s-%d%s" % (request.before, plan.name.encode(), number, request.after))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - at)
            statuses[head[9:12].decode()] += 1
        writer.close()

    clients = [asyncio.create_task(client()) for _ in range(plan.connections)]
    began = time.perf_counter()
    for number in range(round(plan.per_second * plan.seconds)):
        at = began + number / plan.per_second
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait(at)
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)
    latencies.sort()
    return Paced(
        sent=len(latencies),
        by_status=dict(statuses),
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
    )


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Pace)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(pace(given))))
