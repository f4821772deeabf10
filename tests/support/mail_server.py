"""A real SMTP server in the test's own loop: keeps what it is left with, and refuses or hangs when told to."""

import asyncio
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"


class MailServer:
    """`answers`: what RCPT is answered in turn, then 250 for good; None hangs."""

    def __init__(
        self,
        *answers: str | None,
        data: str = "250 OK",
        answer_seconds: float = 0,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.to: list[str] = []
        self.asked = asyncio.Event()
        self.answers = list(answers)
        self.data = data
        self.answer_seconds = answer_seconds
        self.hang_after_data = 0
        """Mails that are kept, and never answered."""
        self.port = 0
        self._starttls, self._tls, self._login = starttls, tls, login
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """On the port it had before, if it had one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, HOST, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.example",
            loop=asyncio.get_running_loop(),
            tls_context=self._starttls,
            require_starttls=self._starttls is not None,
            authenticator=self._authenticate,
            auth_required=self._login is not None,
            auth_require_tls=self._tls is None,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _way: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=(given.login.decode(), given.password.decode()) == self._login, handled=False)

    async def handle_RCPT(  # noqa: N802 (the library's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.asked.set()
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer is None:
            await asyncio.sleep(60)
        elif answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer or ""

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.answer_seconds)
        if self.data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=default)
            self.mails.append(mail)
            self.raw.append(envelope.content)
            self.to += envelope.rcpt_tos
        if self.hang_after_data:
            self.hang_after_data -= 1
            await asyncio.sleep(60)
        await asyncio.sleep(self.answer_seconds)
        return self.data


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())
