"""How long `unisson serve` takes to be ready, with a new database and with its own, and what it holds in memory.

Memory is the resident set of the server's process alone, idle and once it has followed 10^5 events.
UNISSON_BENCH_EVENTS asks for another number of events.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.measure import Measure, at_most, report
from benchmarks.projections import fill
from infrastructure.database import create_pool
from infrastructure.embedded_postgres import open_database
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_vault import PostgresKeyVault
from infrastructure.settings import Settings

RUNS = 3
EVENTS = int(os.environ.get("UNISSON_BENCH_EVENTS") or 100_000)
READY_SECONDS_MAX = 30.0
SETTLED_SECONDS_MAX = 600.0


def main() -> None:
    new = []
    for _ in range(RUNS):
        with _folder() as folder, _serving(folder) as (_, seconds, _address):
            new.append(seconds)
    report(at_most("serve_ready_new_database", median(new), "s", 3.0))
    with _folder() as folder:
        with _serving(folder):
            pass
        warm = []
        for _ in range(RUNS):
            with _serving(folder) as (_, seconds, _address):
                warm.append(seconds)
        report(at_most("serve_ready_warm", median(warm), "s", 1.5))
        with _serving(folder) as (server, _, address):
            time.sleep(2)
            report(Measure(name="serve_resident_idle", value=_resident_mb(server.pid), unit="MB"))
            asyncio.run(_fill(folder))
            _settle(address)
            report(Measure(name=f"serve_resident_after_{EVENTS}", value=_resident_mb(server.pid), unit="MB"))


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="unisson-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _serving(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", float, str]]:
    """The server's process, how long it took to answer that it is ready, and its address."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    ours = {name: value for name, value in os.environ.items() if not name.startswith("UNISSON_")}
    environment = ours | {"UNISSON_DATA_DIR": str(folder), "UNISSON_PORT": str(port)}
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "api", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            while not _is_ready(address):
                assert time.perf_counter() - started < READY_SECONDS_MAX, "the server is not ready"
                assert server.poll() is None, "the server ended"
                time.sleep(0.005)
            yield server, time.perf_counter() - started, address
        finally:
            server.send_signal(signal.SIGTERM)


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=5) as answer:  # noqa: S310 (our own server)
            return bool(answer.status == 200)
    except OSError:
        return False


def _settle(address: str) -> None:
    """Until its followers have nothing left to fold."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while time.monotonic() < deadline:
        if _is_ready(address):
            time.sleep(3)
            if _is_ready(address):
                return
        time.sleep(0.5)
    raise TimeoutError("the followers never caught up")


async def _fill(folder: Path) -> None:
    async with open_database(Settings(data_dir=folder)) as url, create_pool(url) as pool:
        vault = await PostgresKeyVault.open(pool, folder / "keys" / "kek")
        async with PostgresEventLog(url, pool, vault) as log:
            await fill(log, "FR-34", EVENTS)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
