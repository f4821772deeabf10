"""What proof costs: hashing leaves within the append, sealing, and checking a million events offline."""

import gc
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from application.checkpoints import Checkpoint
from application.merkle import HASH_BYTES, Range
from application.tree_tiles import extended, range_hash, tile_path
from benchmarks.append import PAYLOAD, TERRITORY, _commit, _timed
from benchmarks.measure import Measure, at_least, at_most, report
from domain.ids import uuid7
from infrastructure.database import Pool, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.event_header import EPOCH, column_header, leaf_hash
from infrastructure.group_writer import GroupWriter
from infrastructure.log_bundle import MAGIC, SEGMENT, BundleFolder, encoded
from infrastructure.migrate import migrate
from infrastructure.note_folder import NoteFolder
from infrastructure.sealer import Sealer
from infrastructure.signing_key import LogKey

EVENTS = 1_000_000
EVENTS_PER_STREAM = 20
RUNS = 5
IN_FLIGHT = 32
MADE_AHEAD = 100_000
HASHED = "sha256('\\x00'::bytea || e.header || tail || e.sha256)"
SECONDS_MAX = 30.0


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="unisson-bench-"))
    folder.chmod(0o711)
    try:
        uvloop.run(_appends(folder))
        _verification(folder)
    finally:
        shutil.rmtree(folder)


async def _appends(folder: Path) -> None:
    """Two databases of one server, one of which stores the payload's hash where the leaf goes: by turns."""
    async with EmbeddedPostgres(folder) as server:
        with_leaves = await connect(server.url)
        await migrate(with_leaves)
        source = await with_leaves.fetchval("SELECT pg_get_functiondef('append_events'::regproc)")
        assert source.count(HASHED) == 1, "append_events is not written as it was"
        without = source.replace(HASHED, "e.sha256")
        rates: dict[str, list[float]] = {"with": [], "without": []}
        for _ in range(RUNS):
            for name, definition in (("without", without), ("with", source)):
                await with_leaves.execute(definition)
                rates[name].append(await _appended(server.url))
        found = {name: median(values) for name, values in rates.items()}
        report(at_least("append_with_leaf_hashing/without", found["with"], "events/s", found["without"], 0.8))
        await with_leaves.close()
        async with create_pool(server.url) as pool:
            await _sealing(pool, folder)


async def _appended(url: str) -> float:
    async with GroupWriter(url) as writer:
        commits = iter([_commit() for _ in range(MADE_AHEAD)])
        await writer.append(TERRITORY, _commit())
        gc.freeze()
        rate, _ = await _timed(lambda: writer.append(TERRITORY, next(commits)), IN_FLIGHT)
        return rate


async def _sealing(pool: Pool, folder: Path) -> None:
    """What was just appended; the runs that hashed nothing are left out."""
    async with pool.acquire() as db:
        await db.execute("ALTER TABLE events DISABLE TRIGGER USER")
        await db.execute(
            "UPDATE events SET leaf = sha256('\\x00'::bytea || header || payload_sha256) WHERE leaf = payload_sha256"
        )
    sealer = Sealer(pool, LogKey.load_or_create(folder / "log"), NoteFolder(folder / "last-signed"))
    start = time.perf_counter()
    checkpoint = await sealer.seal(TERRITORY)
    assert checkpoint is not None
    rate = checkpoint.size / (time.perf_counter() - start)
    report(Measure(name="sealing", value=round(rate), unit="events/s"))


def _verification(folder: Path) -> None:
    """By the command, in processes of its own, beside a linear chain of hashes over the same payloads."""
    bundle = folder / "bundle"
    bundle.mkdir()
    made_s = _made(bundle)
    report(Measure(name="bundle_written", value=round(EVENTS / made_s), unit="events/s"))
    times, used = [], []
    for _ in range(3):
        start, before = time.perf_counter(), _processor_s()
        done = subprocess.run([sys.executable, "-m", "api.verify", bundle], capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - start)
        used.append(_processor_s() - before)
        assert done.returncode == 0, done.stdout
    report(at_most("verification_of_1_million_events", median(times), "s", SECONDS_MAX))
    chained_s = median(_chained() for _ in range(3))
    report(
        Measure(
            name="verification_processor_time/linear_hash_chain",
            value=round(median(used), 3),
            unit="s",
            baseline=round(chained_s, 3),
            ratio=round(median(used) / chained_s, 2),
        )
    )


def _processor_s() -> float:
    """Of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _chained() -> float:
    start = time.process_time()
    chain = b""
    for _ in range(EVENTS):
        chain = hashlib.sha256(chain + PAYLOAD).digest()
    return time.process_time() - start


def _made(folder: Path) -> float:
    """The same bytes as `unisson log bundle` writes, without a database: seconds."""
    start = time.perf_counter()
    bundle, leaves = BundleFolder(folder), []
    segment = bytearray(MAGIC)
    for row in _rows():
        leaves.append(row["leaf"])
        segment += encoded(TERRITORY, row)
        if row["position"] % SEGMENT == 0 or row["position"] == EVENTS:
            first = (row["position"] - 1) // SEGMENT * SEGMENT + 1
            bundle.write(f"{TERRITORY}/events/{first:012d}", segment)
            segment = bytearray(MAGIC)
    tiles = extended(0, {}, leaves)
    for tile, hashes in tiles.items():
        bundle.write(f"{TERRITORY}/tile/{tile_path(tile, len(hashes) // HASH_BYTES)}", hashes)
    key = LogKey("bench", bytes(32)).of_log(TERRITORY)
    checkpoint = Checkpoint(key.verifier.name, EVENTS, range_hash(Range(0, EVENTS), tiles))
    bundle.write(f"{TERRITORY}/key", f"{key.verifier}\n".encode())
    bundle.write(f"{TERRITORY}/checkpoint", str(key.sign(checkpoint)).encode())
    bundle.finish()
    return time.perf_counter() - start


def _rows() -> Iterator[Any]:
    person, recorded_at = uuid7(), EPOCH
    digest = hashlib.sha256(PAYLOAD).digest()
    for position in range(1, EVENTS + 1):
        version = (position - 1) % EVENTS_PER_STREAM + 1
        if version == 1:
            person = uuid7()
        row: dict[str, Any] = {
            "position": position,
            "stream_id": person,
            "stream_version": version,
            "topic": "contact.recorded",
            "recorded_at": recorded_at,
            "agency": "ccas-montpellier",
            "actor": None,
            "subject": person,
            "correlation_id": person,
            "causation_id": None,
            "payload": PAYLOAD,
            "payload_sha256": digest,
        }
        row["header"] = column_header(TERRITORY, row)
        row["leaf"] = leaf_hash(row["header"], digest)
        yield row
