"""A whole command over HTTP beside its peers: authenticate, parse, load, decide, seal, append, answer; 64 connections.

One process serves, another makes the load, PostgreSQL runs with fsync on; the servers take turns on the same database.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import httpx2
import msgspec

from application.api_keys import issue
from benchmarks.folder import in_a_folder
from benchmarks.http_load import Plan, Request, Result
from benchmarks.http_servers import KEY
from benchmarks.measure import Measure, at_least, report
from domain.clock import SystemClock
from domain.ids import uuid7
from infrastructure.api_keys import PostgresApiKeys
from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate

RUNS = 3
SECONDS = 3.0
WARM_SECONDS = 1.0
CONNECTIONS = 64
PATHWAYS = 512
BODY = msgspec.json.encode({"channel": "phone", "reached": True, "note": "x" * 120})


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        key = await _key(server.url)
        found: dict[str, list[Result]] = {"unisson": [], "bare": [], "stock": []}
        for run in range(RUNS):
            for name, results in found.items():
                results.append(await _run(name, run, server.url, folder, key if name == "unisson" else KEY))
    _report(found)


def _report(found: dict[str, list[Result]]) -> None:
    rates = {name: median(result.per_second for result in results) for name, results in found.items()}
    refused = sum(result.refused for results in found.values() for result in results)
    assert refused == 0, f"{refused} requests were refused"
    ours = rates["unisson"]
    report(at_least("http command beside a bare INSERT", ours, "commands/s", rates["bare"], 0.7))
    report(at_least("http command beside FastAPI and the stock library", ours, "commands/s", rates["stock"], 4))
    p99_ms = median(result.p99_ms for result in found["unisson"])
    report(Measure(name="http command p99", value=round(p99_ms, 3), unit="ms"))


async def _key(url: str) -> str:
    key, token = issue(territory="FR-34", agency="ccas-montpellier", now=SystemClock().now())
    async with create_pool(url) as pool:
        await PostgresApiKeys(pool).add(key)
    return token


async def _run(name: str, run: int, url: str, folder: Path, key: str) -> Result:
    place = folder / f"{name}-{run}"
    async with serving(name, url, place, folder):
        pathways = await open_pathways(name, place, key)
        requests = [contact(pathway, key) for pathway in pathways]
        await _load(Plan(str(place), CONNECTIONS, WARM_SECONDS, requests, f"{name}-{run}-warm"))
        return await _load(Plan(str(place), CONNECTIONS, SECONDS, requests, f"{name}-{run}"))


@asynccontextmanager
async def serving(name: str, url: str, place: Path, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.http_servers", name, url, str(place), str(folder)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def open_pathways(name: str, place: Path, key: str, number: int = PATHWAYS) -> list[str]:
    if name == "bare":
        return [str(uuid7()) for _ in range(number)]
    headers = {"Authorization": f"Bearer {key}"}
    opened = []
    async with httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=str(place)), base_url="http://bench", headers=headers
    ) as client:
        for _ in range(number):
            answer = await client.post("/v1/pathways", json={}, headers={"Idempotency-Key": str(uuid7())})
            opened.append(answer.json()["id"])
    return opened


def contact(pathway: str, key: str) -> Request:
    before = (
        f"POST /v1/pathways/{pathway}/contacts HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\nIdempotency-Key: "
    )
    return Request(before.encode(), b"\r\n\r\n" + BODY)


async def _load(plan: Plan) -> Result:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.http_load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.json.encode(plan))
    return msgspec.json.decode(output, type=Result)


if __name__ == "__main__":
    main()
