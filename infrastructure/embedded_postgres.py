"""An embedded PostgreSQL: started on demand, shared by the commands of one installation, gone with its owner.

The process that starts the server owns it: it restarts one that crashes, and stops it when it ends. Others find it and
use it; should the owner end first, the server stops under them, and one of them takes over by starting it again.
A lock inherited by the server and its children tells, without guessing from pids, whether any of them still lives.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import structlog

from infrastructure.postgres_binaries import Binaries, PostgresError, find_binaries, server_account
from infrastructure.postgres_cluster import BOOTSTRAP, READER_ROLE, SUPERUSER, Cluster
from infrastructure.settings import Settings

CHILD = Path(__file__).with_name("postgres_child.py")
POLL_SECONDS = 0.005
START_TIMEOUT_SECONDS = 600  # Recovery after a crash may read a lot of log.
STOP_TIMEOUT_SECONDS = 30
RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 2.0
RESTART_SECONDS_FORGOTTEN = 60  # A server that ran this long was not crashing in a loop.

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[str]:
    """The address of the database: the external one, or an embedded one that lives at least as long as this block."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    async with EmbeddedPostgres(settings.data_dir, settings.pg_bin) as server:
        yield server.url


class EmbeddedPostgres:
    """The server of one data folder. Start it from the thread that will outlive it: it dies with that thread."""

    def __init__(self, data_dir: Path, pg_bin: Path | None = None, *, durable: bool = True) -> None:
        self._account = server_account()
        self._cluster = Cluster(data_dir, self._account, durable=durable)
        self._pg_bin = pg_bin
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self._cluster.url

    @property
    def owned(self) -> bool:
        """Whether this object started the server, rather than found it."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        status = self._cluster.status()
        return status[0] if status else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns once the server answers, started here or by another process."""
        self._cluster.prepare_root()
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while not (await self._start_unless_locked() or await self._answers()):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
        self._watch = asyncio.create_task(self._restart_whenever_it_ends(), name="embedded PostgreSQL")

    async def stop(self) -> None:
        """Stops an owned server, leaves a found one alone."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        process, self._process = self._process, None
        if process is not None:
            await _end(process)

    async def _start_unless_locked(self) -> bool:
        """False when another process is starting or running the server, or when one is still dying."""
        lock = os.open(self._cluster.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            await self._start_locked(lock)
            return True
        finally:
            os.close(lock)  # The server has inherited it, so the lock lasts as long as the server.

    async def _start_locked(self, lock: int) -> None:
        cluster = self._cluster
        binaries = find_binaries(self._pg_bin, cluster.binaries, self._account, cluster.major())
        cluster.own_folder(cluster.run)
        cluster.configure()
        if cluster.major() is None:
            await self._make_cluster(binaries, lock)
        cluster.forget_dead_server()
        if not cluster.reader_made.exists():
            await self._make_reader(binaries, lock)
        with cluster.open_log() as output:
            how = ("-D", cluster.data, "-c", f"config_file={cluster.conf / 'postgresql.conf'}")
            process = await self._spawn(lock, output.fileno(), binaries.folder / "postgres", *how)
        await self._until_ready(process)
        self._process = process

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        try:
            while process.returncode is None and self._cluster.status() != (process.pid, "ready"):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
        except BaseException:
            await _end(process)
            raise
        if process.returncode is not None:
            raise PostgresError(f"PostgreSQL did not start:\n{self._cluster.log_tail()}")

    async def _make_cluster(self, binaries: Binaries, lock: int) -> None:
        """Nothing is synced to the disk on the way: all of it once, before the cluster takes its name."""
        folder = self._cluster.fresh_folder()
        where = ("-D", folder)
        how = ["--encoding=UTF8", "--auth=peer", "--no-instructions", "-U", SUPERUSER]
        how += ["--locale-provider=builtin", "--locale=C.UTF-8"] if binaries.major >= 17 else ["--locale=C"]
        await self._run(lock, "", binaries.folder / "initdb", *where, *how, "--no-sync")
        alone = ("--single", *where, "-c", "exit_on_error=on", "-F", "postgres")
        await self._run(lock, BOOTSTRAP, binaries.folder / "postgres", *alone)
        if self._cluster.durable:
            await self._run(lock, "", binaries.folder / "initdb", *where, "--sync-only")
        self._cluster.adopt(folder)
        self._cluster.reader_made.touch()

    async def _make_reader(self, binaries: Binaries, lock: int) -> None:
        """Of a cluster made before there was one. Making it again does no harm: the server refuses, and goes on."""
        alone = ("--single", "-D", self._cluster.data, "postgres")
        await self._run(lock, READER_ROLE, binaries.folder / "postgres", *alone)
        self._cluster.reader_made.touch()

    async def _run(self, lock: int, given: str, program: Path, *arguments: str | Path) -> None:
        process = await self._spawn(lock, asyncio.subprocess.PIPE, program, *arguments)
        try:
            said, _ = await process.communicate(given.encode())
        except BaseException:
            await _end(process)
            raise
        if process.returncode != 0:
            raise PostgresError(f"{program.name} failed:\n{said.decode(errors='replace').strip()}")

    async def _spawn(self, lock: int, output: int, program: Path, *arguments: str | Path) -> asyncio.subprocess.Process:
        """In a session of its own, so that Ctrl-C reaches the application only."""
        uid, gid = (self._account.uid, self._account.gid) if self._account.drop else (-1, -1)
        become = (sys.executable, "-I", "-S", CHILD, str(os.getpid()), str(uid), str(gid))
        return await asyncio.create_subprocess_exec(
            *become,
            program,
            *arguments,
            stdin=asyncio.subprocess.PIPE if output == asyncio.subprocess.PIPE else asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            start_new_session=True,
            pass_fds=(lock,),
        )

    async def _answers(self) -> bool:
        status = self._cluster.status()
        if status is None or status[1] != "ready":
            return False
        try:
            connection = await asyncpg.connect(self.url, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _restart_whenever_it_ends(self) -> None:
        """Restarts an owned server that crashed, and takes over a found one whose owner has ended."""
        pause_seconds = RESTART_SECONDS_MIN
        while True:
            if self._process is not None:
                started = time.monotonic()
                code = await self._process.wait()
                self._process = None
                if time.monotonic() - started > RESTART_SECONDS_FORGOTTEN:
                    pause_seconds = RESTART_SECONDS_MIN
                log.error("postgres.ended", exit_code=code, restart_in_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds)
            try:
                if await self._start_unless_locked():
                    log.warning("postgres.restarted", pid=self.pid)
                    pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)
            except (PostgresError, OSError) as error:
                pause_seconds = min(2 * pause_seconds, RESTART_SECONDS_MAX)
                log.error("postgres.restart-failed", reason=str(error))  # noqa: TRY400 (the reason is our own text)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Fast shutdown; past the bound, an immediate one."""
    for stop in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(stop)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await process.wait()
