"""Does the time of a refusal tell whether a pathway exists? Asks for one of others and for one of nobody, in turn.

    python -m tests.campaigns.existence [--asks 5000]

Prints the medians and the two-sided p of the Mann-Whitney test; fails when the medians differ by 5 % or more and p is
0.01 or less.
"""

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from uuid import UUID

import httpx2
import msgspec

from domain.ids import uuid7
from tests.support.passing_folder import passing_folder
from tests.support.served import served, shown

OWNER, FOREIGN = "ccas-montpellier", "cpam"
AT_ONCE = 4


class Told(msgspec.Struct):
    asks: int
    """Of each kind."""
    foreign_ms: float
    absent_ms: float
    difference: float
    """Of the medians, as a part of the larger."""
    p: float

    @property
    def is_nothing(self) -> bool:
        return self.difference < 0.05 or self.p > 0.01


async def ask(client: httpx2.AsyncClient, pathway: UUID) -> float:
    """Milliseconds until the refusal."""
    began = time.perf_counter()
    answer = await client.get(f"/v1/pathways/{pathway}")
    assert answer.status_code == 404
    return (time.perf_counter() - began) * 1000


async def measure(client: httpx2.AsyncClient, known: UUID, asks: int) -> Told:
    foreign: list[float] = []
    absent: list[float] = []

    async def take_turns(number: int) -> None:
        for turn in range(number):
            for times, pathway in ((foreign, known), (absent, uuid7()))[:: 1 if turn % 2 else -1]:
                times.append(await ask(client, pathway))

    await asyncio.gather(*(take_turns(asks // AT_ONCE) for _ in range(AT_ONCE)))
    medians = median(foreign), median(absent)
    difference = abs(medians[0] - medians[1]) / max(medians)
    return Told(
        asks=len(foreign),
        foreign_ms=round(medians[0], 3),
        absent_ms=round(medians[1], 3),
        difference=round(difference, 4),
        p=round(mann_whitney(foreign, absent), 4),
    )


def mann_whitney(some: Sequence[float], others: Sequence[float]) -> float:
    """Two-sided p that both come from one distribution; normal approximation, for many values with few ties."""
    ranked = sorted([(value, 0) for value in some] + [(value, 1) for value in others])
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, start=1) if which == 0)
    n, m = len(some), len(others)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


async def campaign(folder: Path, asks: int) -> Told:
    with served(folder, OWNER, FOREIGN) as service:
        async with httpx2.AsyncClient(base_url=service.url, headers=shown(service, OWNER)) as owner:
            opened = await owner.post("/v1/pathways", json={}, headers={"Idempotency-Key": "k"})
        async with httpx2.AsyncClient(base_url=service.url, headers=shown(service, FOREIGN), timeout=30) as foreign:
            return await measure(foreign, UUID(opened.json()["id"]), asks)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.existence", description=__doc__)
    parser.add_argument("--asks", type=int, default=5_000)
    with passing_folder("unisson-existence-") as folder:
        told = asyncio.run(campaign(folder, parser.parse_args(arguments).asks))
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    return 0 if told.is_nothing else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
