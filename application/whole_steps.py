"""Answers at whole steps of time: what more is done in one case than in another does not show in how long it takes."""

import asyncio
import time


async def until_a_whole_step(began: float, step_seconds: float) -> None:
    """`began` by the monotonic clock of this process. Past a step, the next one counts."""
    steps = 1 + (time.monotonic() - began) // step_seconds
    until = began + steps * step_seconds
    while (left := until - time.monotonic()) > 0:  # noqa: ASYNC110 (a timer may end a little early)
        await asyncio.sleep(left)
