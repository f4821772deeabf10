"""`unisson rules reconcile`: all is judged before it is compared, and what could not be is never called clean."""

import json
from pathlib import Path

import pytest

from infrastructure.database import Pool
from tests.support.command_line import unisson
from tests.support.service import CCAS, TERRITORY, running


@pytest.fixture
async def here(database_url: str, tmp_path: Path) -> dict[str, str]:
    """An installation with two pathways, that nothing ever followed."""
    async with running(database_url, tmp_path, roles=frozenset({"api"})) as service:
        agency = await service.agency(CCAS)
        for _ in range(2):
            await agency.opened()
    return {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}


async def test_what_nobody_followed_is_judged_first(here: dict[str, str]) -> None:
    ran = await unisson("rules", "reconcile", "--json", **here)
    [found] = json.loads(ran.out)["territories"]
    assert (ran.status, found["territory"]) == (0, TERRITORY)
    assert (found["pathways"], found["different"], found["behind"]) == (2, 0, 0)


async def test_views_that_another_process_holds_up_are_said_to_be_behind(here: dict[str, str], pool: Pool) -> None:
    await unisson("rules", "reconcile", **here)
    await pool.execute("UPDATE consumers SET position = 0, owner = 'another', lease_until = now() + interval '1 hour'")
    ran = await unisson("rules", "reconcile", **here)
    assert ran.status == 1
    assert "0 events behind" not in ran.out
    assert "events behind" in ran.out
    assert "not all was checked" in ran.err
