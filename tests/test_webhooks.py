"""What goes over the wire: body, signatures, TLS; and what a partner can do to us: nothing beyond its limits."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import httpcore2
import msgspec
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from api.demo.receiver import Answer, Delivery, Receiver
from application.message_types import TEST_MESSAGE
from application.messages import Message
from domain.ids import uuid7
from infrastructure.address_filter import Address
from infrastructure.key_file import KeyFile
from infrastructure.key_wrap import KeyUnwrapFailed
from infrastructure.outgoing_http import REPLY_BYTES_MAX, OutgoingHttp
from infrastructure.webhook_secret import SecretBox, new_secret
from infrastructure.webhooks import Sender, Sent, cloud_event, signed_headers

PUBLIC_URL = "https://unisson.example/"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "territory": "FR-34",
        "message_id": uuid7(),
        "agency": "ccas-montpellier",
        "type": "unisson.alert.raised.v1",
        "subject_id": uuid7(),
        "pathway": uuid7(),
        "position": 412,
        "created_at": NOON,
    }
    return Message(**(fields | changes))


# What is said.


def test_the_body_is_a_cloud_event_of_ids_and_types_only() -> None:
    told = message()
    assert msgspec.json.decode(cloud_event(told, PUBLIC_URL)) == {
        "specversion": "1.0",
        "id": str(told.message_id),
        "source": "/territories/FR-34",
        "type": "unisson.alert.raised.v1",
        "subject": str(told.subject_id),
        "time": "2026-03-02T12:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "https://unisson.example/schemas/messages/alert.raised/1",
        "data": {"alert_id": str(told.subject_id), "pathway_id": str(told.pathway), "position": 412},
    }


def test_without_the_right_to_the_content_nothing_leads_to_the_pathway() -> None:
    body = msgspec.json.decode(cloud_event(message(pathway=None), PUBLIC_URL))
    assert body["data"].keys() == {"alert_id", "position"}


def test_a_test_message_is_about_no_alert() -> None:
    body = msgspec.json.decode(cloud_event(message(type=TEST_MESSAGE, pathway=None), PUBLIC_URL))
    assert body["data"].keys() == {"position"}
    assert body["dataschema"].endswith("/schemas/messages/webhook.test/1")


def test_the_body_parses_with_the_public_library() -> None:
    told = message()
    event = JSONFormat().read(CloudEvent, cloud_event(told, PUBLIC_URL))
    assert (event.get_id(), event.get_time()) == (str(told.message_id), NOON)


# How it is signed.


def signed(secrets: list[str], now: datetime | None = None) -> tuple[bytes, dict[str, str]]:
    told = message()
    body = cloud_event(told, PUBLIC_URL)
    return body, signed_headers(told, body, secrets, now or datetime.now(UTC))


def test_the_public_library_verifies_the_signature() -> None:
    secret = new_secret()
    body, headers = signed([secret])
    assert Webhook(secret).verify(body, headers)["type"] == "unisson.alert.raised.v1"
    assert headers["Content-Type"] == "application/cloudevents+json"


def test_during_a_rotation_either_secret_verifies_and_no_other() -> None:
    old, new = new_secret(), new_secret()
    body, headers = signed([new, old])
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)


@pytest.mark.parametrize("age", [timedelta(seconds=301), -timedelta(seconds=301)])
def test_a_message_replayed_five_minutes_off_does_not_verify(age: timedelta) -> None:
    secret = new_secret()
    body, headers = signed([secret], datetime.now(UTC) - age)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_no_bit_of_the_body_nor_of_the_id_can_change_unseen() -> None:
    secret = new_secret()
    body, headers = signed([secret])
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(changed, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers | {"webhook-id": str(uuid7())})


# How its secret is kept.


def test_a_sealed_secret_opens_in_its_own_place_only() -> None:
    box, secret, endpoint = SecretBox(KeyFile({1: bytes(32)})), new_secret(), uuid7()
    sealed = box.seal(secret, "FR-34", endpoint)
    assert box.open(sealed, "FR-34", endpoint) == secret
    assert secret.encode() not in sealed
    places: list[tuple[str, UUID]] = [("FR-30", endpoint), ("FR-34", uuid7())]
    for place in places:
        with pytest.raises(KeyUnwrapFailed):
            box.open(sealed, *place)


def test_a_secret_sealed_under_an_earlier_key_still_opens() -> None:
    first, endpoint = bytes(32), uuid7()
    sealed = SecretBox(KeyFile({1: first})).seal("whsec_eA==", "FR-34", endpoint)
    assert SecretBox(KeyFile({1: first, 2: b"k" * 32})).open(sealed, "FR-34", endpoint) == "whsec_eA=="


# What the other side may do.


async def attempt(url: str, *, total_seconds: float = 5.0) -> Sent:
    async with OutgoingHttp(allow_loopback=True, total_seconds=total_seconds) as http:
        return await Sender(http, PUBLIC_URL).send(url, message(), [new_secret()], datetime.now(UTC))


async def answered(answer: Answer) -> Sent:
    async def give(_: Delivery) -> Answer:
        return answer

    async with Receiver(answer=give) as partner:
        return await attempt(partner.url)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_a_delivery(status: int) -> None:
    sent = await answered(Answer(status))
    assert (sent.delivered, sent.status, sent.error_code) == (True, status, None)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410, 500, 503])
async def test_any_other_answer_is_a_failure_with_its_code(status: int) -> None:
    sent = await answered(Answer(status, {"Location": "http://127.0.0.1:9/"}))
    assert (sent.delivered, sent.error_code, sent.gone) == (False, f"status_{status}", status == 410)


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "120", 120.0),
        (503, "0", 0.0),
        (503, "soon", None),
        (503, "-5", None),
        (503, "١٢", None),
        (503, "9" * 200, None),
        (500, "120", None),
        (204, "120", None),
    ],
)
async def test_retry_after_counts_where_it_means_something(status: int, value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value.encode().decode("latin-1")}
    sent = await answered(Answer(status, headers))
    if value == "9" * 200:
        assert sent.retry_after_seconds is not None
        assert sent.retry_after_seconds > 1e60
    else:
        assert sent.retry_after_seconds == seconds


async def test_retry_after_may_be_a_date() -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    sent = await answered(Answer(503, {"Retry-After": at.strftime("%a, %d %b %Y %H:%M:%S GMT")}))
    assert sent.retry_after_seconds == pytest.approx(3600, abs=5)


@asynccontextmanager
async def partner_that(
    behaves: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any], **listen: Any
) -> AsyncIterator[int]:
    """Any behaviour, down to the bytes; yields its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await behaves(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **listen)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_partner_that_hangs_costs_the_time_limit_and_no_more() -> None:
    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with partner_that(hang) as port:
        started = asyncio.get_running_loop().time()
        sent = await attempt(f"http://127.0.0.1:{port}/", total_seconds=0.3)
        assert sent.error_code == "timeout"
        assert asyncio.get_running_loop().time() - started < 1.5


async def test_a_partner_that_drips_its_headers_costs_the_time_limit_and_no_more() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            writer.write(b"z")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with partner_that(drip) as port:
        assert (await attempt(f"http://127.0.0.1:{port}/", total_seconds=0.3)).error_code == "timeout"


async def test_of_an_endless_reply_only_16_kb_are_read_and_the_status_stands() -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"z" * 1024)
            await writer.drain()

    counting = Counting()
    async with partner_that(pour) as port, OutgoingHttp(allow_loopback=True, through=counting) as http:
        reply = await http.post(f"http://127.0.0.1:{port}/", b"{}", {})
    assert reply.status == 200
    assert 0 < counting.received <= REPLY_BYTES_MAX


async def test_endless_headers_are_a_failure_after_16_kb() -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: z\r\n" * 100)
            await writer.drain()

    async with partner_that(pour) as port:
        assert (await attempt(f"http://127.0.0.1:{port}/")).error_code == "connection_lost"


async def test_endless_interim_answers_are_a_failure_after_16_kb() -> None:
    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)
            await writer.drain()

    async with partner_that(pour) as port:
        assert (await attempt(f"http://127.0.0.1:{port}/")).error_code == "connection_lost"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"", "not_http"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not_http"),
        (b"HTTP/1.1 abc\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not_http"),
        (b"\x00" * 200 + b"\r\n\r\n", "not_http"),
    ],
)
async def test_what_is_no_answer_is_a_failure(reply: bytes, code: str) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()

    async with partner_that(answer) as port:
        assert (await attempt(f"http://127.0.0.1:{port}/")).error_code == code


async def test_a_closed_port_and_an_unknown_name_are_failures() -> None:
    async with partner_that(lambda *_: asyncio.sleep(0)) as port:
        pass
    assert (await attempt(f"http://127.0.0.1:{port}/")).error_code == "connect_failed"
    assert (await attempt("http://partner.invalid/")).error_code == "connect_failed"


async def test_a_name_server_that_hangs_costs_the_connection_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_host: str, _port: int) -> list[Address]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr("infrastructure.outgoing_http.CONNECT_SECONDS", 0.2)
    async with OutgoingHttp(resolve=hang) as http:
        sent = await Sender(http, PUBLIC_URL).send("https://a.example/", message(), [new_secret()], datetime.now(UTC))
    assert sent.error_code == "connect_timeout"


async def test_a_connection_serves_several_messages() -> None:
    async with Receiver() as partner, OutgoingHttp(allow_loopback=True) as http:
        for _ in range(3):
            await http.post(partner.url, b"{}", {})
        assert (len(partner.deliveries), partner.connections_peak) == (3, 1)


# TLS.


async def test_tls_checks_the_name_while_the_address_was_chosen_before() -> None:
    seen: list[str | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async def resolve(_host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    server, client = certificates("partner.example")
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    async with (
        partner_that(answer, ssl=server) as port,
        OutgoingHttp(allow_loopback=True, resolve=resolve, ssl_context=client) as http,
    ):
        reply = await http.post(f"https://partner.example:{port}/", b"{}", {})
        assert (reply.status, seen) == (204, ["partner.example"])
        with pytest.raises(httpcore2.ConnectError):
            await http.post(f"https://other.example:{port}/", b"{}", {})


async def test_the_host_header_is_the_one_of_the_address_registered() -> None:
    async def resolve(_host: str, _port: int) -> list[Address]:
        return [ip_address("127.0.0.1")]

    async with Receiver() as partner, OutgoingHttp(allow_loopback=True, resolve=resolve) as http:
        await http.post(f"http://partner.example:{partner.port}/hook?a=1", b"{}", {})
        (delivery,) = partner.deliveries
        assert (delivery.headers["host"], delivery.path) == (f"partner.example:{partner.port}", "/hook?a=1")


class Counting(httpcore2.AsyncNetworkBackend):
    """The real network, counting what comes in."""

    def __init__(self) -> None:
        self.received = 0
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        stream = await self._network.connect_tcp(*args, **options)
        read = stream.read

        async def counted(max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
            received = await read(max_bytes, timeout)
            self.received += len(received)
            return received

        stream.read = counted  # type: ignore[method-assign]
        return stream


def certificates(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for this name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_bytes(private + pem)
        server.load_cert_chain(chain)
    return server, ssl.create_default_context(cadata=pem.decode())
