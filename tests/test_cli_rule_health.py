"""`unisson rules health`: lines, JSON or a table; a period that is none is refused in one line."""

import asyncio
import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest

from domain.clock import SettableClock
from infrastructure.database import Pool
from tests.support.command_line import unisson
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, TERRITORY, running

YEAR = ("--territory", TERRITORY, "--from", "2026-01-01", "--to", "2026-12-31")


@pytest.fixture
async def here(database_url: str, pool: Pool, tmp_path: Path) -> dict[str, str]:
    """An installation where a referral was not answered in time, of which two agencies were told."""
    clock = SettableClock(NOW)
    async with running(database_url, tmp_path, clock=clock) as service, asyncio.timeout(20):
        ccas = await service.agency(CCAS)
        pathway = await ccas.opened()
        await ccas.command(f"{pathway}/referrals", {"to_agency": MISSION_LOCALE, "theme": HOUSING})
        clock.advance(timedelta(days=10))
        while await pool.fetchval("SELECT count(*) FROM alert_responses WHERE agency = $1", MISSION_LOCALE) < 1:
            await asyncio.sleep(0.02)
    return {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}


async def test_the_figures_of_a_territory_are_told(here: dict[str, str]) -> None:
    ran = await unisson("rules", "health", *YEAR, **here)
    assert (ran.status, ran.err) == (0, "")
    assert "referral-acknowledged@1  1 raised  1 open  acted on: 0%" in ran.out
    ran = await unisson("rules", "health", *YEAR, "--rule", "referral-acknowledged", "--by-agency", "--csv", **here)
    rows = list(csv.DictReader(io.StringIO(ran.out, newline="")))
    assert [(row["agency"], row["raised"]) for row in rows] == [(CCAS, "1"), (MISSION_LOCALE, "1")]
    ran = await unisson("rules", "health", "--territory", TERRITORY, "--to", "yesterday", **here)
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
