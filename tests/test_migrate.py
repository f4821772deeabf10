"""Migrations go forward once, whatever the number of processes, and refuse a history that has been edited."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from infrastructure.database import Connection, Pool, connect
from infrastructure.migrate import MigrationRefused, migrate, pending_migrations, read_migrations


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(empty_database_url)
    yield connection
    await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_people.sql").write_text("CREATE TABLE people (id int); CREATE TABLE places (id int);")
    (tmp_path / "0002_more.sql").write_text("ALTER TABLE people ADD COLUMN place int;")
    (tmp_path / "README.md").write_text("Not a migration.")
    return tmp_path


async def test_applies_what_is_missing_in_the_order_of_numbers(database: Connection, folder: Path) -> None:
    assert await migrate(database, folder) == ["0001_people.sql", "0002_more.sql"]
    (folder / "0003_last.sql").write_text("CREATE TABLE last (id int)")
    assert await migrate(database, folder) == ["0003_last.sql"]
    assert await migrate(database, folder) == []


async def test_says_what_is_pending_without_applying_it(database: Connection, folder: Path) -> None:
    pending = await pending_migrations(database, folder)
    assert [migration.name for migration in pending] == ["0001_people.sql", "0002_more.sql"]
    assert await database.fetchval("SELECT to_regclass('people')") is None


async def test_a_changed_file_is_refused(database: Connection, folder: Path) -> None:
    await migrate(database, folder)
    (folder / "0001_people.sql").write_text("CREATE TABLE people (id bigint);")
    with pytest.raises(MigrationRefused, match=r"0001_people\.sql has changed"):
        await migrate(database, folder)


async def test_a_missing_file_is_refused(database: Connection, folder: Path) -> None:
    await migrate(database, folder)
    (folder / "0002_more.sql").unlink()
    with pytest.raises(MigrationRefused, match=r"0002_more\.sql is applied but not part of this release"):
        await migrate(database, folder)


async def test_a_file_inserted_before_an_applied_one_is_refused(database: Connection, folder: Path) -> None:
    await migrate(database, folder)
    (folder / "0001_late.sql").write_text("CREATE TABLE late (id int)")
    with pytest.raises(MigrationRefused, match=r"0001_late\.sql comes before 0002_more\.sql"):
        await migrate(database, folder)


async def test_a_file_that_fails_leaves_nothing_and_may_be_mended(database: Connection, folder: Path) -> None:
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (id int); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database, folder)
    assert await database.fetchval("SELECT to_regclass('half')") is None
    (folder / "0003_broken.sql").write_text("CREATE TABLE half (id int);")
    assert await migrate(database, folder) == ["0003_broken.sql"]


async def test_many_starters_apply_each_file_once(empty_database_url: str, folder: Path) -> None:
    connections = await asyncio.gather(*(connect(empty_database_url) for _ in range(5)))
    applied = await asyncio.gather(*(migrate(connection, folder) for connection in connections))
    await asyncio.gather(*(connection.close() for connection in connections))
    assert sorted(name for names in applied for name in names) == ["0001_people.sql", "0002_more.sql"]


async def test_its_own_migrations_are_applied_to_the_databases_of_tests(pool: Pool) -> None:
    applied = await pool.fetch("SELECT name, checksum FROM schema_migrations ORDER BY name")
    assert [tuple(row) for row in applied] == [(file.name, file.checksum) for file in read_migrations()]
    assert applied
