"""Row-level security on and off: the API's own reads on one server, as the tables' owner and behind the walls.

`policies` compares queries inside one transaction: what the walls themselves cost. `read` is a whole read, with the
three round trips of its transaction, beside a bare query. `fold` writes a page of the timeline with and without a wall.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

import uvloop

from application.sight import Sight
from benchmarks.measure import Measure, report
from infrastructure.database import Database, Pool, connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate
from infrastructure.row_security import reading
from projections.agency_inbox import AgencyInbox, inbox
from projections.builds import install, live_builds
from projections.pathway_list import Wanted, pathways_of
from projections.pathway_timeline import COLUMNS, PathwayTimeline, timeline
from projections.projection import Build

RUNS = 7
QUERIES = 200
PATHWAYS, AGENCIES, EVENTS = 20_000, 40, 20
PAGE_ROWS = 1_000
TERRITORY, AGENCY = "FR-34", "agency-3"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
SIGHT = Sight(territory=TERRITORY, agency=AGENCY, agent="ada", at=AT)

# Each pathway has two agencies that take part and, one in five, a third that it is shared with.
FILL = f"""
CREATE TEMP TABLE p AS
    SELECT n, md5('p' || n)::uuid AS pathway, 'agency-' || n % {AGENCIES} AS one,
        'agency-' || (n + 7) % {AGENCIES} AS two, 'agency-' || (n + 11) % {AGENCIES} AS three
    FROM generate_series(1, {PATHWAYS}) AS n;
INSERT INTO {{pathway_summaries}} (territory, pathway, opened, position, updated_at, version, status, participants)
    SELECT '{TERRITORY}', pathway, n, n * {EVENTS}, '2026-01-01', {EVENTS}, 'open', ARRAY[one, two] FROM p;
INSERT INTO {{pathway_participants}}
        (territory, pathway, agency, opened, position, opened_at, updated_at, status)
    SELECT '{TERRITORY}', pathway, agency, n, n * {EVENTS}, timestamptz '2026-01-01' + n * interval '1 minute',
        '2026-02-01', 'open'
    FROM p CROSS JOIN LATERAL unnest(ARRAY[one, two]) AS a (agency);
INSERT INTO {{pathway_viewers}} (territory, pathway, reference, until, agency)
    SELECT '{TERRITORY}', pathway, md5('s' || n)::uuid, '2027-01-01', three FROM p WHERE n % 5 = 0;
INSERT INTO {{pathway_timeline}} (territory, pathway, position, recorded_at, version, topic, agency, summary)
    SELECT '{TERRITORY}', pathway, n * {EVENTS} + e, '2026-01-01', e, 'contact.recorded', one, '{{{{}}}}'
    FROM p CROSS JOIN generate_series(1, {EVENTS}) AS e;
DROP TABLE p"""
FILL_INBOX = f"""
INSERT INTO {{agency_inbox}} (item, pathway, since, territory, agency, kind, code)
    SELECT md5('i' || n)::uuid, md5('p' || n)::uuid, timestamptz '2026-01-01' + n * interval '1 second',
        '{TERRITORY}', 'agency-' || n % {AGENCIES}, 'referral_to_answer', 'housing'
    FROM generate_series(1, {PATHWAYS}) AS n"""
OWN = "SELECT pathway FROM pathway_participants WHERE territory = $1 AND agency = $2 ORDER BY pathway LIMIT 1"

Query = Callable[[Database], Awaitable[object]]


async def _filled(pool: Pool) -> tuple[Build, UUID]:
    projections = (PathwayTimeline(), AgencyInbox())
    await install(pool, projections)
    async with pool.acquire() as db:
        builds = await live_builds(db, projections)
        await db.execute(builds["pathway_timeline"].sql(FILL))
        await db.execute(builds["agency_inbox"].sql(FILL_INBOX))
        await db.execute("VACUUM ANALYZE")
        return builds["pathway_timeline"], await db.fetchval(OWN, TERRITORY, AGENCY)


async def _us_each(query: Callable[[], Awaitable[object]]) -> float:
    began_s = time.perf_counter()
    for _ in range(QUERIES):
        await query()
    return (time.perf_counter() - began_s) / QUERIES * 1e6


async def _policies(pool: Pool, query: Query) -> tuple[float, float]:
    async with pool.acquire() as db, db.transaction():
        plain = await _us_each(lambda: query(db))
    async with reading(pool, SIGHT) as behind:
        return plain, await _us_each(lambda: query(behind))


async def _whole(pool: Pool, query: Query) -> tuple[float, float]:
    async def plain() -> None:
        async with pool.acquire() as db:
            await query(db)

    async def walled() -> None:
        async with reading(pool, SIGHT) as db:
            await query(db)

    return await _us_each(plain), await _us_each(walled)


async def _fold(pool: Pool, build: Build) -> tuple[float, float]:
    """Rows a second into a table without a wall, and into the one in use."""
    rates = []
    bare = Build(build.name, build.version, build.number, build.tables)
    async with pool.acquire() as db:
        for each, walled in ((bare, False), (build, True)):
            transaction = db.transaction()
            await transaction.start()
            if not walled:
                await db.execute(f"ALTER TABLE {build.table('pathway_timeline')} NO FORCE ROW LEVEL SECURITY")
            rows = [
                (UUID(int=n), n, AT, None, None, 1, TERRITORY, "contact.recorded", AGENCY, None, "{}")
                for n in range(10**9, 10**9 + PAGE_ROWS)
            ]
            began_s = time.perf_counter()
            await each.copy(db, "pathway_timeline", COLUMNS, rows)
            rates.append(PAGE_ROWS / (time.perf_counter() - began_s))
            await transaction.rollback()
    return rates[0], rates[1]


async def _measure(url: str) -> None:
    connection = await connect(url)
    await migrate(connection)
    await connection.close()
    async with create_pool(url, statement_timeout_seconds=300) as pool:
        build, pathway = await _filled(pool)
        queries: dict[str, Query] = {
            "timeline": lambda db: timeline(db, TERRITORY, pathway),
            "list": lambda db: pathways_of(db, TERRITORY, AGENCY, Wanted()),
            "inbox": lambda db: inbox(db, TERRITORY, AGENCY, AT),
        }
        for name, query in queries.items():
            for kind, compared in (("policies", _policies), ("read", _whole)):
                await compared(pool, query)  # Plans and caches.
                runs = [await compared(pool, query) for _ in range(RUNS)]
                _report(f"row_security.{kind}.{name}", "us", runs)
        await _fold(pool, build)
        _report("row_security.fold", "rows/s", [await _fold(pool, build) for _ in range(RUNS)])


def _report(name: str, unit: str, runs: list[tuple[float, float]]) -> None:
    plain, walled = median(run[0] for run in runs), median(run[1] for run in runs)
    report(
        Measure(name=name, value=round(walled, 1), unit=unit, baseline=round(plain, 1), ratio=round(walled / plain, 2))
    )


async def _run(folder: Path) -> None:
    async with EmbeddedPostgres(folder) as server:
        await _measure(server.url)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="unisson-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(folder))
