"""Databases for tests: one embedded cluster per session, a fresh database per test cloned from a migrated template.

UNISSON_TEST_DATABASE_URL names an external PostgreSQL to use instead; its role must be allowed to create databases.
UNISSON_HYPOTHESIS=thorough runs many more examples.
"""

import asyncio
import gc
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from infrastructure.database import Pool, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate

EXTERNAL = os.environ.get("UNISSON_TEST_DATABASE_URL")
TEMPLATE = f"unisson_test_{os.getpid()}"
DROPS_TRIED = 300
MEMORY = Path("/dev/shm")
ROOM_BYTES_LEAST = 4 << 30

# A shell that runs the tests in the background has interrupts ignored, and every process started from here with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("modest", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("UNISSON_HYPOTHESIS") or "modest")


def pytest_collection_finish() -> None:
    """As the server does: what thousands of tests are made of is not looked through again at each of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(scope="session")
def session_data_dir() -> Iterator[Path]:
    with _passable_folder() as folder:
        yield folder


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data folder that the account running PostgreSQL may reach (`tmp_path` is closed to others)."""
    with _passable_folder() as folder:
        yield folder


@pytest.fixture
def disk_dir() -> Iterator[Path]:
    """The same, certainly on a disk."""
    with _passable_folder(None) as folder:
        yield folder


@pytest.fixture(scope="session")
async def server_url(session_data_dir: Path) -> AsyncIterator[str]:
    """The maintenance database of the session's server. Not durable: never for a test of durability or of speed."""
    if EXTERNAL:
        yield EXTERNAL
        return
    async with EmbeddedPostgres(session_data_dir, durable=False) as server:
        yield server.url


@pytest.fixture(scope="session")
async def maintenance(server_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Creates and drops databases; holds the migrated template."""
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    template = await asyncpg.connect(_named(server_url, TEMPLATE))
    await migrate(template)
    await template.close()
    yield connection
    await _drop(connection, TEMPLATE)
    await connection.close()


@pytest.fixture
async def database_url(
    server_url: str, maintenance: "asyncpg.Connection[asyncpg.Record]", numbers: Iterator[int]
) -> AsyncIterator[str]:
    """A fresh migrated database, dropped after the test whatever connections it left open."""
    name = f"{TEMPLATE}_{next(numbers)}"
    await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield _named(server_url, name)
    await _drop(maintenance, name)


@pytest.fixture(scope="module")
async def module_database_url(
    server_url: str, maintenance: "asyncpg.Connection[asyncpg.Record]", numbers: Iterator[int]
) -> AsyncIterator[str]:
    """A migrated database that the tests of one file share: for those that leave nothing in each other's way."""
    name = f"{TEMPLATE}_{next(numbers)}"
    await maintenance.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield _named(server_url, name)
    await _drop(maintenance, name)


@pytest.fixture
async def empty_database_url(
    server_url: str, maintenance: "asyncpg.Connection[asyncpg.Record]", numbers: Iterator[int]
) -> AsyncIterator[str]:
    """A database as on the first day, without any schema."""
    name = f"{TEMPLATE}_{next(numbers)}"
    await maintenance.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    yield _named(server_url, name)
    await _drop(maintenance, name)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with create_pool(database_url, application_name="test") as opened:
        yield opened


@pytest.fixture
async def durable_postgres(disk_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of its own with fsync on, empty of any schema: for tests of crashes."""
    async with EmbeddedPostgres(disk_dir) as server:
        yield server


def _quickest_place() -> Path | None:
    """In memory where there is room, and programs may run: a database is hundreds of files. None: the usual place."""
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    place = os.statvfs(MEMORY)
    fits = place.f_bavail * place.f_frsize >= ROOM_BYTES_LEAST and not place.f_flag & os.ST_NOEXEC
    return MEMORY if fits else None


QUICKEST_PLACE = _quickest_place()


@contextmanager
def _passable_folder(within: Path | None = QUICKEST_PLACE) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="unisson-test-", dir=within))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


async def _drop(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    """Whatever connections are left open. The server's own upkeep of a database is not ours to end: waited for."""
    for _ in range(DROPS_TRIED - 1):
        try:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        except asyncpg.InsufficientPrivilegeError:
            await asyncio.sleep(0.1)
        else:
            return
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _named(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()
