"""Carries out the backtests that are asked for, one at a time in each process, and records what they found.

A job is leased: should this process die, another takes it over. Cancelled, its own process is killed at once.
"""

import asyncio
import sys
from contextlib import suppress

import msgspec
import structlog

from api.backtest_process import Far, Order
from application.backtest.jobs import Job
from application.backtest.table import BacktestTable
from application.rulebooks import Rulebooks
from domain.errors import DomainError
from domain.rule_publication import read_draft
from domain.rulebook import Backtest
from domain.rules import RuleRefused
from infrastructure.backtests import ATTEMPTS_MAX, PostgresBacktests
from infrastructure.database import UNREACHABLE
from infrastructure.settings import Settings

log = structlog.get_logger()

POLL_SECONDS = 2.0
RENEW_SECONDS = 0.5
LINE_BYTES_MAX = 64 * 1024 * 1024
COMMAND = (sys.executable, "-m", "api.backtest_process")


class Lost(Exception):
    """The job is no longer this process's: cancelled, or taken over."""


class BacktestRunner:
    def __init__(
        self, settings: Settings, url: str, jobs: PostgresBacktests, rulebooks: Rulebooks, asked: asyncio.Event
    ) -> None:
        self._settings = settings
        self._url = url
        self._jobs = jobs
        self._rulebooks = rulebooks
        self._asked = asked

    async def run(self) -> None:
        """For ever. Stopped in the middle of a job, gives it back."""
        while True:
            self._asked.clear()
            try:
                while (job := await self._claim()) is not None:
                    if job.attempt > ATTEMPTS_MAX:
                        await self._jobs.fail(job)
                    else:
                        await self._carry_out(job)
            except UNREACHABLE as error:
                log.warning("backtests.postponed", error_type=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - one job must not end those to come; its lease ends by itself
                log.error("backtest.failing", error_type=type(error).__name__)  # noqa: TRY400 - a trace may hold data
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._asked.wait()

    async def _claim(self) -> Job | None:
        """Stopped while it waits for the answer, gives back what it may just have been given."""
        claiming = asyncio.ensure_future(self._jobs.claim())
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(*UNREACHABLE):
                if (job := await claiming) is not None:
                    await self._jobs.give_back(job)
            raise

    async def _carry_out(self, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(backtest_id=str(job.asked.id), attempt=job.attempt):
            try:
                await self._work_out(job)
            except Lost:
                log.info("backtest.stopped")
            except asyncio.CancelledError:
                with suppress(*UNREACHABLE):
                    await self._jobs.give_back(job)
                raise

    async def _work_out(self, job: Job) -> None:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX
        )
        try:
            await self._settle(job, await self._follow(job, process))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _follow(self, job: Job, process: asyncio.subprocess.Process) -> bytes | None:
        """The table, or None when the process died without one. Raises Lost."""
        assert process.stdin is not None
        assert process.stdout is not None
        order = Order(
            url=self._url,
            pgbouncer=self._settings.pgbouncer,
            key_encryption_key=str(self._settings.key_encryption_key),
            vault_url=self._settings.vault_url,
            vault_database_url=self._settings.vault_database_url,
            vault_token=str(self._settings.vault_token),
            asked=job.asked,
        )
        process.stdin.write(msgspec.json.encode(order))
        process.stdin.close()
        far = Far(0, 0)
        reading = asyncio.ensure_future(process.stdout.readline())
        try:
            while True:
                await asyncio.wait({reading}, timeout=RENEW_SECONDS)
                if not reading.done():
                    await self._renew(job, far)
                    continue
                line = _line_of(reading)
                if line is None or not line.startswith(b'{"type":"far"'):
                    return line
                far = msgspec.json.decode(line, type=Far)
                await self._renew(job, far)
                reading = asyncio.ensure_future(process.stdout.readline())
        finally:
            reading.cancel()

    async def _renew(self, job: Job, far: Far) -> None:
        if not await self._jobs.renew(job, far.done, far.pathways or None):
            raise Lost

    async def _settle(self, job: Job, line: bytes | None) -> None:
        if line is not None:
            await self._jobs.finish(
                job, line, recorded=await self._record(job, msgspec.json.decode(line, type=BacktestTable))
            )
            log.info("backtest.done")
        elif job.attempt >= ATTEMPTS_MAX:
            await self._jobs.fail(job)
            log.error("backtest.failed")
        else:
            log.warning("backtest.interrupted")  # Its lease ends, and it is taken up again.

    async def _record(self, job: Job, table: BacktestTable) -> bool:
        """In the rulebook, if this very document is drafted there."""
        try:
            rule, _, digest = read_draft(msgspec.json.decode(job.asked.document))
        except RuleRefused:
            return False
        if not table.rules:
            return False
        (found,) = table.rules
        backtest = Backtest(
            id=job.asked.id,
            mode=table.mode,
            digest=digest,
            known_at=job.asked.known_at,
            pathways=table.pathways,
            activations=found.activations,
            alerts=found.alerts,
            difference=found.difference,
        )
        asked = job.asked
        try:
            await self._rulebooks.record_backtest(
                asked.territory, rule.slug, rule.version, backtest, by=asked.agency, agent=asked.agent
            )
        except DomainError as refusal:
            log.info("backtest.not_recorded", code=refusal.code)
            return False
        return True


def _line_of(reading: "asyncio.Future[bytes]") -> bytes | None:
    """None when the process died in the middle of it, before it, or wrote more than anybody reads."""
    try:
        line = reading.result()
    except ValueError:
        return None
    return line if line.endswith(b"\n") else None
