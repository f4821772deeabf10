"""One message to one endpoint: a CloudEvents body of ids and types, signed after Standard Webhooks, posted once."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore2
import msgspec
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook

from application.message_types import MESSAGE_TYPES, MessageTypes
from application.messages import Message
from infrastructure.outgoing_http import OutgoingHttp, Refused, Reply
from infrastructure.webhook_challenges import is_echo

CONTENT_TYPE = JSONFormat.CONTENT_TYPE
USER_AGENT = "unisson-webhooks/1"
GONE = 410
BUSY = frozenset({429, 503})


class Sent(msgspec.Struct, frozen=True):
    """How one attempt ended."""

    status: int | None = None
    error_code: str | None = None
    """None: delivered. Else a short code; an answer other than 2xx is `status_NNN`."""
    retry_after_seconds: float | None = None
    echoed: str | None = None
    """The challenge that was given back."""
    milliseconds: int = 0
    """How long it took."""

    @property
    def delivered(self) -> bool:
        return self.error_code is None

    @property
    def gone(self) -> bool:
        return self.status == GONE


def cloud_event(message: Message, public_url: str, types: MessageTypes = MESSAGE_TYPES) -> bytes:
    """The body. `unisson.alert.raised.v1` is described at `/schemas/messages/alert.raised/1`."""
    event = CloudEvent(
        {
            "id": str(message.message_id),
            "source": f"/territories/{message.territory}",
            "type": message.type,
            "subject": str(message.subject_id),
            "time": message.created_at.astimezone(UTC),
            "datacontenttype": "application/json",
            "dataschema": f"{public_url.rstrip('/')}/schemas/messages/{types[message.type].key}",
        },
        msgspec.to_builtins(types.data_of(message)),
    )
    return JSONFormat().write(event)


def signed_headers(message: Message, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """One signature per secret in force; the receiver needs to know one of them."""
    text = body.decode()
    message_id = str(message.message_id)
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": USER_AGENT,
        **trace_headers(message),
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message_id, now.astimezone(UTC), text) for secret in secrets
        ),
    }


def trace_headers(message: Message) -> dict[str, str]:
    """Let the receiver tie it to the request that led to it: the id it was sent with, or its trace (W3C Trace Context).

    Not for a bare notice: two that came of one request would tell an outsider that they are about one pathway.
    """
    cause = message.correlation_id
    if message.pathway is None or cause is None or not cause.int:
        return {}
    return {"traceparent": f"00-{cause.hex}-{message.message_id.hex[16:]}-00", "X-Request-Id": str(cause)}


class Sender:
    """Posts signed messages. Whatever the other side does becomes a `Sent`."""

    def __init__(self, http: OutgoingHttp, public_url: str) -> None:
        self._http = http
        self._public_url = public_url

    async def send(self, url: str, message: Message, secrets: Sequence[str], now: datetime) -> Sent:
        body, started = cloud_event(message, self._public_url), time.perf_counter()
        try:
            reply = await self._http.post(url, body, signed_headers(message, body, secrets, now))
            sent = _outcome(reply, message.challenge, now)
        except Exception as error:  # noqa: BLE001 (a partner must not be able to stop the worker)
            sent = Sent(error_code=_code(error))
        return msgspec.structs.replace(sent, milliseconds=round((time.perf_counter() - started) * 1000))


ERROR_CODES: Mapping[type[Exception], str] = {
    Refused: "address_refused",
    httpcore2.ConnectTimeout: "connect_timeout",
    httpcore2.ConnectError: "connect_failed",
    httpcore2.TimeoutException: "timeout",
    TimeoutError: "timeout",
    httpcore2.NetworkError: "connection_lost",
    httpcore2.ProtocolError: "not_http",
}


def _code(error: Exception) -> str:
    return next((code for kind, code in ERROR_CODES.items() if isinstance(error, kind)), "failed")


def _outcome(reply: Reply, challenge: str | None, now: datetime) -> Sent:
    if 200 <= reply.status < 300:
        return Sent(reply.status, echoed=challenge if challenge and is_echo(reply.body, challenge) else None)
    wait = _seconds(reply.retry_after, now) if reply.status in BUSY else None
    return Sent(reply.status, f"status_{reply.status}", wait)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Retry-After is a number of seconds or an HTTP date; anything else counts for nothing."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
