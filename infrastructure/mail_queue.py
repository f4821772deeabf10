"""Mails in the database: made of what waits for a mailbox, taken with a lease, settled once, retried, given up."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from application.mail import MailboxDisabled, MailKind, MailState, Preferences
from application.mail_content import choose, choose_urgent
from application.messages import Message
from domain.ids import uuid7
from domain.quiet_hours import may_write, next_digest, not_before
from infrastructure.database import Database, Pool, Record
from infrastructure.mailbox_seal import Kept, MailboxBox
from infrastructure.mailboxes import PREFERENCES, CalendarOf, disable_mailbox, preferences_in

RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 4 * 60, 12 * 60, 24 * 60, 24 * 60))
"""Waits between attempts: nine in about two days and a half."""
JITTER = 0.2  # A wait is lengthened by up to a fifth: mailboxes that failed together do not come back together.
URGENT_APART = timedelta(minutes=1)
"""Between two urgent mails to one mailbox: what comes in between goes together."""
TAKEN_MAX = 5_000
"""Messages that one mail is made of; more wait for the next."""

# Without those whose last urgent mail waits still: nothing is made for them, and others must have their turn.
DUE = f"""
SELECT b.territory, b.mailbox_id, {", ".join(f"b.{name}" for name in PREFERENCES)}, b.next_digest_at <= $1 AS is_digest,
       b.urgent_after <= $1 AS is_urgent
FROM mailboxes AS b
WHERE b.status = 'active' AND (b.next_digest_at <= $1 OR b.urgent_after <= $1)
  AND (b.territory, b.mailbox_id) IN (
      SELECT d.territory, d.mailbox_id FROM mailboxes AS d WHERE d.status = 'active' AND d.next_digest_at <= $1
      UNION
      SELECT i.territory, i.mailbox_id FROM mail_items AS i
      WHERE i.state = 'waiting' AND i.at_once AND NOT EXISTS (
          SELECT FROM mails AS m WHERE m.territory = i.territory AND m.mailbox_id = i.mailbox_id AND m.kind = 'urgent'
            AND m.state IN ('pending', 'sending')))
ORDER BY b.territory, b.mailbox_id LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED"""

MESSAGE = """o.territory, o.message_id, o.agency, o.type, o.subject_id, o.pathway, o.position, o.created_at,
o.severity, o.urgent, o.audience, o.level"""

WAITING = f"""
SELECT {MESSAGE} FROM mail_items AS i JOIN outbox AS o USING (territory, message_id)
WHERE i.territory = $1 AND i.mailbox_id = $2 AND i.state = 'waiting' AND (i.at_once OR NOT $3)
ORDER BY o.position, o.message_id LIMIT {TAKEN_MAX}"""

UNSENT = """
SELECT true FROM mails
WHERE territory = $1 AND mailbox_id = $2 AND kind = $3 AND state IN ('pending', 'sending')"""

MAKE = """
INSERT INTO mails (territory, mail_id, mailbox_id, kind, held_back, due_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)"""

TAKE = """
UPDATE mail_items SET state = 'taken', mail_id = $3
WHERE territory = $1 AND mailbox_id = $2 AND message_id = ANY ($4) AND state = 'waiting'"""

LEAVE_OUT = """
UPDATE mail_items SET state = 'passed'
WHERE territory = $1 AND mailbox_id = $2 AND message_id = ANY ($3) AND state = 'waiting'"""

NOT_AT_ONCE = """
UPDATE mail_items SET at_once = false
WHERE territory = $1 AND mailbox_id = $2 AND message_id = ANY ($3) AND state = 'waiting'"""

PLANNED = """
UPDATE mailboxes
SET next_digest_at = coalesce($3, next_digest_at), urgent_after = coalesce($4, urgent_after)
WHERE territory = $1 AND mailbox_id = $2"""

CLAIM = f"""
SELECT c.*, b.agency, b.sealed, b.code_number, b.status, {", ".join(f"b.{name}" for name in PREFERENCES)}
FROM claim_mails($1, $2, $3) AS c JOIN mailboxes AS b USING (territory, mailbox_id)"""

MESSAGES = f"""
SELECT {MESSAGE} FROM mail_items AS i JOIN outbox AS o USING (territory, message_id)
WHERE i.territory = $1 AND i.mail_id = $2 AND i.state = 'taken' ORDER BY o.position, o.message_id"""

SETTLE = """
UPDATE mails SET state = $4, due_at = coalesce($5, due_at), lease_until = NULL, last_error_code = $6, settled_at = $7
WHERE territory = $1 AND mail_id = $2 AND fence = $3 AND state = 'sending' RETURNING true"""

SETTLE_ITEMS = """
UPDATE mail_items
SET state = CASE WHEN message_id = ANY ($3) THEN 'told' ELSE 'withheld' END, told_at = $4
WHERE territory = $1 AND mail_id = $2 AND state = 'taken'"""

RELEASE = """
UPDATE mails SET state = 'pending', lease_until = NULL, attempt = attempt - 1, due_at = $4
WHERE territory = $1 AND mail_id = $2 AND fence = $3 AND state = 'sending'"""

FORGET_MAILS = """
WITH old AS (
    SELECT m.territory, m.mail_id FROM mails AS m WHERE m.settled_at < $1 ORDER BY m.settled_at LIMIT $2
), items AS (
    DELETE FROM mail_items AS i USING old WHERE i.territory = old.territory AND i.mail_id = old.mail_id
)
DELETE FROM mails AS m USING old WHERE m.territory = old.territory AND m.mail_id = old.mail_id"""

FORGET_MAILBOXES = "DELETE FROM mailboxes WHERE status IN ('forgotten', 'unconfirmed') AND created_at < $1"

DISABLED_NOTICE = """
INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, created_at, audience)
VALUES ($1, $2, $3, 'unisson.mailbox.disabled.v1', $4, 0, $5, 'lead')"""


class MailClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that is ours to send until the lease ends."""

    territory: str
    mail_id: UUID
    mailbox_id: UUID
    agency: str
    kind: MailKind
    held_back: int
    fence: int
    attempt: int
    """1 for the first."""
    created_at: datetime
    preferences: Preferences
    sealed: bytes | None
    """Address and secret; None: nothing may go there any more."""
    code_number: int

    @property
    def key(self) -> tuple[str, UUID, int]:
        return self.territory, self.mail_id, self.fence


class MailRetries(msgspec.Struct, frozen=True, kw_only=True):
    waits: Sequence[timedelta] = RETRY_AFTER
    lifetime: timedelta = timedelta(days=3)
    """How long a mail waits for a server that cannot be reached."""
    jitter: Callable[[], float] = random.random

    def next_attempt(self, attempt: int, now: datetime) -> datetime | None:
        """None when this was the last."""
        if attempt > len(self.waits):
            return None
        wait: timedelta = self.waits[attempt - 1] * (1 + JITTER * self.jitter())
        return now + wait


class MailQueue:
    """Shared by any number of workers. A worker that dies loses nothing: its leases end and others take over."""

    def __init__(
        self, pool: Pool, box: MailboxBox, calendar_of: CalendarOf, retries: MailRetries | None = None
    ) -> None:
        self._pool = pool
        self._box = box
        self._calendar_of = calendar_of
        self._retries = retries or MailRetries()

    async def plan(self, now: datetime, *, most: int) -> int:
        """Make the mails that are due of what waits; returns how many.

        A mailbox has one unsent mail of a kind at most: while a server is away, what comes waits for the next one.
        """
        async with self._pool.acquire() as db, db.transaction():
            made = [await self._plan(db, row, now) for row in await db.fetch(DUE, now, most)]
        return sum(made)

    async def claim(self, now: datetime, *, most: int, lease: timedelta) -> list[MailClaim]:
        return [_claim(row) for row in await self._pool.fetch(CLAIM, now, most, lease)]

    def opened(self, claim: MailClaim) -> Kept | None:
        """Raises KeyUnwrapFailed for an altered or displaced row, KeyFileUnusable for a key that is not there."""
        return None if claim.sealed is None else self._box.open(claim.sealed, claim.territory, claim.mailbox_id)

    async def messages(self, claim: MailClaim) -> list[Message]:
        """What the mail is made of, in the order of the log; without what was erased since."""
        return [_message(row) for row in await self._pool.fetch(MESSAGES, claim.territory, claim.mail_id)]

    async def sent(self, claim: MailClaim, told: Sequence[Message], now: datetime) -> bool:
        """False when somebody else holds it by now: it may have left twice, under one Message-ID."""
        async with self._pool.acquire() as db, db.transaction():
            if not await _settle(db, claim, MailState.SENT, None, now):
                return False
            await db.execute(
                SETTLE_ITEMS, claim.territory, claim.mail_id, [message.message_id for message in told], now
            )
            return True

    async def withheld(self, claim: MailClaim, now: datetime) -> None:
        """Nothing is left that the agency is entitled to."""
        async with self._pool.acquire() as db, db.transaction():
            if await _settle(db, claim, MailState.WITHHELD, None, now):
                await db.execute(SETTLE_ITEMS, claim.territory, claim.mail_id, [], now)

    async def failed(self, claim: MailClaim, error_code: str, now: datetime) -> MailState:
        """Due again later, or given up after the last attempt."""
        due = self._retries.next_attempt(claim.attempt, now)
        if due is None:
            return await self.given_up(claim, error_code, now)
        if claim.kind is MailKind.DIGEST:
            due = not_before(claim.preferences.hours, self._calendar_of(claim.territory), due)
        await self._pool.fetchval(SETTLE, *claim.key, MailState.PENDING, due, error_code, None)
        return MailState.PENDING

    async def given_up(self, claim: MailClaim, error_code: str, now: datetime) -> MailState:
        """Its messages stay with it, to be sent again on request."""
        await self._pool.fetchval(SETTLE, *claim.key, MailState.DEAD, None, error_code, now)
        return MailState.DEAD

    async def bounced(self, claim: MailClaim, error_code: str, now: datetime) -> None:
        """There is no such mailbox: nothing more goes there, and the agency is told by every other way it has."""
        async with self._pool.acquire() as db, db.transaction():
            if not await _settle(db, claim, MailState.DEAD, error_code, now):
                return
            if await disable_mailbox(db, claim.territory, claim.mailbox_id, MailboxDisabled.BOUNCED, now):
                await db.execute(DISABLED_NOTICE, claim.territory, uuid7(), claim.agency, claim.mailbox_id, now)

    async def release(self, claim: MailClaim, due: datetime, now: datetime) -> MailState:
        """Give it back: no fault of the mailbox, the attempt does not count. Given up once it has waited too long."""
        if now - claim.created_at >= self._retries.lifetime:
            return await self.given_up(claim, "server_unreachable", now)
        await self._pool.execute(RELEASE, *claim.key, due)
        return MailState.PENDING

    async def forget(self, before: datetime, *, most: int = 1000) -> int:
        """Drop mails settled before a time, and mailboxes of before it that were forgotten or never confirmed."""
        await self._pool.execute(FORGET_MAILBOXES, before)
        return int((await self._pool.execute(FORGET_MAILS, before, most)).rpartition(" ")[2])

    async def _plan(self, db: Database, row: Record, now: datetime) -> int:
        preferences = preferences_in(row)
        calendar = self._calendar_of(row["territory"])
        made = urgent = await self._make_urgent(db, row, now) if row["is_urgent"] else 0
        digest_at = None
        if row["is_digest"] and may_write(preferences.hours, calendar, now):
            made += await self._make_digest(db, row, preferences, now)
            digest_at = next_digest(preferences.hours, calendar, now)
        elif row["is_digest"]:  # Its hour passed unseen; now people sleep.
            digest_at = not_before(preferences.hours, calendar, now)
        urgent_after = now + URGENT_APART if urgent else None
        await db.execute(PLANNED, row["territory"], row["mailbox_id"], digest_at, urgent_after)
        return made

    async def _make_urgent(self, db: Database, row: Record, now: datetime) -> int:
        taken, later = choose_urgent(await _waiting(db, row, MailKind.URGENT))
        await db.execute(NOT_AT_ONCE, row["territory"], row["mailbox_id"], later)
        return await _make(db, row, MailKind.URGENT, taken, 0, now)

    async def _make_digest(self, db: Database, row: Record, preferences: Preferences, now: datetime) -> int:
        choice = choose(await _waiting(db, row, MailKind.DIGEST), preferences.daily_max)
        await db.execute(LEAVE_OUT, row["territory"], row["mailbox_id"], choice.passed)
        return await _make(db, row, MailKind.DIGEST, choice.taken, choice.held_back, now)


async def _waiting(db: Database, row: Record, kind: MailKind) -> list[Message]:
    """Nothing while another mail of the kind is unsent."""
    place = row["territory"], row["mailbox_id"]
    if await db.fetchval(UNSENT, *place, kind):
        return []
    return [_message(each) for each in await db.fetch(WAITING, *place, kind is MailKind.URGENT)]


async def _make(
    db: Database, row: Record, kind: MailKind, messages: Sequence[UUID], held_back: int, now: datetime
) -> int:
    if not messages:
        return 0
    mail_id, place = uuid7(), (row["territory"], row["mailbox_id"])
    await db.execute(MAKE, row["territory"], mail_id, row["mailbox_id"], kind, held_back, now)
    await db.execute(TAKE, *place, mail_id, list(messages))
    return 1


async def _settle(db: Database, claim: MailClaim, state: MailState, error_code: str | None, now: datetime) -> bool:
    return bool(await db.fetchval(SETTLE, *claim.key, state, None, error_code, now))


def _claim(row: Record) -> MailClaim:
    may_go = row["status"] == "active" or row["kind"] == MailKind.CODE
    names = ("territory", "mail_id", "mailbox_id", "agency", "held_back", "fence", "attempt", "created_at")
    return MailClaim(
        **{name: row[name] for name in names},
        kind=MailKind(row["kind"]),
        preferences=preferences_in(row),
        sealed=row["sealed"] if may_go else None,
        code_number=row["code_number"],
    )


def _message(row: Record) -> Message:
    return msgspec.convert(dict(row), Message)
