"""Backtests in the database (the port `application.backtest.jobs.Jobs`), and what those who carry them out need."""

from datetime import timedelta
from uuid import UUID

from application.backtest.jobs import Asked, BacktestNotDone, Job, JobState, TooManyBacktests, UnknownBacktest
from application.event_log import IdempotencyKeyReused
from domain.rulebook import BacktestMode
from infrastructure.database import Database, Pool, Record

UNFINISHED_MAX = 5
FINISHED_KEPT = 50
"""In each territory: the latest."""
ATTEMPTS_MAX = 3
LEASE = timedelta(seconds=30)

COLUMNS = """territory, backtest_id, agency, agent, fingerprint, document, mode, since, until, known_at, state,
asked_at, started_at, ended_at, attempt, pathways_done, pathways, recorded"""

FIND = f"SELECT {COLUMNS} FROM backtests WHERE territory = $1 AND backtest_id = $2"
WAITING = "SELECT count(*) FROM backtests WHERE territory = $1 AND state IN ('queued', 'running')"
INSERT = f"""
INSERT INTO backtests
    (territory, backtest_id, agency, agent, fingerprint, document, mode, since, until, known_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {COLUMNS}"""
FORGET = """
DELETE FROM backtests
WHERE territory = $1 AND backtest_id IN (
    SELECT backtest_id FROM backtests WHERE territory = $1 AND state NOT IN ('queued', 'running')
    ORDER BY asked_at DESC, backtest_id OFFSET $2)"""
CANCEL = f"""
UPDATE backtests SET state = 'cancelled', ended_at = clock_timestamp(), lease_until = NULL
WHERE territory = $1 AND backtest_id = $2 AND state IN ('queued', 'running') RETURNING {COLUMNS}"""
CLAIM = f"""
UPDATE backtests SET state = 'running', attempt = attempt + 1, pathways_done = 0,
    started_at = coalesce(started_at, clock_timestamp()), lease_until = clock_timestamp() + $1
WHERE (territory, backtest_id) = (
    SELECT territory, backtest_id FROM backtests
    WHERE state = 'queued' OR (state = 'running' AND lease_until < clock_timestamp())
    ORDER BY asked_at, backtest_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {COLUMNS}"""
MINE = "WHERE territory = $1 AND backtest_id = $2 AND state = 'running' AND attempt = $3"
"""Still that of who claimed it: neither cancelled nor taken over."""
RENEW = f"""
UPDATE backtests SET lease_until = clock_timestamp() + $4, pathways_done = $5, pathways = $6 {MINE} RETURNING true"""
FINISH = f"""
UPDATE backtests SET state = 'done', ended_at = clock_timestamp(), lease_until = NULL, result = $4, recorded = $5,
    pathways_done = coalesce(pathways, pathways_done) {MINE}"""
FAIL = f"UPDATE backtests SET state = 'failed', ended_at = clock_timestamp(), lease_until = NULL {MINE}"
GIVE_BACK = f"UPDATE backtests SET state = 'queued', attempt = attempt - 1, lease_until = NULL {MINE}"


class PostgresBacktests:
    """Any number of processes may claim; each job is one process's at a time."""

    def __init__(self, pool: Pool, *, lease: timedelta = LEASE) -> None:
        self._pool = pool
        self._lease = lease

    async def ask(self, asked: Asked) -> tuple[Job, bool]:
        async with self._pool.acquire() as db, db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"backtests {asked.territory}")
            known = await db.fetchrow(FIND, asked.territory, asked.id)
            if known is not None:
                if known["fingerprint"] != asked.fingerprint:
                    raise IdempotencyKeyReused
                return _job(known), True
            if await db.fetchval(WAITING, asked.territory) >= UNFINISHED_MAX:
                raise TooManyBacktests
            await db.execute(FORGET, asked.territory, FINISHED_KEPT)
            return await _insert(db, asked), False

    async def find(self, territory: str, job_id: UUID) -> Job:
        row = await self._pool.fetchrow(FIND, territory, job_id)
        if row is None:
            raise UnknownBacktest
        return _job(row)

    async def cancel(self, territory: str, job_id: UUID) -> Job:
        row = await self._pool.fetchrow(CANCEL, territory, job_id)
        return await self.find(territory, job_id) if row is None else _job(row)

    async def result(self, territory: str, job_id: UUID) -> bytes:
        job = await self.find(territory, job_id)
        query = "SELECT result FROM backtests WHERE territory = $1 AND backtest_id = $2"
        result: bytes | None = await self._pool.fetchval(query, territory, job_id)
        if job.state is not JobState.DONE or result is None:
            raise BacktestNotDone
        return result

    async def claim(self) -> Job | None:
        """The oldest that waits, or that nobody carries out any more."""
        row = await self._pool.fetchrow(CLAIM, self._lease)
        return None if row is None else _job(row)

    async def renew(self, job: Job, pathways_done: int, pathways: int | None) -> bool:
        """False: it is no longer this process's."""
        return bool(await self._pool.fetchval(RENEW, *_mine(job), self._lease, pathways_done, pathways))

    async def finish(self, job: Job, result: bytes, *, recorded: bool) -> None:
        await self._pool.execute(FINISH, *_mine(job), result, recorded)

    async def fail(self, job: Job) -> None:
        """For good: it is not tried again."""
        await self._pool.execute(FAIL, *_mine(job))

    async def give_back(self, job: Job) -> None:
        """As if it had not been claimed."""
        await self._pool.execute(GIVE_BACK, *_mine(job))


async def _insert(db: Database, asked: Asked) -> Job:
    row = await db.fetchrow(
        INSERT,
        asked.territory,
        asked.id,
        asked.agency,
        asked.agent,
        asked.fingerprint,
        asked.document,
        asked.mode.value,
        asked.since,
        asked.until,
        asked.known_at,
    )
    assert row is not None
    return _job(row)


def _mine(job: Job) -> tuple[str, UUID, int]:
    return job.asked.territory, job.asked.id, job.attempt


def _job(row: Record) -> Job:
    return Job(
        asked=Asked(
            id=row["backtest_id"],
            territory=row["territory"],
            agency=row["agency"],
            agent=row["agent"],
            fingerprint=row["fingerprint"],
            document=row["document"],
            mode=BacktestMode(row["mode"]),
            since=row["since"],
            until=row["until"],
            known_at=row["known_at"],
        ),
        state=JobState(row["state"]),
        asked_at=row["asked_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        attempt=row["attempt"],
        pathways_done=row["pathways_done"],
        pathways=row["pathways"],
        recorded=row["recorded"],
    )
