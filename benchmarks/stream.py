"""Five hundred readers of the stream, 200 events recorded a second: how late each event comes, and what it costs.

First readers of many agencies, each shown its own events; then readers of one agency, each shown every event. The
service with all it does beside, the readers and the load each have a process, PostgreSQL is durable.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.flood import issue_keys
from benchmarks.folder import in_a_folder
from benchmarks.http import contact, open_pathways, serving
from benchmarks.http_load import Request
from benchmarks.measure import Measure, report
from benchmarks.paced_load import Pace, Paced
from benchmarks.stream_readers import Plan, Result
from infrastructure.database import connect
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate

READERS = 500
PER_SECOND = 200
SECONDS = 10.0
CONNECTIONS = 16
PATHWAYS = 40
PATIENCE_SECONDS = 60.0


class Shape(NamedTuple):
    name: str
    agencies: int


SHAPES = (Shape("50 agencies, each its own events", 50), Shape("one agency, every event to everybody", 1))


class Usage(NamedTuple):
    """Of the service's process."""

    resident_mib: float
    processor_seconds: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        status, times = Path(f"/proc/{pid}/status").read_text("ascii"), Path(f"/proc/{pid}/stat").read_text("ascii")
        user, system = times.rpartition(")")[2].split()[11:13]
        resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
        return cls(resident, (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"))


class Load(NamedTuple):
    """Commands at their pace, and what they took of the service."""

    paced: Paced
    before: Usage
    after: Usage

    @property
    def processor(self) -> float:
        """Cores in use."""
        return (self.after.processor_seconds - self.before.processor_seconds) / SECONDS


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        keys = await issue_keys(server.url, max(shape.agencies for shape in SHAPES))
        for number, shape in enumerate(SHAPES):
            place = folder / f"streaming-{number}"
            async with serving("streaming", server.url, place, folder) as process:
                await _measure(shape, place, keys[: shape.agencies], process.pid)


async def _measure(shape: Shape, place: Path, keys: list[str], pid: int) -> None:
    each = max(1, PATHWAYS // len(keys))
    pathways = [(pathway, key) for key in keys for pathway in await open_pathways("unisson", place, key, each)]
    turns = [pathways[number % len(pathways)] for number in range(round(PER_SECOND * SECONDS))]
    of_agency = Counter(key for _, key in turns)
    readers = [keys[number % len(keys)] for number in range(READERS)]
    requests = [contact(*turn) for turn in turns]
    alone = await _load(place, requests, pid, f"alone-{shape.agencies}")
    plan = Plan(str(place), readers, [of_agency[key] for key in readers], SECONDS + PATIENCE_SECONDS)
    async with _reading(plan) as result:
        load = await _load(place, requests, pid, f"read-{shape.agencies}")
        _report(shape, await result, alone, load)


@asynccontextmanager
async def _reading(plan: Plan) -> AsyncIterator[Awaitable[Result]]:
    """Begun; the result comes once all was given, or the time is over."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.stream_readers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output = process.stdout
    process.stdin.write(msgspec.json.encode(plan) + b"\n")
    assert await output.readline() == b"ready\n"

    async def result() -> Result:
        return msgspec.json.decode(await output.read(), type=Result)

    yield asyncio.create_task(result())
    await process.wait()


async def _load(place: Path, requests: list[Request], pid: int, name: str) -> Load:
    plan = Pace(str(place), CONNECTIONS, PER_SECOND, SECONDS, requests, name)
    before = Usage.of(pid)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.paced_load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.json.encode(plan))
    paced = msgspec.json.decode(output, type=Paced)
    assert set(paced.by_status) == {"201"}, paced.by_status
    return Load(paced, before, Usage.of(pid))


def _report(shape: Shape, result: Result, alone: Load, read: Load) -> None:
    def told(name: str, value: float, unit: str, baseline: float | None = None) -> None:
        known = None if baseline is None else round(baseline, 2)
        report(Measure(name=f"stream, {shape.name}: {name}", value=round(value, 2), unit=unit, baseline=known))

    told("given", result.given, "events")
    told("never given", result.missing, "events")
    told("lag p50", result.p50_ms, "ms")
    told("lag p99", result.p99_ms, "ms")
    told("lag at most", result.max_ms, "ms")
    told("command p99, beside without readers", read.paced.p99_ms, "ms", alone.paced.p99_ms)
    told("processor, beside without readers", read.processor, "cores", alone.processor)
    told("memory, beside without readers", read.after.resident_mib, "MiB", alone.after.resident_mib)
    told("memory of a reader", (read.before.resident_mib - alone.after.resident_mib) / READERS, "MiB")
