"""The worker that writes mails, killed again and again in the midst of them: nobody's mail is lost.

    python -m tests.campaigns.mail_kills [--mailboxes 400] [--kills 20]

Real processes, killed with SIGKILL while a real mail server keeps some of them waiting for its answers. Prints how many
mailboxes were to be written to, how many never were, how many mails came twice, and how many of those could not be
recognised by their Message-ID.
"""

import argparse
import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from random import Random

import asyncpg
import msgspec

from application.mail import Preferences
from domain.clock import SettableClock
from infrastructure.database import Pool, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.logs import configure_logs
from infrastructure.mail_worker import LEASE
from infrastructure.migrate import migrate
from tests.support.eventually import PATIENCE_SECONDS
from tests.support.mail_server import MailServer
from tests.support.mailing import TERRITORY, Rig
from tests.support.passing_folder import passing_folder

ANSWER_SECONDS = 0.02
ALL_SENT = "SELECT bool_and(state = 'sent') AND count(*) = (SELECT count(*) FROM mail_items) FROM mails"


class Figures(msgspec.Struct, kw_only=True):
    mailboxes: int
    kills: int
    never: int
    twice: int
    """As at least once allows."""
    unrecognised: int
    """Two mails to one mailbox that do not say that they are the same."""

    @property
    def sound(self) -> bool:
        return bool(self.mailboxes) and not (self.never or self.unrecognised)


async def campaign(pool: Pool, url: str, *, mailboxes: int, kills: int, seed: int = 0) -> Figures:
    """The database is migrated, and empty."""
    random = Random(seed)  # noqa: S311 (kills, not secrets)
    async with MailServer(answer_seconds=ANSWER_SECONDS) as server:
        rig = Rig(pool, server, SettableClock(datetime.now(UTC)))
        for number in range(mailboxes):
            await active(rig, number)
            await rig.put(agency=f"agency-{number}", severity="critical")
        for kill in range(kills):
            left = mailboxes - len(server.mails)
            await killed_after(rig, url, random.randint(1, max(1, left // (kills - kill + 1))))
        rig.clock.set(datetime.now(UTC) + LEASE)
        await rig.worker().drain()
        return figures(server.mails, mailboxes, kills)


async def active(rig: Rig, number: int) -> None:
    """A mailbox of an agency of its own, confirmed without a mail: the code is worked out here."""
    agency = f"agency-{number}"
    made = await rig.mailboxes.register(
        TERRITORY, agency, f"box-{number}@x.example", Preferences(), rig.clock.now() - timedelta(minutes=1)
    )
    sealed = await rig.pool.fetchval("SELECT sealed FROM mailboxes WHERE mailbox_id = $1", made.mailbox_id)
    code = rig.box.open(sealed, TERRITORY, made.mailbox_id).code(1)
    await rig.mailboxes.confirm(TERRITORY, agency, made.mailbox_id, code, rig.clock.now())
    await rig.pool.execute("DELETE FROM mails WHERE mailbox_id = $1", made.mailbox_id)


async def killed_after(rig: Rig, url: str, mails: int) -> None:
    """A worker that left so many mails, or had none left to leave, and is killed wherever it is then."""
    command = [sys.executable, "-m", "tests.support.mailing", url, str(rig.server.port)]
    process = await asyncio.create_subprocess_exec(*command)
    enough = len(rig.server.mails) + mails
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(rig.server.mails) < enough and not await rig.pool.fetchval(ALL_SENT):
            await asyncio.sleep(0.01)
    process.kill()
    await process.wait()


def figures(mails: list[EmailMessage], mailboxes: int, kills: int) -> Figures:
    times = Counter(str(mail["To"]) for mail in mails)
    distinct = Counter(to for to, _ in {(str(mail["To"]), str(mail["Message-ID"])) for mail in mails})
    return Figures(
        mailboxes=mailboxes,
        kills=kills,
        never=mailboxes - len(times),
        twice=sum(count > 1 for count in times.values()),
        unrecognised=sum(count > 1 for count in distinct.values()),
    )


async def alone(folder: Path, mailboxes: int, kills: int) -> Figures:
    async with EmbeddedPostgres(folder) as server:
        connection = await asyncpg.connect(server.url)
        await migrate(connection)
        await connection.close()
        async with create_pool(server.url) as pool:
            return await campaign(pool, server.url, mailboxes=mailboxes, kills=kills)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mailboxes", type=int, default=400)
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    configure_logs("error")
    with passing_folder("unisson-mail-kills-") as folder:
        found = asyncio.run(alone(folder, given.mailboxes, given.kills))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(main())
