"""One mail to one mailbox: its form after the RFCs of Internet mail, and one attempt to leave it with the server."""

import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, parseaddr
from enum import Enum, auto
from pathlib import Path
from uuid import UUID

import aiosmtplib
import msgspec

from application.mail_text import Letter, as_html, as_text

TIMEOUT_SECONDS = 20.0
"""Of each step of the conversation."""
PERMANENT = 500
LINE_MAX = 998
"""Of a header: an address in one must not be cut (RFC 5322 allows as much). Bodies are cut at 76 anyway."""


class Security(Enum):
    """How the way to the server is closed to others."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int | None = None
    """By default 587 with STARTTLS, 465 with TLS, 25 without."""
    security: Security = Security.STARTTLS
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    """Whom to believe, beside nobody; unset, whom the system believes."""
    sender: str

    def __repr__(self) -> str:
        return "MailServer()"


class Outcome(Enum):
    SENT = auto()
    NO_SUCH_MAILBOX = auto()  # The server said so for good.
    REFUSED = auto()  # This mail, for good.
    LATER = auto()
    NO_SERVER = auto()  # Not reached, or it does not take mail from us at all: no fault of the mailbox.


class Posted(msgspec.Struct, frozen=True):
    """How one attempt ended."""

    outcome: Outcome
    error_code: str | None = None
    """Short; the server's number where it gave one, never its words: they repeat the address."""


def compose(letter: Letter, *, mail_id: UUID, sender: str, to: str, at: datetime, unsubscribe: str | None) -> bytes:
    """The bytes of the mail. Its Message-ID is the same each time it is sent, so that a repeat is recognised."""
    message = EmailMessage(policy=WIRE)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{mail_id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if unsubscribe is not None:  # In one click, RFC 8058.
        message["List-Unsubscribe"] = f"<{unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(as_text(letter), cte="quoted-printable")
    message.add_alternative(as_html(letter), subtype="html", cte="quoted-printable")
    message["Content-Language"] = letter.language.value
    message.set_boundary(f"=_{mail_id.hex}")
    return message.as_bytes(policy=WIRE.clone(max_line_length=LINE_MAX))


class Smtp:
    """Leaves mails with one server, a connection each."""

    def __init__(self, server: MailServer, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.sender = server.sender
        self._server = server
        self._timeout_seconds = timeout_seconds
        self._tls = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)

    async def post(self, to: str, mail: bytes) -> Posted:
        """Never raises for what the server does."""
        client = self._client()
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            return Posted(Outcome.NO_SERVER, _code(error))
        try:
            await client.sendmail(parseaddr(self.sender)[1], [to], mail)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return _why(error)
        else:
            return Posted(Outcome.SENT)
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            timeout=self._timeout_seconds,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            tls_context=None if server.security is Security.NONE else self._tls,
            local_hostname=_domain(server.sender),
        )


def _why(error: Exception) -> Posted:
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused, *_]):
            final = refused.code >= PERMANENT
            return Posted(Outcome.NO_SUCH_MAILBOX if final else Outcome.LATER, f"recipient_{refused.code}")
        case aiosmtplib.SMTPDataError(code=code):
            return Posted(Outcome.REFUSED if code >= PERMANENT else Outcome.LATER, f"mail_{code}")
        case aiosmtplib.SMTPSenderRefused(code=code) | aiosmtplib.SMTPHeloError(code=code):
            return Posted(Outcome.NO_SERVER, f"sender_{code}")
        case _:
            return Posted(Outcome.LATER, _code(error))


def _code(error: Exception) -> str:
    match error:
        case aiosmtplib.SMTPAuthenticationError(code=code):
            return f"authentication_{code}"
        case aiosmtplib.SMTPResponseException(code=code) if code > 0:
            return f"server_{code}"
        case aiosmtplib.SMTPResponseException():
            return "not_smtp"
        case TimeoutError():
            return "timeout"
        case _ if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return "certificate"
        case aiosmtplib.SMTPServerDisconnected():
            return "connection_lost"
        case OSError():
            return "connect_failed"
        case _:
            return "failed"


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]
