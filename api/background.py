"""What a process does beside answering: following, sealing, notifying, housekeeping, as its roles say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog

from api.backtest_runner import BacktestRunner
from api.ground import Ground
from api.mailing import mail_worker
from api.person_rights import eraser
from api.runtime import Runtime
from application.api_keys import Gatekeeper
from application.messages import OUTBOX_CHANNEL
from application.right_to_know import RightToKnow
from domain.clock import SystemClock
from domain.errors import DomainError
from infrastructure.backtests import PostgresBacktests
from infrastructure.database import UNREACHABLE
from infrastructure.delivery import DeliveryWorker
from infrastructure.outbox import Outbox
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.recovery_runner import RecoveryRunner
from infrastructure.sealer import CHANNEL as SEAL_CHANNEL
from infrastructure.sealer import Sealer
from infrastructure.webhook_recoveries import PostgresRecoveries
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import Sender

logger = structlog.get_logger()

KEY_USE_FLUSH_SECONDS = 30.0
RECEIPTS_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 3600.0


async def start(stack: AsyncExitStack, roles: frozenset[str], runtime: Runtime, ground: Ground) -> None:
    """Everything started ends with the stack."""
    if "api" in roles:
        await stack.enter_async_context(_running("key-uses", _flush_key_uses(runtime.gatekeeper)))
    if roles & {"api", "notifications"}:
        turn = runtime.receipts.collect if "notifications" in roles else runtime.receipts.flush
        await stack.enter_async_context(_running("alert-receipts", _record_receipts(turn)))
    if "followers" in roles:
        await stack.enter_async_context(runtime.follower)
        await _start_jobs(stack, runtime, ground)
    if "sealer" in roles:
        sealer = Sealer.of(ground.settings, ground.pool)
        ground.log.hear(SEAL_CHANNEL, sealer.ask)
        await stack.enter_async_context(_running("sealer", sealer.run()))
    if "notifications" in roles:
        await _start_deliveries(stack, runtime, ground)


async def _start_jobs(stack: AsyncExitStack, runtime: Runtime, ground: Ground) -> None:
    jobs = PostgresBacktests(ground.pool)
    runner = BacktestRunner(ground.settings, ground.url, jobs, runtime.rulebooks, runtime.backtest_asked)
    chores = (
        ground.log.forget_outcomes,
        ground.snapshots.drop_old,
        runtime.accesses.expire,
        runtime.tokens.drop_expired,
        runtime.sessions.drop_over,
        runtime.matching.drop_old,
    )
    works = {"backtests": runner.run(), "erasures": eraser(runtime).run(), "housekeeping": _keep_house(chores)}
    for name, work in works.items():
        await stack.enter_async_context(_running(name, work))


async def _start_deliveries(stack: AsyncExitStack, runtime: Runtime, ground: Ground) -> None:
    http = await stack.enter_async_context(OutgoingHttp(allow_loopback=ground.allow_loopback))
    outbox = Outbox(ground.pool, SecretBox(ground.key_file))
    right = RightToKnow(runtime.pathways, ground.log)
    # Receivers check a signature's age against real time, whatever clock dates the events.
    worker = DeliveryWorker(outbox, Sender(http, ground.settings.address), right.may_send, SystemClock())
    ground.log.hear(OUTBOX_CHANNEL, lambda _: worker.wake())
    recoveries = RecoveryRunner(PostgresRecoveries(ground.pool), runtime.clock)
    ground.log.hear(OUTBOX_CHANNEL, lambda _: recoveries.wake())
    await stack.enter_async_context(_running("recoveries", recoveries.run()))
    stack.push_async_callback(_stopped, runtime.stopping, asyncio.create_task(worker.run(runtime.stopping)))
    writer = mail_worker(ground, right.may_send, runtime.clock)
    if writer is not None:
        ground.log.hear(OUTBOX_CHANNEL, lambda _: writer.wake())
        stack.push_async_callback(_stopped, runtime.stopping, asyncio.create_task(writer.run(runtime.stopping)))


@asynccontextmanager
async def _running(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A task that ends with the block. One that fails before is shouted about: nobody waits for it."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_shout)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _shout(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("background.failed", work=task.get_name(), error_type=type(error).__name__)


async def _stopped(stopping: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Let work that watches `stopping` end by itself."""
    stopping.set()
    await work


async def _keep_house(chores: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Drop what has served its time. What fails does not hold up the rest, and is tried again at the next round."""
    while True:
        for chore in chores:
            try:
                await chore()
            except (*UNREACHABLE, DomainError) as error:
                logger.warning("housekeeping.postponed", chore=chore.__qualname__, error_type=type(error).__name__)
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


async def _record_receipts(turn: Callable[[], Awaitable[int]]) -> None:
    """What fails is looked at again at the next turn: it is still where it was."""
    while True:
        try:
            await turn()
        except (*UNREACHABLE, DomainError) as error:
            logger.warning("alert_receipts.postponed", error_type=type(error).__name__)
        await asyncio.sleep(RECEIPTS_SECONDS)


async def _flush_key_uses(gatekeeper: Gatekeeper) -> None:
    try:
        while True:
            await asyncio.sleep(KEY_USE_FLUSH_SECONDS)
            await gatekeeper.flush()
    finally:
        await gatekeeper.flush()
