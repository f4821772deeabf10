"""Agencies' mailboxes in the database (the port `application.mail.Mailboxes`). Addresses are stored sealed."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from application.mail import (
    CODE_TRIES_MAX,
    CODES_MAX,
    MAILBOXES_MAX,
    Mailbox,
    MailboxDisabled,
    MailboxExists,
    MailboxStatus,
    MailKind,
    MailLine,
    MailNotSetUp,
    Preferences,
    TooManyCodes,
    TooManyMailboxes,
    UnknownLink,
    UnknownMail,
    UnknownMailbox,
    WrongCode,
)
from application.messages import OUTBOX_CHANNEL
from domain.ids import uuid7
from domain.quiet_hours import WritingHours, next_digest
from domain.rules.calendars import Calendar
from infrastructure.database import Database, Pool, Record
from infrastructure.mailbox_seal import Kept, MailboxBox, mailbox_named

CODE_GOOD_FOR = timedelta(hours=24)
REGISTERED_A_DAY_MAX = 2 * MAILBOXES_MAX  # Forgotten ones too: no address is written to over and over.
CODES_A_DAY_MAX = 2 * MAILBOXES_MAX  # Nor by asking for codes: whose address it is nobody knows yet.

HOURS = tuple(WritingHours.__struct_fields__)
PREFERENCES = ("audience", "language", "immediate", "daily_max", *HOURS)
COLUMNS = f"""territory, mailbox_id, agency, sealed, status, disabled_reason, confirmed_at, created_at,
{", ".join(PREFERENCES)}"""

INSERT = f"""
INSERT INTO mailboxes (territory, mailbox_id, agency, sealed, created_at, {", ".join(PREFERENCES)})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING {COLUMNS}"""

HELD = """
SELECT mailbox_id, sealed, audience FROM mailboxes
WHERE territory = $1 AND agency = $2 AND sealed IS NOT NULL ORDER BY mailbox_id"""

REGISTERED_TODAY = "SELECT count(*) FROM mailboxes WHERE territory = $1 AND agency = $2 AND created_at > $3"

ONE = f"""
SELECT {COLUMNS} FROM mailboxes
WHERE territory = $1 AND agency = $2 AND mailbox_id = $3 AND status <> 'forgotten'"""

ALL = f"""
SELECT {COLUMNS} FROM mailboxes WHERE territory = $1 AND agency = $2 AND status <> 'forgotten' ORDER BY mailbox_id"""

PREFER = """
UPDATE mailboxes
SET audience = $4, language = $5, immediate = $6, daily_max = $7, digest_hour = $8, quiet_from = $9, quiet_until = $10,
    days = $11, next_digest_at = CASE WHEN status = 'active' THEN $12::timestamptz END
WHERE territory = $1 AND agency = $2 AND mailbox_id = $3 AND status <> 'forgotten'"""

NEW_CODE = """
UPDATE mailboxes SET code_number = code_number + 1, codes_sent = codes_sent + 1, code_until = $3, code_tries = 0
WHERE territory = $1 AND mailbox_id = $2 AND codes_sent < $4 RETURNING true"""

CODES_TODAY = """
SELECT count(*) FROM mails AS m JOIN mailboxes AS b USING (territory, mailbox_id)
WHERE b.territory = $1 AND b.agency = $2 AND m.kind = 'code' AND m.created_at > $3"""

PUT_CODE_MAIL = """
INSERT INTO mails (territory, mail_id, mailbox_id, kind, due_at, created_at) VALUES ($1, $2, $3, $4, $5, $5)"""

DROP_CODE_MAILS = """
DELETE FROM mails WHERE territory = $1 AND mailbox_id = $2 AND kind = 'code' AND state = 'pending'"""

TRY_CODE = """
UPDATE mailboxes SET code_tries = code_tries + 1
WHERE territory = $1 AND agency = $2 AND mailbox_id = $3 AND code_until > $4 AND code_tries < $5
RETURNING sealed, code_number"""

CONFIRM = """
UPDATE mailboxes
SET status = 'active', disabled_reason = NULL, confirmed_at = $3, next_digest_at = $4, code_until = NULL, codes_sent = 0
WHERE territory = $1 AND mailbox_id = $2 AND status <> 'forgotten'"""

DISABLE = """
UPDATE mailboxes SET status = 'disabled', disabled_reason = $3, next_digest_at = NULL
WHERE territory = $1 AND mailbox_id = $2 AND status IN ('active', 'unconfirmed')"""

LET_GO_ITEMS = """
UPDATE mail_items SET state = 'passed' WHERE territory = $1 AND mailbox_id = $2 AND state = 'waiting'"""

LET_GO_MAILS = """
UPDATE mails SET state = 'dead', lease_until = NULL, last_error_code = 'mailbox_disabled', settled_at = $3
WHERE territory = $1 AND mailbox_id = $2 AND state = 'pending'"""

FORGET = """
UPDATE mailboxes SET status = 'forgotten', disabled_reason = NULL, sealed = NULL, next_digest_at = NULL
WHERE territory = $1 AND mailbox_id = $2"""

MAILS = """
SELECT m.mail_id, m.kind, m.state, m.attempt AS attempts, m.last_error_code, m.created_at, m.settled_at,
       CASE WHEN m.state = 'pending' THEN m.due_at END AS due_at,
       ARRAY(SELECT i.message_id FROM mail_items AS i WHERE i.territory = m.territory AND i.mail_id = m.mail_id
             ORDER BY i.message_id) AS messages
FROM mails AS m WHERE m.territory = $1 AND m.mailbox_id = $2 ORDER BY m.created_at DESC, m.mail_id DESC LIMIT $3"""

SEND_AGAIN = """
UPDATE mails SET state = 'pending', attempt = 0, due_at = $4, lease_until = NULL, settled_at = NULL
WHERE territory = $1 AND mailbox_id = $2 AND mail_id = $3 AND state = 'dead' AND kind <> 'code'"""

ON_ITS_WAY = """
SELECT true FROM mails WHERE territory = $1 AND mailbox_id = $2 AND mail_id = $3 AND state IN ('pending', 'sending')"""

BY_LINK = "SELECT territory, sealed FROM mailboxes WHERE mailbox_id = $1 AND sealed IS NOT NULL"

WAKE = f"SELECT pg_notify('{OUTBOX_CHANNEL}', '')"

CalendarOf = Callable[[str], Calendar]


class PostgresMailboxes:
    """`can_send`: whether a mail server is named. Without one, no address is taken that could not be confirmed."""

    def __init__(self, pool: Pool, box: MailboxBox, calendar_of: CalendarOf, *, can_send: bool) -> None:
        self._pool = pool
        self._box = box
        self._calendar_of = calendar_of
        self._can_send = can_send

    async def register(
        self, territory: str, agency: str, address: str, preferences: Preferences, now: datetime
    ) -> Mailbox:
        preferences.hours.check()
        if not self._can_send:
            raise MailNotSetUp
        mailbox_id, kept = uuid7(), Kept.new(address)
        async with self._pool.acquire() as db, db.transaction():
            await _lock(db, territory, agency)
            await self._must_be_new(db, territory, agency, address, preferences, now)
            sealed = self._box.seal(kept, territory, mailbox_id)
            row = await db.fetchrow(INSERT, territory, mailbox_id, agency, sealed, now, *_values(preferences))
            await self._put_code(db, territory, agency, mailbox_id, now)
        return self._mailbox(row)

    async def mailboxes(self, territory: str, agency: str) -> list[Mailbox]:
        return [self._mailbox(row) for row in await self._pool.fetch(ALL, territory, agency)]

    async def mailbox(self, territory: str, agency: str, mailbox_id: UUID) -> Mailbox:
        return await self._one(self._pool, territory, agency, mailbox_id)

    async def prefer(
        self, territory: str, agency: str, mailbox_id: UUID, preferences: Preferences, now: datetime
    ) -> Mailbox:
        preferences.hours.check()
        digest_at = next_digest(preferences.hours, self._calendar_of(territory), now)
        await self._pool.execute(PREFER, territory, agency, mailbox_id, *_values(preferences), digest_at)
        return await self._one(self._pool, territory, agency, mailbox_id)

    async def send_code(self, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> Mailbox:
        if not self._can_send:
            raise MailNotSetUp
        async with self._pool.acquire() as db, db.transaction():
            await _lock(db, territory, agency)
            mailbox = await self._one(db, territory, agency, mailbox_id)
            await self._put_code(db, territory, agency, mailbox_id, now)
        return mailbox

    async def confirm(self, territory: str, agency: str, mailbox_id: UUID, code: str, now: datetime) -> Mailbox:
        mailbox = await self._one(self._pool, territory, agency, mailbox_id)
        tried = await self._pool.fetchrow(TRY_CODE, territory, agency, mailbox_id, now, CODE_TRIES_MAX)
        if tried is None:
            raise WrongCode
        expected = self._box.open(tried["sealed"], territory, mailbox_id).code(tried["code_number"])
        if not hmac.compare_digest(expected.encode(), code.encode()):
            raise WrongCode
        digest_at = next_digest(mailbox.preferences.hours, self._calendar_of(territory), now)
        await self._pool.execute(CONFIRM, territory, mailbox_id, now, digest_at)
        return await self._one(self._pool, territory, agency, mailbox_id)

    async def disable(self, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> Mailbox:
        async with self._pool.acquire() as db, db.transaction():
            await self._one(db, territory, agency, mailbox_id)
            await disable_mailbox(db, territory, mailbox_id, MailboxDisabled.ASKED, now)
            return await self._one(db, territory, agency, mailbox_id)

    async def forget(self, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> None:
        async with self._pool.acquire() as db, db.transaction():
            await self._one(db, territory, agency, mailbox_id)
            await _let_go(db, territory, mailbox_id, now)
            await db.execute(FORGET, territory, mailbox_id)

    async def mails(self, territory: str, agency: str, mailbox_id: UUID, *, limit: int) -> list[MailLine]:
        await self._one(self._pool, territory, agency, mailbox_id)
        rows = await self._pool.fetch(MAILS, territory, mailbox_id, limit)
        return [msgspec.convert(dict(row), MailLine) for row in rows]

    async def send_again(self, territory: str, agency: str, mailbox_id: UUID, mail_id: UUID, now: datetime) -> None:
        mailbox = await self._one(self._pool, territory, agency, mailbox_id)
        if mailbox.status is MailboxStatus.ACTIVE:
            done = await self._pool.execute(SEND_AGAIN, territory, mailbox_id, mail_id, now)
            if done == "UPDATE 1":
                await self._pool.execute(WAKE)
                return
        if not await self._pool.fetchval(ON_ITS_WAY, territory, mailbox_id, mail_id):
            raise UnknownMail

    async def unsubscribe(self, token: str, now: datetime) -> None:
        mailbox_id = mailbox_named(token)
        row = await self._pool.fetchrow(BY_LINK, mailbox_id) if mailbox_id is not None else None
        if mailbox_id is None or row is None:
            raise UnknownLink
        kept = self._box.open(row["sealed"], row["territory"], mailbox_id)
        if not hmac.compare_digest(kept.unsubscribe_token(mailbox_id).encode(), token.encode()):
            raise UnknownLink
        async with self._pool.acquire() as db, db.transaction():
            await disable_mailbox(db, row["territory"], mailbox_id, MailboxDisabled.UNSUBSCRIBED, now)

    async def _must_be_new(
        self, db: Database, territory: str, agency: str, address: str, preferences: Preferences, now: datetime
    ) -> None:
        held = await db.fetch(HELD, territory, agency)
        today = await db.fetchval(REGISTERED_TODAY, territory, agency, now - timedelta(days=1))
        if len(held) >= MAILBOXES_MAX or today >= REGISTERED_A_DAY_MAX:
            raise TooManyMailboxes
        for mailbox_id, sealed, audience in held:
            there = self._box.open(sealed, territory, mailbox_id).address
            if (there.lower(), audience) == (address.lower(), preferences.audience):
                raise MailboxExists

    async def _put_code(self, db: Database, territory: str, agency: str, mailbox_id: UUID, now: datetime) -> None:
        """The code itself is worked out when it leaves."""
        if await db.fetchval(CODES_TODAY, territory, agency, now - timedelta(days=1)) >= CODES_A_DAY_MAX:
            raise TooManyCodes
        if not await db.fetchval(NEW_CODE, territory, mailbox_id, now + CODE_GOOD_FOR, CODES_MAX):
            raise TooManyCodes
        await db.execute(DROP_CODE_MAILS, territory, mailbox_id)
        await db.execute(PUT_CODE_MAIL, territory, uuid7(), mailbox_id, MailKind.CODE, now)
        await db.execute(WAKE)

    async def _one(self, db: "Database | Pool", territory: str, agency: str, mailbox_id: UUID) -> Mailbox:
        row = await db.fetchrow(ONE, territory, agency, mailbox_id)
        if row is None:
            raise UnknownMailbox
        return self._mailbox(row)

    def _mailbox(self, row: Record | None) -> Mailbox:
        assert row is not None
        columns: dict[str, Any] = dict(row)
        columns["address"] = self._box.open(row["sealed"], row["territory"], row["mailbox_id"]).address
        columns["preferences"] = preferences_in(row)
        return msgspec.convert(columns, Mailbox)


async def _lock(db: Database, territory: str, agency: str) -> None:
    """Until the transaction ends: two at once would each find room for one more."""
    await db.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"mailboxes {territory} {agency}")


async def disable_mailbox(
    db: Database, territory: str, mailbox_id: UUID, reason: MailboxDisabled, now: datetime
) -> bool:
    """Nothing more goes there, and what waited is let go. False when it was disabled already: it keeps its reason."""
    if await db.execute(DISABLE, territory, mailbox_id, reason) == "UPDATE 0":
        return False
    await _let_go(db, territory, mailbox_id, now)
    return True


def preferences_in(row: Record) -> Preferences:
    hours = msgspec.convert({name: row[name] for name in HOURS}, WritingHours)
    others = {name: row[name] for name in PREFERENCES if name not in HOURS}
    return msgspec.convert({**others, "hours": hours}, Preferences)


async def _let_go(db: Database, territory: str, mailbox_id: UUID, now: datetime) -> None:
    await db.execute(LET_GO_ITEMS, territory, mailbox_id)
    await db.execute(LET_GO_MAILS, territory, mailbox_id, now)


def _values(preferences: Preferences) -> tuple[Any, ...]:
    hours = tuple(getattr(preferences.hours, name) for name in HOURS)
    return (preferences.audience, preferences.language, preferences.immediate, preferences.daily_max, *hours)
