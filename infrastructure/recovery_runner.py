"""Carries out the recoveries that are asked for, one at a time in each process. Killed, another goes on from there."""

import asyncio
from contextlib import suppress

import structlog

from domain.clock import Clock
from infrastructure.database import UNREACHABLE
from infrastructure.webhook_recoveries import Claim, PostgresRecoveries

log = structlog.get_logger()

POLL_SECONDS = 2.0


class RecoveryRunner:
    def __init__(self, recoveries: PostgresRecoveries, clock: Clock, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._recoveries = recoveries
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """One may have been asked for: do not wait for the next look."""
        self._awake.set()

    async def run(self) -> None:
        """For ever. Stopped in the middle of one, gives it back."""
        while True:
            self._awake.clear()
            try:
                await self.drain()
            except UNREACHABLE:
                log.warning("recoveries.postponed", exc_info=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._awake.wait()

    async def drain(self) -> None:
        """Until nothing waits."""
        while (claim := await self._recoveries.claim()) is not None:
            await self._carry_out(claim)

    async def _carry_out(self, claim: Claim) -> None:
        with structlog.contextvars.bound_contextvars(recovery_id=str(claim.recovery_id)):
            try:
                while await self._recoveries.step(claim, self._clock.now()):
                    pass
            except asyncio.CancelledError:
                with suppress(*UNREACHABLE):
                    await self._recoveries.give_back(claim)
                raise
            log.info("recovery.ended")
