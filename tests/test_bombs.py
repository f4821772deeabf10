"""A body made to hurt is refused at once, as it should be, and leaves nothing: on the longest way, then on every route.

What a body costs is the time the loop spends on it: that is how long it keeps the other clients waiting. Here times
include the client's. `python -m tests.campaigns.bombs` sends all of them to every route of a real server.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.limits import Limits
from infrastructure.database import Pool
from tests.campaigns.bombs import campaign
from tests.support.bombs import BOMBS
from tests.support.service import CCAS, Agency, running

MOST_MS = 50
TRIES = 5
"""The collector, or the machine: the same body is never slow so often by accident."""
JSON = {"Content-Type": "application/json", "Idempotency-Key": "k"}


@pytest.fixture
async def ccas(database_url: str, tmp_path: Path) -> AsyncIterator[Agency]:
    async with running(database_url, tmp_path, limits=Limits(burst=100_000)) as service:
        yield await service.agency(CCAS)


async def test_a_body_that_hurts_is_refused_at_once(ccas: Agency, pool: Pool) -> None:
    pathway = await ccas.opened()
    await ccas.post(f"{pathway}/referrals", content=b"{}", headers=JSON)  # The first request loads code.
    answers, slowest = {}, {}
    for name, bomb in BOMBS.items():
        slowest[name] = float("inf")
        for _ in range(TRIES):
            began = time.thread_time()
            response = await ccas.post(f"{pathway}/referrals", content=bomb.body, headers=JSON)
            slowest[name] = min(slowest[name], (time.thread_time() - began) * 1000)
            answers[name] = (response.status_code, response.json()["code"])
            if slowest[name] < MOST_MS:
                break
    name, most_ms = max(slowest.items(), key=lambda item: item[1])
    print(f"{len(BOMBS)} bodies, the slowest {most_ms:.1f} ms: {name}")  # noqa: T201
    assert answers == {name: (bomb.status, bomb.code) for name, bomb in BOMBS.items()}
    assert most_ms < MOST_MS
    stored = await pool.fetchval("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM idempotency)")
    assert stored == 2, "only the opening is recorded"


def test_no_route_takes_a_bomb(session_data_dir: Path) -> None:
    """One of them, which made a decoder fail with 500 where nothing was in front of it."""
    folder = session_data_dir / "bombed"
    folder.mkdir()
    folder.chmod(0o711)
    done = campaign(folder, ["5,000 brackets in a field"])
    print(done)  # noqa: T201
    assert done.requests > 60
    assert done.faults == []
