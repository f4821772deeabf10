"""Many readers of the stream from one process: `python -m benchmarks.stream_readers`, plan on its input.

Says `ready` once all have begun, then, when each has had what it was to have or the time is over, the result. A lag
runs from when an event was recorded, by the database's clock, which is this machine's too.
"""

import asyncio
import re
import sys
import time
from datetime import datetime
from typing import cast

import msgspec
import uvloop

RECORDED = re.compile(rb'"recorded_at":"([^"]+)"')


class Plan(msgspec.Struct):
    socket: str
    keys: list[str]
    """One a reader."""
    events: list[int]
    """How many each is to be given."""
    seconds: float
    """The longest to wait for them."""


class Result(msgspec.Struct):
    given: int
    missing: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Reader(asyncio.Protocol):
    def __init__(self, key: str, events: int) -> None:
        self._key = key
        self._missing = events
        self._rest = b""
        self.lags: list[float] = []
        self.begun = asyncio.get_running_loop().create_future()
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        asked = "GET /v1/stream?types=contact.recorded HTTP/1.1\r\nHost: bench"
        head = f"{asked}\r\nAuthorization: Bearer {self._key}\r\n\r\n"
        cast("asyncio.Transport", transport).write(head.encode())

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self.begun.done() and b"event: position" in data:
            self.begun.set_result(None)
        # An event may come in two pieces; its time is never told twice.
        whole, end, self._rest = (self._rest + data).rpartition(b"\n")
        for recorded in RECORDED.findall(whole + end):
            self.lags.append(now - datetime.fromisoformat(recorded.decode()).timestamp())
        if len(self.lags) >= self._missing and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        for waited in (self.begun, self.done):
            if not waited.done():
                waited.set_exception(exc or ConnectionError("the stream ended"))


async def read(plan: Plan) -> Result:
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    for key, events in zip(plan.keys, plan.events, strict=True):
        _, reader = await loop.create_unix_connection(
            lambda key=key, events=events: Reader(key, events),  # type: ignore[misc]
            plan.socket,
        )
        readers.append(reader)
    await asyncio.gather(*(reader.begun for reader in readers))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.wait({reader.done for reader in readers}, timeout=plan.seconds)
    lags = sorted(lag for reader in readers for lag in reader.lags)
    return Result(
        given=len(lags),
        missing=sum(plan.events) - len(lags),
        p50_ms=lags[len(lags) // 2] * 1000,
        p99_ms=lags[len(lags) * 99 // 100] * 1000,
        max_ms=lags[-1] * 1000,
    )


if __name__ == "__main__":
    given = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(read(given))))
