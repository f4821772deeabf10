"""`serve` from the first moment: what stops it, or goes wrong, while PostgreSQL starts and the code loads."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infrastructure.postgres_binaries import server_account
from infrastructure.postgres_cluster import Cluster

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 60.0


@contextmanager
def launched(data_dir: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("UNISSON_")}
    environment = {**ours, "UNISSON_DATA_DIR": str(data_dir), "UNISSON_PORT": "0", "UNISSON_LANG": "en", **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "api", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(happened: Path) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not happened.exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def is_free(cluster: Cluster) -> bool:
    """Whether no process of the database is left, soon: each of them holds the lock, to its own end."""
    return subprocess.run(["flock", "--wait", "10", cluster.lock, "true"], check=False).returncode == 0


@pytest.fixture
def cluster(data_dir: Path) -> Cluster:
    return Cluster(data_dir, server_account())


@pytest.mark.parametrize(("sign", "statuses"), [(signal.SIGINT, {130, 0}), (signal.SIGTERM, {0})])
@pytest.mark.parametrize("moment", ["conf", "data"])
def test_told_to_stop_while_it_starts_it_leaves_no_database_running(
    data_dir: Path, cluster: Cluster, sign: signal.Signals, statuses: set[int], moment: str
) -> None:
    with launched(data_dir) as process:
        until(cluster.root / moment)
        process.send_signal(sign)
        said, complaint = process.communicate(timeout=SECONDS_MAX)
    assert (said, complaint) == ("", "")
    assert process.returncode in statuses  # Once the code is loaded, Ctrl-C is the usual end of a server.
    assert is_free(cluster)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_once_ready_it_closes_the_database_first(
    data_dir: Path, cluster: Cluster, sign: signal.Signals
) -> None:
    with launched(data_dir) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Unisson answers at http://127.0.0.1:")
        process.send_signal(sign)
        _, complaint = process.communicate(timeout=SECONDS_MAX)
    assert (process.returncode, complaint) == (0, "")
    assert is_free(cluster)
    assert cluster.status() is None  # Stopped by a signal of its own accord or killed, it would leave its pid file.
    assert "database system is shut down" in cluster.log_tail()


def test_a_taken_port_is_told_and_leaves_no_database_running(data_dir: Path, cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with launched(data_dir, UNISSON_PORT=port) as process:
            _, complaint = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 1
    assert "Address already in use" in complaint
    assert "Traceback" not in complaint
    assert is_free(cluster)


def test_a_database_that_cannot_start_is_told(data_dir: Path) -> None:
    with launched(data_dir, UNISSON_PG_BIN=str(data_dir)) as process:
        _, complaint = process.communicate(timeout=SECONDS_MAX)
    assert process.returncode == 1
    assert complaint.splitlines()[-1].startswith("unisson: UNISSON_PG_BIN")
