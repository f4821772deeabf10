"""The follower: reads what was appended, folds it into every projection, moves each checkpoint with the rows it covers.

One per process, one task per territory; several processes share the work by leases: docs/explanation/projections.md.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

import structlog

from application.event_log import EventLog
from domain.clock import Clock
from domain.ids import uuid7
from projections import consumers
from projections.builds import install, outdated
from projections.folding import TRANSIENT
from projections.garbage import patient_collector
from projections.projection import Pool, Projection
from projections.rebuild import AlreadyRebuilding, rebuild
from projections.territory_follower import LEASE_S, PAGE_SIZE, TerritoryFollower, Tools

log = structlog.get_logger()

POLL_S = 1.0
RETRY_S = 1.0
OTHER_PROCESS_POLL_S = 0.02


class Follower:
    """Start it with `async with`; or step it with `catch_up` in tests and at the command line, never both."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        projections: Sequence[Projection],
        clock: Clock,
        *,
        lease_s: float = LEASE_S,
        page_size: int = PAGE_SIZE,
        poll_s: float = POLL_S,
    ) -> None:
        self.owner = f"{os.uname().nodename}:{os.getpid()}:{uuid7().hex[-8:]}"
        self._tools = Tools(
            pool,
            event_log,
            projections,
            clock,
            self.owner,
            lease_s=lease_s,
            page_size=page_size,
            on_moved=self._announce,
        )
        self._pool = pool
        self._log = event_log
        self._poll_s = poll_s
        self._territories: dict[str, TerritoryFollower] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._discovery: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._patience = ExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Follow every territory, those to come included, until stopped."""
        await install(self._pool, self._tools.projections.values())
        self._patience.enter_context(patient_collector())
        self._discovery = asyncio.create_task(self._discover(), name="follower")
        self._renewal = asyncio.create_task(self._rebuild_outdated(), name="follower: rebuild")

    async def stop(self) -> None:
        """Finish nothing, lose nothing: what is half folded is folded again by whoever takes over, at once."""
        tasks = [task for task in (self._discovery, self._renewal, *self._tasks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._patience.close()
        await consumers.release(self._pool, self.owner)

    async def catch_up(self) -> None:
        """Fold everything there is and process everything due, then return. For tests and one-shot commands."""
        await install(self._pool, self._tools.projections.values())
        busy = True
        while busy:
            busy = False
            for territory in await self._log.territories():
                while await self._territory(territory).step(timers_now=True):
                    busy = True
        for follower in self._territories.values():
            follower.let_go()
        await consumers.release(self._pool, self.owner)

    async def caught_up(
        self, territory: str, position: int, timeout_s: float, projections: Sequence[str] | None = None
    ) -> bool:
        """Wait until these projections (all when None) show everything up to a position; False when the time is over.

        Works whoever follows: this process or another.
        """
        deadline = time.monotonic() + timeout_s
        names = list(self._tools.projections) if projections is None else list(projections)
        while True:
            moved = self._moved
            here = self._held(territory, names)
            if here is not None and here >= position:
                return True
            if here is None and await consumers.folded_position(self._pool, territory, names) >= position:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            look_again_s = OTHER_PROCESS_POLL_S if here is None else self._poll_s
            try:
                async with asyncio.timeout(min(left, look_again_s)):
                    await moved.wait()
            except TimeoutError:
                continue

    def _held(self, territory: str, names: Sequence[str]) -> int | None:
        """The position folded here; None when another process folds some of them."""
        follower = self._territories.get(territory)
        positions = {} if follower is None else follower.positions
        if not all(name in positions for name in names):
            return None
        return min((positions[name] for name in names), default=0)

    def _territory(self, territory: str) -> TerritoryFollower:
        if territory not in self._territories:
            self._territories[territory] = TerritoryFollower(self._tools, territory)
        return self._territories[territory]

    async def _discover(self) -> None:
        while True:
            try:
                for territory in await self._log.territories():
                    if territory not in self._tasks:
                        task = asyncio.create_task(self._follow(territory), name=f"follower {territory}")
                        self._tasks[territory] = task
            except TRANSIENT as error:
                log.warning("follower.retried", error_type=type(error).__name__)
                await asyncio.sleep(RETRY_S)
            await self._log.wait_for_territory(known=self._tasks, timeout_s=self._poll_s)

    async def _rebuild_outdated(self) -> None:
        """What another version of the code made, or other rules: queries see the old one until the new one is ready."""
        while True:
            try:
                async with self._pool.acquire() as db:
                    names = await outdated(db, self._tools.projections.values())
                if not names:
                    return
                log.info("projections.outdated", projections=names)
                projections = list(self._tools.projections.values())
                await rebuild(self._pool, self._log, projections, self._tools.clock, names)
                log.info("projections.rebuilt", projections=names)
            except AlreadyRebuilding:
                await asyncio.sleep(self._poll_s)
            except TRANSIENT as error:
                log.warning("projections.rebuild_retried", error_type=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _follow(self, territory: str) -> None:
        follower = self._territory(territory)
        while True:
            try:
                if not await follower.step():
                    await self._wait(follower)
            except TRANSIENT as error:
                log.warning("follower.retried", territory=territory, error_type=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _wait(self, follower: TerritoryFollower) -> None:
        """Until something is appended; or the time has come to look at the clock, the leases and what was set aside."""
        positions = follower.positions.values()
        if follower.is_held_up or not positions:
            await asyncio.sleep(self._poll_s)
        else:
            await self._log.wait(follower.territory, after=min(positions), timeout_s=self._poll_s)

    def _announce(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
