"""What has served its time is dropped by a running service."""

import asyncio
from pathlib import Path

from infrastructure.database import Pool
from tests.support.service import running

REMEMBERED = """
INSERT INTO idempotency (recorded_at, expires_at, first_position, last_position, version, territory, client, key,
    fingerprint, outcome)
SELECT now(), expires_at, 0, 0, 0, 'FR-34', 'ccas-montpellier', key, '', ''
FROM (VALUES ('past', now() - interval '1 second'), ('still good', now() + interval '1 hour'), ('for ever', NULL))
    AS given (key, expires_at)"""


async def test_outcomes_whose_time_is_over_are_forgotten(database_url: str, pool: Pool, tmp_path: Path) -> None:
    await pool.execute(REMEMBERED)
    async with running(database_url, tmp_path), asyncio.timeout(10):
        while await pool.fetchval("SELECT count(*) FROM idempotency WHERE key = 'past'"):
            await asyncio.sleep(0.02)
        assert await pool.fetchval("SELECT count(*) FROM idempotency") == 2
