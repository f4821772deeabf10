"""Mail in a running process: off unless a mail server is named."""

from pathlib import Path

from api.ground import Ground
from application.messages import MaySend
from domain.clock import Clock
from infrastructure.mail_queue import MailQueue
from infrastructure.mail_worker import MailWorker
from infrastructure.mailbox_seal import MailboxBox
from infrastructure.mailboxes import PostgresMailboxes
from infrastructure.settings import Settings
from infrastructure.smtp import MailServer, Security, Smtp


def mailboxes(ground: Ground) -> PostgresMailboxes:
    can_send = ground.settings.smtp_host is not None
    return PostgresMailboxes(ground.pool, MailboxBox(ground.key_file), ground.calendars.of, can_send=can_send)


def mail_worker(ground: Ground, may_send: MaySend, clock: Clock) -> MailWorker | None:
    """None: no mail leaves from here. Raises OSError for a password that cannot be read."""
    server = mail_server(ground.settings)
    if server is None:
        return None
    queue = MailQueue(ground.pool, MailboxBox(ground.key_file), ground.calendars.of)
    return MailWorker(queue, Smtp(server), may_send, clock, ground.settings.address)


def mail_server(settings: Settings) -> MailServer | None:
    if settings.smtp_host is None:
        return None
    assert settings.mail_from is not None, "checked by the settings"
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=Security(settings.smtp_security),
        user=settings.smtp_user,
        password=_secret_in(settings.smtp_password_file),
        ca_file=settings.smtp_ca_file,
        sender=settings.mail_from,
    )


def _secret_in(file: Path | None) -> str | None:
    return None if file is None else file.read_text("utf-8").strip()
