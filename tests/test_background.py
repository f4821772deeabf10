"""Work beside answering: nobody waits for it, so what stops it must not go unseen."""

import asyncio

import pytest
from structlog.testing import capture_logs

from api.background import _running


async def test_work_that_fails_is_shouted_about() -> None:
    async def fail() -> None:
        raise ValueError("of a person")

    with capture_logs() as logs, pytest.raises(ValueError, match="of a person"):
        async with _running("some work", fail()):
            await asyncio.sleep(0.01)
    said = {"event": "background.failed", "log_level": "critical", "work": "some work", "error_type": "ValueError"}
    assert logs == [said]
