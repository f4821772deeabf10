"""From the answer to a command until the webhook that tells of it, through all that happens between.

Two agencies of twenty meet the same person at the same hour: each second appointment makes an alert, of which both
are told. The service with all it does, the partners and the load each have a process; PostgreSQL is durable.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple
from uuid import UUID

import httpx2

from benchmarks.flood import issue_keys
from benchmarks.folder import in_a_folder
from benchmarks.http import serving
from benchmarks.measure import Measure, report
from benchmarks.webhook_partners import SOUND, Came, Partners, partners
from domain.ids import uuid7
from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate
from tests.support.endpoints import ASKED, ENDPOINTS

AGENCIES = tuple(f"agency-{number}" for number in range(20))
"""The first of each two opens the pathways, the second books at hours that are taken."""
PATHWAYS = 125
HOURS = 10
"""Of each pathway: as many pairs of appointments."""
PACES = (25, 100)
"""Alerts a second, one pace after the other."""
SECONDS = 10
AT_ONCE = 32
PATIENCE_SECONDS = 120.0
FIRST_DAY = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=7)
HOUR = timedelta(hours=1)


class Booking(NamedTuple):
    client: httpx2.AsyncClient
    pathway: str
    hour: int


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        keys = await issue_keys(server.url, len(AGENCIES))
        place = folder / "notifying"
        async with serving("notifying", server.url, place, folder), _clients(place, keys) as clients:
            listening = await partners([SOUND] * len(AGENCIES))
            await _register(server.url, clients, listening)
            bookings = await _prepared(clients)
            answered, begun = [], 0
            for pace in PACES:
                ended = begun + pace * SECONDS
                answered.append(await _load(bookings[begun:ended], pace))
                await _settled(server.url, ended)
                begun = ended
            _report(await listening.end(), answered)


@asynccontextmanager
async def _clients(place: Path, keys: list[str]) -> AsyncIterator[list[httpx2.AsyncClient]]:
    opened = [
        httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(place)),
            base_url="http://bench",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        for key in keys
    ]
    try:
        yield opened
    finally:
        for client in opened:
            await client.aclose()


async def _command(client: httpx2.AsyncClient, path: str, body: Mapping[str, Any], request_id: UUID) -> dict[str, Any]:
    headers = {"Idempotency-Key": str(request_id), "X-Request-Id": str(request_id)}
    answer = await client.post(path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def _register(url: str, clients: list[httpx2.AsyncClient], listening: Partners) -> None:
    """Each agency's receiver, verified by what its address is sent: its owner tells it."""
    async with create_pool(url) as pool:
        for client, address in zip(clients, listening.urls, strict=True):
            endpoint = await _command(client, ENDPOINTS, {"url": address}, uuid7())
            challenge = await pool.fetchval(ASKED, UUID(endpoint["id"]))
            await _command(client, f"{ENDPOINTS}/{endpoint['id']}/verifications", {"challenge": challenge}, uuid7())


async def _prepared(clients: list[httpx2.AsyncClient]) -> list[Booking]:
    """The first appointment of each pair is booked: what is left to book, an hour of each pathway in turn."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def pathway(number: int) -> list[Booking]:
        first = 2 * number % len(clients)
        async with turns:
            opened = (await _command(clients[first], "/v1/pathways", {}, uuid7()))["id"]
            place = f"/v1/pathways/{opened}"
            body = {"purpose": "sharing", "to_agency": AGENCIES[first + 1]}
            await _command(clients[first], f"{place}/consents", body, uuid7())
            for hour in range(HOURS):
                await _command(clients[first], f"{place}/appointments", _appointment(hour), uuid7())
            return [Booking(clients[first + 1], place, hour) for hour in range(HOURS)]

    prepared = await asyncio.gather(*(pathway(number) for number in range(PATHWAYS)))
    return [booking for hour in zip(*prepared, strict=True) for booking in hour]


def _appointment(hour: int) -> dict[str, Any]:
    start = FIRST_DAY + hour * timedelta(days=1)
    return {"start": start.isoformat(), "end": (start + HOUR).isoformat(), "channel": "in_person"}


async def _load(bookings: list[Booking], per_second: int) -> dict[str, float]:
    """When each command was answered, by the id of its request; at an even pace."""
    answered: dict[str, float] = {}

    async def book(booking: Booking) -> None:
        request_id = uuid7()
        await _command(booking.client, f"{booking.pathway}/appointments", _appointment(booking.hour), request_id)
        answered[str(request_id)] = time.time()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for place, booking in enumerate(bookings):
            await asyncio.sleep(max(0.0, began + place / per_second - time.perf_counter()))
            tasks.create_task(book(booking))
    return answered


async def _settled(url: str, alerts: int) -> None:
    """Until so many are raised, and all that is to be told was told."""
    raised = "SELECT count(*) FROM events WHERE topic = 'alert.raised'"
    left = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'delivering')"
    async with create_pool(url) as pool, asyncio.timeout(PATIENCE_SECONDS):
        while await pool.fetchval(raised) < alerts or await pool.fetchval(left):  # noqa: ASYNC110 (others do it)
            await asyncio.sleep(0.1)


def _report(came: list[Came], answered: list[dict[str, float]]) -> None:
    for pace, at in zip(PACES, answered, strict=True):
        late_ms = [
            (came_at - at[request_id]) * 1000
            for each in came
            for request_id, came_at in each.requests.items()
            if request_id in at
        ]
        assert len(late_ms) == 2 * len(at), f"{len(late_ms)} tellings of {len(at)} alerts"
        report(Measure(name=f"answered to told, {pace} alerts/s, p50", value=round(median(late_ms), 1), unit="ms"))
        p99_ms = quantiles(late_ms, n=100)[98]
        report(Measure(name=f"answered to told, {pace} alerts/s, p99", value=round(p99_ms, 1), unit="ms"))
    report(Measure(name="came twice", value=sum(each.repeated for each in came), unit="messages"))
