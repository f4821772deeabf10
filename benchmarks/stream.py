"""Five hundred readers of the stream while 200 events are recorded a second: how late each event comes, and the memory.

First readers of many agencies, each shown its own events; then readers of one agency, each shown every event. The
service with all it does beside, the readers and the load each have a process, PostgreSQL is durable.
"""

import asyncio
import sys
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
SECONDS = 15.0
CONNECTIONS = 16
PATHWAYS = 40
PATIENCE_SECONDS = 60.0


class Shape(NamedTuple):
    name: str
    agencies: int


SHAPES = (Shape("50 agencies, each its own events", 50), Shape("one agency, every event to everybody", 1))


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
    events = round(PER_SECOND * SECONDS)
    requests = [contact(*pathways[number % len(pathways)]) for number in range(events)]
    of_agency = {key: sum(pathways[number % len(pathways)][1] == key for number in range(events)) for key in keys}
    readers = [keys[number % len(keys)] for number in range(READERS)]
    before_mib = _resident_mib(pid)
    plan = Plan(str(place), readers, [of_agency[key] for key in readers], SECONDS + PATIENCE_SECONDS)
    reading = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.stream_readers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert reading.stdin is not None
    assert reading.stdout is not None
    reading.stdin.write(msgspec.json.encode(plan) + b"\n")
    assert await reading.stdout.readline() == b"ready\n"
    idle_mib = _resident_mib(pid)
    paced = await _load(place, requests, f"of-{shape.agencies}")
    result = msgspec.json.decode(await reading.stdout.read(), type=Result)
    await reading.wait()
    assert set(paced.by_status) == {"201"}, paced.by_status
    _report(shape, result, paced, (before_mib, idle_mib, _resident_mib(pid)))


async def _load(place: Path, requests: list[Request], name: str) -> Paced:
    plan = Pace(str(place), CONNECTIONS, PER_SECOND, SECONDS, requests, name)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.paced_load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.json.encode(plan))
    return msgspec.json.decode(output, type=Paced)


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _report(shape: Shape, result: Result, paced: Paced, mib: tuple[float, float, float]) -> None:
    before, idle, after = mib
    figures = {
        "given": (result.given, "events"),
        "never given": (result.missing, "events"),
        "lag p50": (result.p50_ms, "ms"),
        "lag p99": (result.p99_ms, "ms"),
        "lag at most": (result.max_ms, "ms"),
        "command p99 meanwhile": (paced.p99_ms, "ms"),
        "memory without readers": (before, "MiB"),
        "memory with readers": (idle, "MiB"),
        "memory after the load": (after, "MiB"),
    }
    for name, (value, unit) in figures.items():
        report(Measure(name=f"stream, {shape.name}: {name}", value=round(value, 1), unit=unit))
