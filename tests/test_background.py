"""Work beside answering: nobody waits for it, so what stops it must not go unseen."""

import asyncio
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from api.background import _running
from domain.clock import SettableClock
from infrastructure.recovery_runner import RecoveryRunner


async def test_work_that_fails_is_shouted_about() -> None:
    async def fail() -> None:
        raise ValueError("of a person")

    with capture_logs() as logs, pytest.raises(ValueError, match="of a person"):
        async with _running("some work", fail()):
            await asyncio.sleep(0.01)
    said = {"event": "background.failed", "log_level": "critical", "work": "some work", "error_type": "ValueError"}
    assert logs == [said]


@pytest.mark.parametrize("turns", range(4))
async def test_told_to_stop_just_as_it_is_woken_it_stops(turns: int) -> None:
    """However few turns of the loop lie between: until Python 3.12 `asyncio.wait_for` may lose a cancellation."""

    class NothingWaits:
        async def claim(self) -> None:
            return None

    runner = RecoveryRunner(NothingWaits(), SettableClock(datetime(2026, 3, 2, tzinfo=UTC)))  # type: ignore[arg-type]
    work = asyncio.create_task(runner.run())
    await asyncio.sleep(0.01)
    runner.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    work.cancel()
    done, _ = await asyncio.wait({work}, timeout=5)
    work.cancel()
    assert done
