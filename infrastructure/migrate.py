"""Brings a database to the current schema: forward only, a transaction per file, safe from many processes at once."""

import hashlib
import re
from collections.abc import Container
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from infrastructure.database import Database

MIGRATIONS = files("infrastructure") / "migrations"
LOCK = 0x756E6973736F6E  # "unisson". The same in every release, so that an old and a new one exclude each other.
LONGEST_SECONDS = 3600


class MigrationRefused(Exception):
    """What the database has applied and what this release carries do not agree."""


class Migration(NamedTuple):
    name: str
    checksum: str
    sql: str


def read_migrations(folder: Traversable = MIGRATIONS, only: Container[str] | None = None) -> list[Migration]:
    texts = {
        file.name: file.read_text("utf-8")
        for file in folder.iterdir()
        if re.fullmatch(r"\d{4}_\w+\.sql", file.name) and (only is None or file.name in only)
    }
    return [Migration(name, hashlib.sha256(sql.encode()).hexdigest(), sql) for name, sql in sorted(texts.items())]


async def migrate(
    database: Database, folder: Traversable = MIGRATIONS, only: Container[str] | None = None
) -> list[str]:
    """Applies what is pending and returns the names. `only`: a database that holds a part of the tables."""
    applied = []
    while (name := await _apply_next(database, folder, only)) is not None:
        applied.append(name)
    return applied


async def pending_migrations(
    database: Database, folder: Traversable = MIGRATIONS, only: Container[str] | None = None
) -> list[Migration]:
    """What is still to apply. Refuses when an applied file has changed, vanished or been overtaken."""
    known = {migration.name: migration for migration in read_migrations(folder, only)}
    exists = await database.fetchval("SELECT to_regclass('public.schema_migrations') IS NOT NULL")
    applied = await database.fetch("SELECT name, checksum FROM schema_migrations ORDER BY name") if exists else []
    for name, checksum in applied:
        if name not in known:
            raise MigrationRefused(f"{name} is applied but not part of this release: install the release that has it.")
        if known.pop(name).checksum != checksum:
            raise MigrationRefused(f"{name} has changed since it was applied: restore it, put changes in a new file.")
    for name in known:
        if applied and name < applied[-1]["name"]:
            raise MigrationRefused(
                f"{name} comes before {applied[-1]['name']}, already applied: give it a later number."
            )
    return list(known.values())


async def _apply_next(database: Database, folder: Traversable, only: Container[str] | None) -> str | None:
    async with database.transaction():
        # Held until commit rather than for a session: it also works through a pgbouncer in transaction mode.
        await database.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        await database.execute("SELECT pg_advisory_xact_lock($1)", LOCK, timeout=LONGEST_SECONDS)
        pending = await pending_migrations(database, folder, only)
        if not pending:
            return None
        await database.execute(
            "CREATE TABLE IF NOT EXISTS public.schema_migrations (name text PRIMARY KEY, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await database.execute(pending[0].sql, timeout=LONGEST_SECONDS)
        await database.execute(
            "INSERT INTO public.schema_migrations VALUES ($1, $2)", pending[0].name, pending[0].checksum
        )
        return pending[0].name
