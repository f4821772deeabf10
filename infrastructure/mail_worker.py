"""The worker that writes: makes the mails that are due, asks whether each thing may still be told, sends, settles.

At least once: killed at any point, the lease ends and the mail goes out again under the same Message-ID.
"""

import asyncio
import time
from datetime import timedelta

import structlog

from application.event_log import UnreadableEvent
from application.mail import MailKind, MailState
from application.mail_content import content_of
from application.mail_text import Letter, code_letter, letter_of
from application.messages import MaySend, Message
from domain.clock import Clock
from infrastructure.database import UNREACHABLE
from infrastructure.mail_metrics import DEAD_MAILS, MAIL_SECONDS, MAILS
from infrastructure.mail_queue import MailClaim, MailQueue
from infrastructure.mailbox_seal import Kept
from infrastructure.monthly_forgetting import forget_what_is_settled
from infrastructure.smtp import Outcome, Posted, Smtp, compose

log = structlog.get_logger()

CONCURRENCY = 4
PLANNED_AT_ONCE = 100
POLL_SECONDS = 1.0
LEASE = timedelta(minutes=5)  # Well over the longest attempt, so that nobody else tries at the same time.
SERVER_PAUSE = timedelta(seconds=10)  # Doubled by each attempt that does not reach the server.
SERVER_PAUSE_MAX = timedelta(minutes=10)
OWN_FAULT_PAUSE = timedelta(minutes=1)  # The right to tell could not be asked, an address could not be opened.
DATABASE_PAUSE_SECONDS = 1.0


class MailWorker:
    """One per process; any number of processes."""

    def __init__(
        self,
        queue: MailQueue,
        smtp: Smtp,
        may_send: MaySend,
        clock: Clock,
        public_url: str,
        *,
        poll_seconds: float = POLL_SECONDS,
        lease: timedelta = LEASE,
    ) -> None:
        self._queue = queue
        self._smtp = smtp
        self._may_send = may_send
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._poll_seconds = poll_seconds
        self._lease = lease
        self._awake = asyncio.Event()
        self._unreached = 0  # Attempts in a row that did not reach the server.
        self._paused_until = clock.now()

    def wake(self) -> None:
        """Something was put in the outbox: do not wait for the next look."""
        self._awake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`. What is being sent is then cut short and given back."""
        stop = asyncio.create_task(stopping.wait())
        forgetting = asyncio.create_task(
            forget_what_is_settled(self._queue.forget, self._clock, "mail.unreachable_database")
        )
        try:
            while not stopping.is_set():
                self._awake.clear()
                work = asyncio.create_task(self._work())
                await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    work.cancel()
                elif not work.result():
                    await self._rest(stop)
                await asyncio.gather(work, return_exceptions=True)
        finally:
            stop.cancel()
            forgetting.cancel()

    async def drain(self) -> int:
        """Sends everything that is due, until nothing is; returns the number of attempts."""
        attempts = 0
        while done := await self._work():
            attempts += done
        return attempts

    async def _work(self) -> int:
        """One round; returns the number of attempts."""
        try:
            now = self._clock.now()
            await self._queue.plan(now, most=PLANNED_AT_ONCE)
            if now < self._paused_until:
                return 0
            claims = await self._queue.claim(now, most=CONCURRENCY if not self._unreached else 1, lease=self._lease)
        except Exception:
            log.exception("mail.round_failed")  # One mailbox must not be able to stop all others.
            await asyncio.sleep(DATABASE_PAUSE_SECONDS)
            return 0
        async with asyncio.TaskGroup() as attempts:
            for claim in claims:
                attempts.create_task(self._attempt(claim))
        return len(claims)

    async def _rest(self, stop: asyncio.Task[bool]) -> None:
        awake = asyncio.create_task(self._awake.wait())
        await asyncio.wait({awake, stop}, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        awake.cancel()

    async def _attempt(self, claim: MailClaim) -> None:
        with structlog.contextvars.bound_contextvars(
            mail_id=str(claim.mail_id), mailbox_id=str(claim.mailbox_id), attempt=claim.attempt
        ):
            try:
                await self._write(claim)
            except asyncio.CancelledError:
                await self._give_back(claim, timedelta())
                raise
            except Exception:
                log.exception("mail.interrupted")
                await self._give_back(claim, OWN_FAULT_PAUSE)

    async def _write(self, claim: MailClaim) -> None:
        kept = self._queue.opened(claim)
        if kept is None:
            await self._queue.given_up(claim, "mailbox_disabled", self._clock.now())
            return
        told: list[Message] = []
        if claim.kind is MailKind.CODE:
            letter = code_letter(kept.code(claim.code_number), claim.preferences.language)
        else:
            told = [each for each in await self._queue.messages(claim) if await self._is_entitled(claim, each)]
            content = content_of(told, claim.held_back)
            if not content:
                await self._withhold(claim)
                return
            letter = letter_of(
                claim.kind,
                content,
                claim.preferences.language,
                daily_max=claim.preferences.daily_max,
                address=self._public_url,
                unsubscribe=self._unsubscribe(claim, kept),
            )
        started = time.perf_counter()
        posted = await self._smtp.post(kept.address, self._composed(claim, kept, letter))
        MAIL_SECONDS.observe(time.perf_counter() - started)
        await self._settle(claim, posted, told)

    async def _is_entitled(self, claim: MailClaim, message: Message) -> bool:
        """What cannot be read is left out: it must not keep all else from its reader."""
        try:
            return await self._may_send(claim.territory, claim.agency, message)
        except UnreadableEvent:
            log.warning("mail.unreadable", position=message.position)
            return False

    def _composed(self, claim: MailClaim, kept: Kept, letter: Letter) -> bytes:
        return compose(
            letter,
            mail_id=claim.mail_id,
            sender=self._smtp.sender,
            to=kept.address,
            at=self._clock.now(),
            unsubscribe=None if claim.kind is MailKind.CODE else self._unsubscribe(claim, kept),
        )

    def _unsubscribe(self, claim: MailClaim, kept: Kept) -> str:
        return f"{self._public_url}/unsubscribe/{kept.unsubscribe_token(claim.mailbox_id)}"

    async def _withhold(self, claim: MailClaim) -> None:
        await self._queue.withheld(claim, self._clock.now())
        MAILS.labels("withheld").inc()
        log.info("mail.withheld")

    async def _settle(self, claim: MailClaim, posted: Posted, told: list[Message]) -> None:
        now = self._clock.now()
        code = posted.error_code or "failed"
        MAILS.labels(posted.outcome.name.lower()).inc()
        self._unreached = self._unreached + 1 if posted.outcome is Outcome.NO_SERVER else 0
        match posted.outcome:
            case Outcome.SENT:
                await self._queue.sent(claim, told, now)
                log.info("mail.sent", kind=claim.kind.value)
                return
            case Outcome.NO_SUCH_MAILBOX:
                await self._queue.bounced(claim, code, now)
                state = MailState.DEAD
            case Outcome.REFUSED:
                state = await self._queue.given_up(claim, code, now)
            case Outcome.LATER:
                state = await self._queue.failed(claim, code, now)
            case Outcome.NO_SERVER:
                self._paused_until = now + min(SERVER_PAUSE * (1 << min(self._unreached - 1, 16)), SERVER_PAUSE_MAX)
                state = await self._queue.release(claim, self._paused_until, now)
        if state is MailState.DEAD:
            DEAD_MAILS.inc()
            log.warning("mail.given_up", error_code=code)
        else:
            log.info("mail.failed", error_code=code)

    async def _give_back(self, claim: MailClaim, pause: timedelta) -> None:
        """If even this fails the lease ends by itself."""
        try:
            now = self._clock.now()
            await self._queue.release(claim, now + pause, now)
        except UNREACHABLE:
            log.warning("mail.unreachable_database", exc_info=True)
