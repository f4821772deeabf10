"""Builds: the sets of tables that projections are folded into, and the views through which they are read."""

from collections.abc import Iterable

import asyncpg

from projections.projection import Build, Connection, Pool, Projection
from projections.walls import are_up, let_read, protect, walls_of

LOCK = 0x6275696C6473  # "builds". One process at a time makes, swaps or drops tables.

BUILDS = "SELECT name, version, meaning, build FROM projection_builds WHERE status = $1 ORDER BY name"
NEXT_BUILD = "SELECT coalesce(max(build), 0) + 1 FROM projection_builds WHERE name = $1"
ADD_BUILD = """
INSERT INTO projection_builds (name, version, meaning, build, status, tables) VALUES ($1, $2, $3, $4, $5, $6)"""
RETIRE = "UPDATE projection_builds SET status = 'retired' WHERE name = $1 AND status = 'live'"
GO_LIVE = "UPDATE projection_builds SET status = 'live' WHERE name = $1 AND build = $2"
UNUSED = """
SELECT build FROM projection_builds
WHERE name = $1 AND (status = 'retired' OR (status = 'building' AND $2)) ORDER BY build"""
DROP_BUILD = "DELETE FROM projection_builds WHERE name = $1 AND build = $2 RETURNING tables"


async def install(pool: Pool, projections: Iterable[Projection]) -> None:
    """Make the tables and views of projections that have none yet. Run it before anything reads or follows."""
    async with pool.acquire() as db, db.transaction():
        await lock_builds(db)
        known = list(projections)
        in_use, live = await live_builds(db, known), {row["name"] for row in await db.fetch(BUILDS, "live")}
        for projection in known:
            if projection.name not in live:
                await show(db, await add_build(db, projection, "live"), projection)
            elif projection.name in in_use and not await are_up(db, in_use[projection.name], walls_of(projection)):
                await show(db, in_use[projection.name], projection)  # Made before there were walls.


async def live_builds(db: Connection, projections: Iterable[Projection]) -> dict[str, Build]:
    """The build in use of each projection, by name. One made by another version, or under other rules, is left out."""
    return await _builds(db, projections, "live")


async def outdated(db: Connection, projections: Iterable[Projection]) -> list[str]:
    """Projections in use that this code cannot follow: they have to be rebuilt."""
    known = list(projections)
    current = await live_builds(db, known)
    in_use = {row["name"] for row in await db.fetch(BUILDS, "live")}
    return [projection.name for projection in known if projection.name in in_use - current.keys()]


def meaning_of(projection: Projection) -> str:
    """What its rows mean beyond what its version says; changed, it has to be rebuilt as under a new version."""
    meaning: str = getattr(projection, "meaning", "")
    return meaning


async def unfinished_builds(db: Connection, projections: Iterable[Projection]) -> dict[str, Build]:
    """Builds that were begun and not yet put in use."""
    return await _builds(db, projections, "building")


async def _builds(db: Connection, projections: Iterable[Projection], status: str) -> dict[str, Build]:
    known = {projection.name: projection for projection in projections}
    return {
        row["name"]: Build(
            row["name"],
            row["version"],
            row["build"],
            tuple(known[row["name"]].tables),
            frozenset(walls_of(known[row["name"]])) if status == "live" else frozenset(),
        )
        for row in await db.fetch(BUILDS, status)
        if row["name"] in known and _is_made_by(known[row["name"]], row)
    }


def _is_made_by(projection: Projection, row: asyncpg.Record) -> bool:
    """A step without tables has nothing to rebuild: any version of it goes on where the last one was."""
    return not projection.tables or (row["version"], row["meaning"]) == (projection.version, meaning_of(projection))


async def lock_builds(db: Connection) -> None:
    await db.execute("SELECT pg_advisory_xact_lock($1)", LOCK)


async def add_build(db: Connection, projection: Projection, status: str) -> Build:
    """Make empty tables beside those that exist."""
    number = await db.fetchval(NEXT_BUILD, projection.name)
    build = Build(projection.name, projection.version, number, tuple(projection.tables))
    tables = [build.table(name) for name in build.tables]
    await db.execute(ADD_BUILD, build.name, build.version, meaning_of(projection), build.number, status, tables)
    for statement in projection.tables.values():
        await db.execute(build.sql(statement))
    return build


async def show(db: Connection, build: Build, projection: Projection) -> None:
    """Let the views show this build, behind its walls."""
    walls = walls_of(projection)
    await protect(db, build, walls)
    for table in build.tables:
        await db.execute(f"DROP VIEW IF EXISTS {table}")
        await db.execute(f"CREATE VIEW {table} WITH (security_invoker) AS SELECT * FROM {build.table(table)}")
        if table in walls:
            await let_read(db, table)


async def put_in_use(db: Connection, build: Build, projection: Projection) -> None:
    """Swap: from the commit on, queries see this build and the one before follows no more."""
    await db.execute(RETIRE, build.name)
    await db.execute(GO_LIVE, build.name, build.number)
    await show(db, build, projection)


async def drop_unused(db: Connection, name: str, *, unfinished: bool = False) -> None:
    """Drop the builds that were replaced; with `unfinished`, those being built as well."""
    for row in await db.fetch(UNUSED, name, unfinished):
        await drop(db, name, row["build"])


async def drop(db: Connection, name: str, number: int) -> None:
    """Forget a build that no view shows, whatever version of the code made it."""
    for table in await db.fetchval(DROP_BUILD, name, number) or ():
        await db.execute(f'DROP TABLE "{table}"')
