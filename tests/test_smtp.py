"""One attempt to leave a mail with a server: closed to others, under our name, and whatever the server does."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infrastructure.smtp import MailServer as Server
from infrastructure.smtp import Outcome, Posted, Security, Smtp
from tests.support.mail_server import HOST, MailServer

SENDER = "Unisson <unisson@unisson.example>"
MAIL = b"Subject: x\r\n\r\nText\r\n"
TO = "equipe@ccas.example"


class Certificate(NamedTuple):
    file: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, folder / "key.pem")
    return Certificate(file, context)


async def post(port: int, security: Security, *, seconds: float = 5.0, **chosen: object) -> Posted:
    server = Server(host=HOST, port=port, security=security, sender=SENDER, **chosen)  # type: ignore[arg-type]
    return await Smtp(server, timeout_seconds=seconds).post(TO, MAIL)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_mail_goes_by_a_closed_way_to_a_server_that_is_who_it_says(
    certificate: Certificate, security: Security
) -> None:
    starttls, tls = (certificate.context, None) if security is Security.STARTTLS else (None, certificate.context)
    async with MailServer(starttls=starttls, tls=tls) as server:
        assert await post(server.port, security, ca_file=certificate.file) == Posted(Outcome.SENT)
        assert server.to == [TO]
        stranger = await post(server.port, security)
        assert (stranger.outcome, stranger.error_code) == (Outcome.NO_SERVER, "certificate")
        assert len(server.mails) == 1


async def test_nothing_goes_in_clear_to_a_server_that_offers_no_closed_way() -> None:
    """Somebody between us may have taken the offer away."""
    async with MailServer() as server:
        assert (await post(server.port, Security.STARTTLS)).outcome is Outcome.NO_SERVER
        assert server.mails == []


async def test_a_server_asks_who_we_are(certificate: Certificate) -> None:
    async with MailServer(starttls=certificate.context, login=("unisson", "secret")) as server:
        right = await post(server.port, Security.STARTTLS, ca_file=certificate.file, user="unisson", password="secret")
        assert right == Posted(Outcome.SENT)
        wrong = await post(server.port, Security.STARTTLS, ca_file=certificate.file, user="unisson", password="other")
        assert wrong == Posted(Outcome.NO_SERVER, "authentication_535")


@pytest.mark.parametrize(
    ("answer", "posted"),
    [
        ("550 5.1.1 no such user", Posted(Outcome.NO_SUCH_MAILBOX, "recipient_550")),
        ("451 4.7.1 greylisted", Posted(Outcome.LATER, "recipient_451")),
        ("452 4.2.2 full", Posted(Outcome.LATER, "recipient_452")),
    ],
)
async def test_what_the_server_says_of_the_mailbox(answer: str, posted: Posted) -> None:
    async with MailServer(answer) as server:
        assert await post(server.port, Security.NONE) == posted


@pytest.mark.parametrize(
    ("answer", "posted"),
    [
        ("554 5.7.1 spam", Posted(Outcome.REFUSED, "mail_554")),
        ("451 4.3.0 try later", Posted(Outcome.LATER, "mail_451")),
    ],
)
async def test_what_the_server_says_of_the_mail(answer: str, posted: Posted) -> None:
    async with MailServer(data=answer) as server:
        assert await post(server.port, Security.NONE) == posted


async def test_a_server_that_does_not_answer_costs_one_timeout() -> None:
    async with MailServer(None) as server:
        assert await post(server.port, Security.NONE, seconds=0.1) == Posted(Outcome.LATER, "timeout")


async def test_a_port_where_nobody_listens() -> None:
    async with MailServer() as server:
        port = server.port
    assert await post(port, Security.NONE) == Posted(Outcome.NO_SERVER, "connect_failed")


@asynccontextmanager
async def saying(*lines: bytes, hang: bool = False) -> AsyncIterator[int]:
    """What is no mail server: says this to whoever comes, whatever they say, then hangs or closes. Its port."""
    gone = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            await writer.drain()
            await asyncio.wait({asyncio.ensure_future(reader.readline())}, timeout=0.2)
        if hang:
            await gone.wait()
        writer.close()

    server = await asyncio.start_server(say, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        gone.set()
        server.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("lines", "hang"),
    [
        ((), False),
        ((), True),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), False),
        ((b"554 no service\r\n",), False),
        ((b"220 ok\r\n", b"502 what\r\n", b"502 what\r\n"), False),
        ((b"220 ok\r\n", b"250 hello\r\n"), False),
        ((b"220 " + b"x" * 100_000,), False),
        ((b"\xff\xfe\x00",), False),
    ],
)
async def test_whatever_else_answers_is_no_server(lines: tuple[bytes, ...], *, hang: bool) -> None:
    async with saying(*lines, hang=hang) as port:
        posted = await asyncio.wait_for(post(port, Security.NONE, seconds=0.5), 5)
    assert posted.outcome in {Outcome.NO_SERVER, Outcome.LATER}
    assert posted.error_code is not None
    assert posted.error_code.replace("_", "").isalnum()


def test_a_server_never_shows_its_password() -> None:
    server = Server(host=HOST, sender=SENDER, user="unisson", password="secret")
    assert "secret" not in repr(server)
