"""Consumer rows: how far each build has folded each territory, and who may fold further."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from application.event_log import EventLog
from domain.clock import Clock
from projections.projection import Build, Connection, Pool

REGISTER = """
INSERT INTO consumers (territory, name, build)
SELECT $1, name, build FROM unnest($2::text[], $3::int[]) AS b (name, build)
ON CONFLICT DO NOTHING"""
# A lease that a crash undoes is free for whoever comes: a slow disk must not make the living lose theirs.
CLAIM = """
WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
free AS MATERIALIZED (
    SELECT name, build FROM consumers
    WHERE territory = $1 AND (name, build) IN (SELECT * FROM unnest($4::text[], $5::int[]))
        AND (owner = $2 OR lease_until < clock_timestamp())
    ORDER BY name, build FOR UPDATE  -- Whoever comes at the same time waits at the first, holding none.
)
UPDATE consumers c SET owner = $2, lease_until = clock_timestamp() + $3::float8 * interval '1 second'
FROM lazily, free WHERE c.territory = $1 AND (c.name, c.build) = (free.name, free.build)
    AND (c.owner = $2 OR c.lease_until < clock_timestamp())
RETURNING c.name, c.build, c.position, c.decisions"""
# A commit that a crash undoes is undone with its checkpoint, and folded again: it need not wait for the disk.
MOVE = """
WITH lazily AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
UPDATE consumers c SET position = $2, moved_at = clock_timestamp(),
    lease_until = clock_timestamp() + $4::float8 * interval '1 second', failing = NULL
FROM lazily, unnest($5::text[], $6::int[], $7::bigint[], $8::int[]) AS mine (name, build, position, decisions)
WHERE c.territory = $1 AND c.name = mine.name AND c.build = mine.build AND c.position = mine.position
    AND c.owner = $3 AND c.decisions = mine.decisions"""
FAIL = "UPDATE consumers SET failing = $4 WHERE territory = $1 AND name = $2 AND build = $3"
RELEASE = "UPDATE consumers SET owner = NULL, lease_until = '-infinity' WHERE owner = $1"
POSITION = """
SELECT coalesce(min(c.position), -1) FROM consumers c JOIN projection_builds b USING (name, build)
WHERE c.territory = $1 AND b.status = 'live' AND ($2::text[] IS NULL OR b.name = ANY($2))"""
STATUS = """
SELECT c.territory, c.name, b.version, c.build, b.status AS build_status, c.position, c.failing, c.moved_at,
    CASE WHEN c.lease_until >= clock_timestamp() THEN c.owner END AS owner,
    (SELECT count(*) FROM parked_events p WHERE (p.territory, p.name, p.build) = (c.territory, c.name, c.build)
        AND p.status = 'waiting') AS parked,
    (SELECT count(*) FROM parked_events p WHERE (p.territory, p.name, p.build) = (c.territory, c.name, c.build)
        AND p.status = 'skipped') AS skipped
FROM consumers c JOIN projection_builds b USING (name, build)
WHERE b.status <> 'retired'
ORDER BY c.territory, c.name, c.build"""


class LeaseLost(Exception):
    """Somebody else follows now, or the build was replaced: what was folded is not written."""


class Consumer(msgspec.Struct):
    """One build's place in one territory, as its owner last knew it."""

    territory: str
    build: Build
    position: int
    decisions: int


class ConsumerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How one projection stands in one territory."""

    territory: str
    projection: str
    version: int
    build: int
    status: str
    """`following`, `building` (not in use yet), `failing` (held up by an error) or `stopped` (nobody follows)."""
    position: int
    head: int
    lag_events: int
    lag_seconds: float
    """Age of the oldest event not yet folded."""
    parked: int
    skipped: int
    owner: str | None
    error_type: str | None


async def register(db: Connection, territory: str, builds: list[Build]) -> None:
    await db.execute(REGISTER, territory, [b.name for b in builds], [b.number for b in builds])


async def claim(db: Connection, territory: str, builds: list[Build], owner: str, lease_s: float) -> list[Consumer]:
    """Take or renew the leases that are free or one's own."""
    by_key = {(build.name, build.number): build for build in builds}
    names, numbers = [b.name for b in builds], [b.number for b in builds]
    rows = await db.fetch(CLAIM, territory, owner, lease_s, names, numbers)
    return [
        Consumer(territory, by_key[row["name"], row["build"]], row["position"], row["decisions"])
        for row in sorted(rows, key=lambda row: str(row["name"]))
    ]


async def move(db: Connection, some: Sequence[Consumer], to: int, owner: str, lease_s: float) -> None:
    """Advance the checkpoints of one territory's consumers, and their leases, in the caller's transaction.

    Done first, it locks the rows: whoever comes second waits, finds a position moved and writes nothing.
    Raises LeaseLost unless all of them can be moved.
    """
    names = [consumer.build.name for consumer in some]
    builds = [consumer.build.number for consumer in some]
    positions = [consumer.position for consumer in some]
    decisions = [consumer.decisions for consumer in some]
    territory = some[0].territory
    moved = await db.execute(MOVE, territory, to, owner, lease_s, names, builds, positions, decisions)
    if moved != f"UPDATE {len(some)}":
        raise LeaseLost


async def fail(db: Connection, consumer: Consumer, error: BaseException) -> None:
    """Show what holds a consumer up; the next move clears it."""
    await db.execute(FAIL, consumer.territory, consumer.build.name, consumer.build.number, type(error).__name__)


async def release(pool: Pool, owner: str) -> None:
    """Let others take over at once."""
    await pool.execute(RELEASE, owner)


async def folded_position(pool: Pool, territory: str, projections: list[str] | None) -> int:
    """Up to where these projections (all when None) are in use; -1 when nobody has begun."""
    position: int = await pool.fetchval(POSITION, territory, projections)
    return position


async def consumer_statuses(pool: Pool, log: EventLog, clock: Clock) -> list[ConsumerStatus]:
    """Every consumer of every territory, for health checks and `unisson projections status`."""
    statuses = []
    heads: dict[str, int] = {}
    for row in await pool.fetch(STATUS):
        territory, position = row["territory"], row["position"]
        head = heads[territory] = heads.get(territory) or await log.head(territory)
        statuses.append(
            ConsumerStatus(
                territory=territory,
                projection=row["name"],
                version=row["version"],
                build=row["build"],
                status=_status(row["build_status"], row["failing"], row["owner"]),
                position=position,
                head=head,
                lag_events=max(head - position, 0),
                lag_seconds=await _lag_seconds(log, territory, position, head, clock.now()),
                parked=row["parked"],
                skipped=row["skipped"],
                owner=row["owner"],
                error_type=row["failing"],
            )
        )
    return statuses


def _status(build_status: str, failing: str | None, owner: str | None) -> str:
    if build_status == "building":
        return "building"
    if failing is not None:
        return "failing"
    return "following" if owner is not None else "stopped"


async def _lag_seconds(log: EventLog, territory: str, position: int, head: int, now: datetime) -> float:
    if position >= head:
        return 0.0
    oldest = await log.headers(territory, after=position, limit=1)
    return max((now - oldest[0].recorded_at).total_seconds(), 0.0) if oldest else 0.0
