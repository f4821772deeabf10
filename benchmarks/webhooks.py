"""A hundred partners are told while some of them misbehave: how long do the sound ones wait, beside the same without?

The worker and the load share a process, the partners have another, PostgreSQL is durable. A time runs from when the
message was put in the outbox until it came.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import structlog

from benchmarks.folder import in_a_folder
from benchmarks.measure import Measure, at_most, report
from benchmarks.webhook_partners import SOUND, Came, Partners, partners
from domain.clock import SystemClock
from domain.ids import uuid7
from infrastructure.database import Pool, connect, create_pool
from infrastructure.delivery import PER_ENDPOINT, DeliveryWorker
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.logs import configure_logs
from infrastructure.migrate import migrate
from infrastructure.open_files import allow
from infrastructure.outbox import Outbox
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sender
from tests.support.delivering import KEYS, PUBLIC_URL, anybody
from tests.support.endpoints import verify

PARTNERS = 100
PER_SECOND = 200
SECONDS = 12.0
RUNS = 3
PATIENCE_SECONDS = 60.0
TERRITORY = "FR-34"
CROWDS: Mapping[str, Mapping[str, int]] = {
    "all sound": {},
    "30 of 100 bad": {"hang": 12, "fail": 7, "reset": 4, "drip": 4, "gone": 2, "huge": 1},
    "53 of 100 bad": {"hang": 30, "fail": 10, "reset": 5, "drip": 5, "gone": 2, "huge": 1},
}
INSERT = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, created_at)
VALUES ($1, $2, $3, 'unisson.alert.raised.v1', $4, $5, $6)"""
CLEAR = ("DELETE FROM outbox", "DELETE FROM webhook_endpoints")
LEFT = """
SELECT count(*) FROM deliveries JOIN webhook_endpoints USING (territory, endpoint_id)
WHERE agency = ANY ($1) AND deliveries.state IN ('pending', 'delivering')"""
LOST = """
SELECT count(*) FROM outbox AS o JOIN webhook_endpoints AS e USING (territory, agency)
WHERE e.status = 'active' AND NOT EXISTS (
    SELECT FROM deliveries AS d WHERE d.territory = o.territory AND d.message_id = o.message_id)"""
"""Neither delivered, nor to be tried, nor given up. What came for a disabled endpoint waits for a recovery."""


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    allow()
    configure_logs("error")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    found: dict[str, list[list[float]]] = {crowd: [] for crowd in CROWDS}
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        async with create_pool(server.url) as pool:
            for _ in range(RUNS):
                for crowd, bad in CROWDS.items():
                    found[crowd].append(await _run(pool, crowd, bad))
    _report({crowd: (median(run[0] for run in runs), median(run[1] for run in runs)) for crowd, runs in found.items()})


def _report(found: Mapping[str, tuple[float, float]]) -> None:
    _, quiet_ms = found["all sound"]
    for crowd, (p50_ms, p99_ms) in found.items():
        report(Measure(name=f"told, {crowd}, p50", value=round(p50_ms, 2), unit="ms"))
        report(Measure(name=f"told, {crowd}, p99", value=round(p99_ms, 2), unit="ms"))
        if crowd != "all sound":
            report(at_most(f"sound partners' p99, {crowd}, beside all sound", p99_ms / quiet_ms, "x", 2))


async def _run(pool: Pool, crowd: str, bad: Mapping[str, int]) -> list[float]:
    """p50 and p99 of the sound partners, in milliseconds."""
    names = [name for name, number in bad.items() for _ in range(number)]
    names += [SOUND] * (PARTNERS - len(names))
    for query in CLEAR:
        await pool.execute(query)
    listening = await partners(names)
    agencies = await _register(pool, listening)
    sent = await _deliver(pool, agencies, names)
    came = await listening.end()
    _check(crowd, names, came, sent, await pool.fetchval(LOST))
    taken = sorted(seconds * 1000 for each in came for seconds in each.seconds)
    return [median(taken), quantiles(taken, n=100)[98]]


def _check(crowd: str, names: list[str], came: list[Came], sent: int, lost: int) -> None:
    to_sound = sum(len(each.seconds) for each in came)
    expected = sent * names.count(SOUND) // PARTNERS
    assert to_sound == expected, f"{expected - to_sound} messages never came to sound partners"
    assert lost == 0, f"{lost} messages were lost"
    sockets = max(each.connections_peak for each in came)
    repeated = sum(each.repeated for each in came)
    report(Measure(name=f"lost, {crowd}", value=lost, unit="messages"))
    report(Measure(name=f"came twice to sound partners, {crowd}", value=repeated, unit="messages"))
    report(at_most(f"sockets at one endpoint, {crowd}", sockets, "sockets", PER_ENDPOINT))


async def _register(pool: Pool, listening: Partners) -> list[str]:
    webhooks = PostgresWebhooks(pool, SecretBox(KEYS), allow_loopback=True)
    agencies = [f"agency-{number}" for number in range(len(listening.urls))]
    for agency, url in zip(agencies, listening.urls, strict=True):
        made = await webhooks.register(TERRITORY, agency, url, (), SystemClock().now())
        await verify(pool, webhooks, made)
    return agencies


async def _deliver(pool: Pool, agencies: list[str], names: list[str]) -> int:
    """Until the sound ones have all; how many messages were sent."""
    async with OutgoingHttp(allow_loopback=True) as http:
        worker = DeliveryWorker(Outbox(pool, SecretBox(KEYS)), Sender(http, PUBLIC_URL), anybody, SystemClock())
        stopping = asyncio.Event()
        running = asyncio.create_task(worker.run(stopping))
        sent = await _put(pool, agencies, worker)
        sound = [agency for agency, name in zip(agencies, names, strict=True) if name == SOUND]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await pool.fetchval(LEFT, sound):  # noqa: ASYNC110 (the worker does it, in the database)
                await asyncio.sleep(0.05)
        stopping.set()
        await running
    return sent


async def _put(pool: Pool, agencies: list[str], worker: DeliveryWorker) -> int:
    """One message after another at an even pace, each to the next agency in turn."""
    number = round(PER_SECOND * SECONDS) // len(agencies) * len(agencies)
    began = time.perf_counter()
    for place in range(number):
        await asyncio.sleep(max(0.0, began + place / PER_SECOND - time.perf_counter()))
        agency, now = agencies[place % len(agencies)], datetime.now(UTC)
        await pool.execute(INSERT, TERRITORY, uuid7(), agency, uuid7(), place + 1, now)
        worker.wake()
    return number
