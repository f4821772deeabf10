"""The worker that empties the outbox: claims what is due, asks whether it may still be sent, sends, settles.

At least once: killed at any point, the lease ends and the message goes out again under the same id.
"""

import asyncio
import time
from datetime import timedelta

import structlog

from application.messages import MaySend
from application.webhooks import DeliveryState
from domain.clock import Clock
from infrastructure.database import UNREACHABLE
from infrastructure.delivery_metrics import ATTEMPTS, DEAD, IN_FLIGHT, SECONDS
from infrastructure.monthly_forgetting import forget_what_is_settled
from infrastructure.outbox import Claim, Outbox
from infrastructure.outgoing_http import SOCKETS_MAX
from infrastructure.webhooks import Sender, Sent

log = structlog.get_logger()

CONCURRENCY = 128
SLOW_SECONDS = 0.5
"""An attempt that lasts longer leaves its place to another: partners that hang do not use up all places."""
UNDER_WAY_MAX = SOCKETS_MAX
"""Quick and slow together."""
PER_ENDPOINT = 4
POLL_SECONDS = 0.5
LEASE = timedelta(seconds=30)  # Well over the longest attempt; after a crash an endpoint may have to wait so long.
DATABASE_PAUSE_SECONDS = 1.0
OWN_FAULT_PAUSE = timedelta(seconds=10)  # The right to send could not be asked, a secret could not be opened.


class DeliveryWorker:
    """One per process; any number of processes."""

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        may_send: MaySend,
        clock: Clock,
        *,
        concurrency: int = CONCURRENCY,
        per_endpoint: int = PER_ENDPOINT,
        lease: timedelta = LEASE,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._may_send = may_send
        self._clock = clock
        self._concurrency = concurrency
        self._per_endpoint = per_endpoint
        self._lease = lease
        self._poll_seconds = poll_seconds
        self._awake = asyncio.Event()
        self._attempts: set[asyncio.Task[None]] = set()
        self._slow: set[asyncio.Task[None]] = set()
        """Of these, those that have lasted for long."""

    def wake(self) -> None:
        """Something was put in the outbox: do not wait for the next look."""
        self._awake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`. Attempts going on are then cut short and given back."""
        stop = asyncio.create_task(stopping.wait())
        forgetting = asyncio.create_task(forget_what_is_settled(self._outbox.forget, self._clock, "outbox.unreachable"))
        try:
            while not stopping.is_set():
                self._awake.clear()
                if not await self._start_what_is_due():
                    await self._rest(stop)
        finally:
            stop.cancel()
            forgetting.cancel()
            await self._cut_short()

    async def drain(self) -> int:
        """Attempts everything that is due, until nothing is; returns the number of attempts."""
        attempts = 0
        while started := await self._start_what_is_due():
            attempts += started
            await asyncio.gather(*self._attempts)
        return attempts

    async def _start_what_is_due(self) -> int:
        quick = len(self._attempts) - len(self._slow)
        free = min(self._concurrency - quick, UNDER_WAY_MAX - len(self._attempts))
        if free <= 0:
            return 0
        try:
            claims = await self._outbox.claim(
                self._clock.now(), most=free, lease=self._lease, per_endpoint=self._per_endpoint
            )
        except UNREACHABLE:
            log.warning("outbox.unreachable", exc_info=True)
            await asyncio.sleep(DATABASE_PAUSE_SECONDS)
            return 0
        for claim in claims:
            self._start(claim)
        return len(claims)

    def _start(self, claim: Claim) -> None:
        attempt = asyncio.create_task(self._attempt(claim))
        self._attempts.add(attempt)
        patience = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._is_slow, attempt)
        attempt.add_done_callback(lambda _: self._ended(attempt, patience))

    def _is_slow(self, attempt: asyncio.Task[None]) -> None:
        self._slow.add(attempt)
        self._awake.set()

    def _ended(self, attempt: asyncio.Task[None], patience: asyncio.TimerHandle) -> None:
        patience.cancel()
        self._attempts.discard(attempt)
        self._slow.discard(attempt)
        self._awake.set()  # Room, and perhaps a later message of the same subject.

    async def _rest(self, stop: asyncio.Task[bool]) -> None:
        awake = asyncio.create_task(self._awake.wait())
        await asyncio.wait({awake, stop}, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        awake.cancel()

    async def _cut_short(self) -> None:
        attempts = list(self._attempts)
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    async def _attempt(self, claim: Claim) -> None:
        with (
            IN_FLIGHT.track_inprogress(),
            structlog.contextvars.bound_contextvars(
                message_id=str(claim.message.message_id), endpoint_id=str(claim.endpoint_id), attempt=claim.attempt
            ),
        ):
            try:
                await self._authorise_and_send(claim)
            except asyncio.CancelledError:
                await self._give_back(claim, timedelta())
                raise
            except Exception:
                log.exception("webhook.interrupted")
                await self._give_back(claim, OWN_FAULT_PAUSE)

    async def _authorise_and_send(self, claim: Claim) -> None:
        message = claim.message
        if not await self._may_send(message.territory, message.agency, message):
            await self._outbox.withhold(claim, self._clock.now())
            ATTEMPTS.labels("withheld").inc()
            log.info("webhook.withheld")
            return
        started = time.perf_counter()
        sent = await self._sender.send(claim.url, message, self._outbox.secrets(claim), self._clock.now())
        SECONDS.observe(time.perf_counter() - started)
        self._tell(sent, await self._outbox.settle(claim, sent, self._clock.now()))

    def _tell(self, sent: Sent, state: DeliveryState | None) -> None:
        ATTEMPTS.labels("delivered" if sent.delivered else "failed").inc()
        if state is DeliveryState.DEAD:
            DEAD.inc()
            log.warning("webhook.given_up", error_code=sent.error_code)
        elif sent.delivered:
            log.info("webhook.delivered", status=sent.status)
        else:
            log.info("webhook.failed", error_code=sent.error_code)

    async def _give_back(self, claim: Claim, pause: timedelta) -> None:
        """If even this fails the lease ends by itself."""
        try:
            await self._outbox.release(claim, self._clock.now() + pause)
        except UNREACHABLE:
            log.warning("outbox.unreachable", exc_info=True)
