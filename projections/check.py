"""Whether the read models hold what the log says: each is built again beside the one in use, and compared row by row.

Both are read as they stood at one position, so that it may run beside a follower. Nothing in use is changed, and the
copies are dropped. Rows are compared themselves, not by sums of hashes: whoever edits one may know how to keep a sum.
"""

from collections.abc import Sequence

import msgspec

from application.event_log import EventLog
from domain.clock import Clock
from projections.builds import outdated
from projections.projection import Build, Connection, Pool, Projection
from projections.rebuild import Listener, Rebuild, alone, rebuildable

KEYS_SHOWN_MAX = 5
COMPARE_TIMEOUT_S = 1800
"""Of one table. The follower does not wait for it."""

# Of the copy, whose definition is the code's own.
KEY_COLUMNS = """
SELECT array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = $1::regclass AND i.indisprimary"""
# The view is compared, not the table behind it: it is what is read.
DIFFERENT = """
SELECT territory, count(*) AS rows, (array_agg(to_jsonb(k)::text ORDER BY to_jsonb(k)::text))[:$1] AS keys
FROM {view} AS used FULL JOIN {copy} AS copy USING ({key}) CROSS JOIN LATERAL (SELECT {shown}) AS k
WHERE used IS DISTINCT FROM copy
GROUP BY territory ORDER BY territory"""
LEFT_ASIDE = """
SELECT count(*) FROM parked_events p JOIN projection_builds b USING (name, build)
WHERE b.status = 'live' AND p.territory = $1 AND p.name = $2"""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What of one table, in one territory, is not what the log says."""

    projection: str
    territory: str
    table: str
    rows: int
    """Changed, missing or added."""
    keys: tuple[str, ...]
    """Of the first rows, as JSON: ids, codes and numbers."""
    left_aside: int
    """Events that the projection in use leaves aside there, which is another reason for a difference."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check came to."""

    differences: tuple[Difference, ...] = ()
    not_compared: tuple[str, ...] = ()
    """Projections that are folded with the help of one that differs: they can be told once that one is rebuilt."""


class Outdated(Exception):
    """These projections were made by another version of the code, or under other rules: the log says otherwise now."""


async def check(
    pool: Pool,
    log: EventLog,
    projections: Sequence[Projection],
    clock: Clock,
    names: Sequence[str] = (),
    listener: Listener | None = None,
) -> Checked:
    """Compare these projections (all that can be rebuilt, when none is named) with what the log says.

    Those that help to fold one of them are compared too. Raises AlreadyRebuilding, NotRebuildable,
    NotSettled, Outdated.
    """
    wanted = rebuildable(projections, names)
    wanted = rebuildable(projections, sorted({one.name for one in wanted}.union(*map(_read_by, wanted))))
    async with alone(pool):
        async with pool.acquire() as db:
            if old := await outdated(db, wanted):
                raise Outdated(" ".join(old))
        found = await _compared(Rebuild(pool, log, [one for one in wanted if not _read_by(one)], clock, listener))
        wrong = {one.projection for one in found}
        readers = [one for one in wanted if _read_by(one)]
        able = [one for one in readers if not wrong & _read_by(one)]
        found += await _compared(Rebuild(pool, log, able, clock, listener))
        return Checked(differences=tuple(found), not_compared=tuple(one.name for one in readers if one not in able))


def _read_by(projection: Projection) -> frozenset[str]:
    """Other projections, which this one asks while it folds."""
    reads: frozenset[str] = getattr(projection, "reads", frozenset())
    return reads


async def _compared(run: Rebuild) -> list[Difference]:
    async with run.copies() as names:
        return [found for name in names for found in await _differences(run, name)]


async def _differences(run: Rebuild, name: str) -> list[Difference]:
    async with run.at_one_position(name) as (db, copy):
        await db.execute(f"SET LOCAL statement_timeout = '{COMPARE_TIMEOUT_S}s'")
        return [found for table in copy.tables for found in await _different(db, copy, table)]


async def _different(db: Connection, copy: Build, table: str) -> list[Difference]:
    key = await db.fetchval(KEY_COLUMNS, copy.table(table))
    shown = ", ".join(column for column in key if column != "territory")
    statement = DIFFERENT.format(view=table, copy=copy.table(table), key=", ".join(key), shown=shown)
    return [
        Difference(
            projection=copy.name,
            territory=row["territory"],
            table=table,
            rows=row["rows"],
            keys=tuple(row["keys"]),
            left_aside=await db.fetchval(LEFT_ASIDE, row["territory"], copy.name),
        )
        for row in await db.fetch(statement, KEYS_SHOWN_MAX, timeout=COMPARE_TIMEOUT_S)
    ]
