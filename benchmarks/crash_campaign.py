"""Kills the application and PostgreSQL under load, and checks that no acknowledged event is lost and none is doubled.

    python -m benchmarks.crash_campaign --cycles 20 --seconds 30

Prints one JSON object per campaign; ends with status 1 if anything was lost, doubled, out of order or not tried.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import msgspec
import structlog

from benchmarks.crash_writer import TERRITORY, acknowledged, command_key, stream_of
from infrastructure.database import connect
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.event_shape import shape_of
from infrastructure.migrate import migrate
from tests.support.histories import BoardPainted

ROOT = Path(__file__).resolve().parent.parent
WRITERS = 8
SHORTEST_SECONDS, LONGEST_SECONDS = 0.03, 0.4
PATIENCE_SECONDS = 30
EVENTS = """
SELECT position, stream_id, stream_version, payload FROM events WHERE territory = $1 AND position > $2
ORDER BY position"""
DOWN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

Seen = tuple[int, str, int, bytes]
"""Position, stream, version, payload."""


class Outcome(msgspec.Struct, kw_only=True):
    """`lost`, `doubled`, `misplaced` and `missed` must be 0, and `cycles` what was planned."""

    campaign: str
    planned: int
    cycles: int
    seed: int
    acknowledged: int
    stored: int
    lost: int
    """Acknowledged and not stored at the position that was answered."""
    doubled: int
    """Commands stored more than once, or not in the order of their stream."""
    misplaced: int
    """Holes and repetitions in the positions."""
    missed: int
    """Stored events that the tailing reader did not see, or saw otherwise."""

    @property
    def passed(self) -> bool:
        faults = self.lost + self.doubled + self.misplaced + self.missed
        return faults == 0 and self.cycles == self.planned and self.acknowledged >= self.planned > 0


class Campaign:
    """One database, the processes that write to it, and a reader that follows them."""

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.url = url
        self.folder = folder
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311
        self.seen: list[Seen] = []
        self._names: set[str] = set()

    async def start(self, name: str) -> Process:
        self._names.add(name)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.crash_writer", self.url, self._file(name), name, str(WRITERS)),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await self.progress(name)
        return process

    async def progress(self, name: str) -> None:
        """Wait until something more is acknowledged."""
        before = self._size(name)
        await _until(lambda: self._size(name) > before)

    async def pause(self) -> None:
        await asyncio.sleep(self.random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))

    async def tail(self) -> None:
        """Follow the log like a projection would, through crashes too."""
        while True:
            with contextlib.suppress(*DOWN):
                connection = await connect(self.url)
                try:
                    while True:
                        after = self.seen[-1][0] if self.seen else 0
                        self.seen += [_seen(row) for row in await connection.fetch(EVENTS, TERRITORY, after)]
                        await asyncio.sleep(0.002)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def tailing(self) -> AsyncIterator[None]:
        """Reads until the end of the block, and then until the head."""
        reader = asyncio.create_task(self.tail())
        yield
        head = len(await self._stored())
        await _until(lambda: len(self.seen) >= head or reader.done())
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)

    async def outcome(self, campaign: str, planned: int, cycles: int) -> Outcome:
        stored = await self._stored()
        place = {(stream, version): position for position, stream, version, _ in stored}
        versions: dict[str, list[int]] = {}
        for _, stream, version, _ in stored:
            versions.setdefault(stream, []).append(version)
        acks = [(name, *ack) for name in self._names for ack in acknowledged(self._file(name))]
        colours = {shape_of(BoardPainted).groups[0].decode(payload[9:])["colour"] for *_, payload in stored}
        return Outcome(
            campaign=campaign,
            planned=planned,
            cycles=cycles,
            seed=self.seed,
            acknowledged=len(acks),
            stored=len(stored),
            lost=sum(
                place.get((str(stream_of(name, writer)), number)) != position
                or command_key(name, writer, number) not in colours
                for name, writer, number, position in acks
            ),
            doubled=len(stored) - len(colours)
            + sum(found != list(range(1, len(found) + 1)) for found in versions.values()),
            misplaced=sum(position != number for number, (position, *_) in enumerate(stored, start=1)),
            missed=sum(one != other for one, other in zip(self.seen, stored, strict=False))
            + abs(len(self.seen) - len(stored)),
        )  # fmt: skip

    async def _stored(self) -> list[Seen]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(*DOWN):
                    connection = await connect(self.url)
                    rows = await connection.fetch(EVENTS, TERRITORY, 0)
                    await connection.close()
                    return [_seen(row) for row in rows]
                await asyncio.sleep(0.05)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.acknowledged"

    def _size(self, name: str) -> int:
        return self._file(name).stat().st_size if self._file(name).exists() else 0


def _seen(row: asyncpg.Record) -> Seen:
    return row["position"], str(row["stream_id"]), row["stream_version"], row["payload"]


async def _until(condition: Callable[[], bool]) -> None:
    """Other processes have no event to wait for."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def stop(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)


async def write_from_two_processes(campaign: Campaign, seconds: float) -> Outcome:
    """Sixteen writers in two processes, and a reader that must miss nothing."""
    async with campaign.tailing():
        processes = [await campaign.start("one"), await campaign.start("two")]
        await asyncio.sleep(seconds)
        for process in processes:
            await stop(process)
    return await campaign.outcome("two processes", 1, 1)


async def kill_the_application(campaign: Campaign, cycles: int) -> Outcome:
    done = 0
    async with campaign.tailing():
        for _ in range(cycles):
            process = await campaign.start("killed")
            await campaign.pause()
            process.kill()
            done += await process.wait() == -signal.SIGKILL
        await stop(await campaign.start("killed"))
    return await campaign.outcome("kill -9 of the application", cycles, done)


async def kill_postgresql(campaign: Campaign, server: EmbeddedPostgres, cycles: int) -> Outcome:
    done = 0
    async with campaign.tailing():
        process = await campaign.start("writer")
        for _ in range(cycles):
            await campaign.pause()
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await _until(lambda: server.pid not in {pid, None})  # noqa: B023 (awaited here and now)
            await campaign.progress("writer")
            done += 1
        await stop(process)
    return await campaign.outcome("kill -9 of PostgreSQL", cycles, done)


@contextlib.asynccontextmanager
async def durable_campaign(seed: int) -> AsyncIterator[tuple[Campaign, EmbeddedPostgres]]:
    """On a server of its own, with fsync on, and empty."""
    folder = Path(tempfile.mkdtemp(prefix="unisson-crash-"))
    folder.chmod(0o711)  # noqa: ASYNC240 (before anything runs)
    try:
        async with EmbeddedPostgres(folder) as server:
            connection = await connect(server.url)
            await migrate(connection)
            await connection.close()
            yield Campaign(server.url, folder, seed), server
    finally:
        shutil.rmtree(folder)


async def main(cycles: int, seconds: float, seed: int) -> int:
    outcomes = []
    async with durable_campaign(seed) as (campaign, _):
        outcomes.append(await write_from_two_processes(campaign, seconds))
    async with durable_campaign(seed) as (campaign, _):
        outcomes.append(await kill_the_application(campaign, cycles))
    async with durable_campaign(seed) as (campaign, server):
        outcomes.append(await kill_postgresql(campaign, server, cycles))
    for outcome in outcomes:
        print(msgspec.json.encode({**msgspec.structs.asdict(outcome), "passed": outcome.passed}).decode())
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # Results alone on standard output.
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.cycles, options.seconds, options.seed)))
