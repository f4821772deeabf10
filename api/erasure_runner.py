"""Carries erasures out in the background, and does the night's work of the retention clock."""

import asyncio
from datetime import datetime, timedelta

import asyncpg
import structlog

from application.erasure import Erasures
from application.event_log import AppendInDoubt, EventLog, LogBusy
from application.retention import Retention
from domain.clock import Clock
from domain.person_erasure import Step
from infrastructure.database import Pool
from projections.erasures import Unfinished, unfinished

LOOK_S = 5.0
SHOWN_WITHIN_S = 0.2
"""After it was asked for, an erasure is in the view that this looks at; else at the next look."""
WAITING_S = 600.0
"""Between two looks at what only waits for a key-encryption key's time."""
NIGHT = timedelta(days=1)
SETTLING_IN = timedelta(minutes=10)
"""Before the first night's work of a process: time to stop it, had the clock been set wrong."""
TRANSIENT = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, AppendInDoubt, LogBusy)

log = structlog.get_logger()


class ErasureRunner:
    """One per process that follows. Several may run: each step is safe to repeat, and recorded once."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        erasures: Erasures,
        retention: Retention,
        clock: Clock,
        asked: asyncio.Event,
        *,
        look_s: float = LOOK_S,
    ) -> None:
        """`asked` is set when there is a new one."""
        self._pool = pool
        self._log = event_log
        self._erasures = erasures
        self._retention = retention
        self._clock = clock
        self._asked = asked
        self._look_s = look_s
        self._waited_s = WAITING_S
        self._next_night: datetime = clock.now() + SETTLING_IN

    async def run(self) -> None:
        """Until cancelled: what is half done is done again by whoever comes next."""
        while True:
            try:
                await self.step()
            except TRANSIENT as error:
                log.warning("erasure.postponed", error_type=type(error).__name__)
            try:
                async with asyncio.timeout(self._look_s):
                    await self._asked.wait()
                await asyncio.sleep(SHOWN_WITHIN_S)
            except TimeoutError:
                self._waited_s += self._look_s
            self._asked.clear()

    async def step(self) -> None:
        """Look once at all that is unfinished; and, once a day, at every clock."""
        patient = self._waited_s >= WAITING_S
        if patient:
            self._waited_s = 0.0
        async with self._pool.acquire() as db:
            open_erasures = await unfinished(db)
        for one in open_erasures:
            if patient or one.step is not Step.PAYLOADS_PRUNED:
                await self._advance(one)
        await self._work_at_night()

    async def _advance(self, one: Unfinished) -> None:
        """One that cannot go on never holds up the others: it is shown, and tried again."""
        try:
            erasure = await self._erasures.advance(one.territory, one.erasure_id)
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001
            log.error(  # noqa: TRY400 (a trace may hold data)
                "erasure.failing", erasure_id=str(one.erasure_id), after=one.step, error_type=type(error).__name__
            )
        else:
            if next(reversed(erasure.done)) is not one.step:
                log.info("erasure.advanced", erasure_id=str(one.erasure_id), next_step=erasure.next_step)

    async def _work_at_night(self) -> None:
        now = self._clock.now()
        if now < self._next_night:
            return
        for territory in await self._log.territories():
            await self._work_in(territory)
        self._next_night = now + NIGHT

    async def _work_in(self, territory: str) -> None:
        """What goes wrong in one territory stops neither the others nor the erasures: the next night looks again."""
        try:
            report = await self._retention.carry_out(territory)
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001
            log.error(  # noqa: TRY400 (a trace may hold data)
                "retention.failing", territory=territory, error_type=type(error).__name__
            )
            return
        log.info(
            "retention.carried_out",
            territory=territory,
            archived=len(report.to_archive),
            erasing=len(report.to_erase),
            held=len(report.held),
        )
