"""One partner sends fifty times what it may: how long do the others wait, beside the same without it.

The quota is small here, so that fifty times it is a pace that the machine can make. Each load has its own process.
"""

import asyncio
import sys
from pathlib import Path
from statistics import median

import msgspec

from application.api_keys import issue
from benchmarks.folder import in_a_folder
from benchmarks.http import contact, open_pathways, serving
from benchmarks.http_load import Request
from benchmarks.http_servers import QUOTA
from benchmarks.measure import Measure, at_most, report
from benchmarks.paced_load import Pace, Paced
from domain.clock import SystemClock
from infrastructure.api_keys import PostgresApiKeys
from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate

RUNS = 5
SECONDS = 5.0
CONNECTIONS = 32
PATHWAYS = 4
OTHERS = 10
OF_EACH = 0.75
"""Of its quota."""
FLOOD = 50
"""Times the quota."""


def main() -> None:
    in_a_folder(_main)


async def _main(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        flooder, *others = await issue_keys(server.url, 1 + OTHERS)
        place = folder / "limited"
        async with serving("limited", server.url, place, folder):
            flood, *honest = [await _requests(place, key) for key in (flooder, *others)]
            mixed = [each for turn in zip(*honest, strict=True) for each in turn]
            await _load(place, mixed, OTHERS * OF_EACH, "warm", 1)
            quiet, loud, flooded = [], [], []
            for run in range(RUNS):
                quiet.append(await _load(place, mixed, OTHERS * OF_EACH, f"quiet-{run}"))
                both = await asyncio.gather(
                    _load(place, mixed, OTHERS * OF_EACH, f"loud-{run}"), _load(place, flood, FLOOD, f"flood-{run}")
                )
                loud.append(both[0])
                flooded.append(both[1])
    _report(quiet, loud, flooded)


def _report(quiet: list[Paced], loud: list[Paced], flooded: list[Paced]) -> None:
    refused = {status for run in (*quiet, *loud) for status in run.by_status} - {"201"}
    assert not refused, f"the others were answered {refused}"
    sent = sum(run.sent for run in flooded)
    kept_out = sum(run.by_status.get("429", 0) for run in flooded)
    baseline_ms, p99_ms = median(run.p99_ms for run in quiet), median(run.p99_ms for run in loud)
    report(Measure(name="flood kept out", value=round(kept_out / sent, 4), unit="of its requests"))
    report(Measure(name="others' p99 without the flood", value=round(baseline_ms, 3), unit="ms"))
    report(Measure(name="others' p99 under the flood", value=round(p99_ms, 3), unit="ms"))
    report(at_most("others' p99 under the flood beside without it", p99_ms / baseline_ms, "x", 2))


async def issue_keys(url: str, number: int) -> list[str]:
    """Of so many agencies."""
    tokens = []
    async with create_pool(url) as pool:
        for agency in range(number):
            key, token = issue(territory="FR-34", agency=f"agency-{agency}", now=SystemClock().now())
            await PostgresApiKeys(pool).add(key)
            tokens.append(token)
    return tokens


async def _requests(place: Path, key: str) -> list[Request]:
    """To pathways of this key's own."""
    return [contact(pathway, key) for pathway in await open_pathways("unisson", place, key, PATHWAYS)]


async def _load(place: Path, requests: list[Request], quotas: float, name: str, seconds: float = SECONDS) -> Paced:
    plan = Pace(str(place), CONNECTIONS, quotas * QUOTA, seconds, requests, name)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.paced_load"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(msgspec.json.encode(plan))
    return msgspec.json.decode(output, type=Paced)
