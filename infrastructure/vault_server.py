"""The vault's side of the conversation: an ASGI application that knows one route and one secret."""

import hmac
from typing import Any

import asyncpg
import msgspec
import structlog

from infrastructure.vault_calls import CALL_BYTES_MAX, PATH, REFUSALS, AnyCall, Refused, Vault

_calls = msgspec.msgpack.Decoder(AnyCall)
_encode = msgspec.msgpack.Encoder().encode

log = structlog.get_logger()


class VaultServer:
    """`token` is what every caller must show."""

    def __init__(self, vault: Vault, token: str) -> None:
        self._vault = vault
        self._expected = b"Bearer " + token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status, body = await self._answer(scope, receive)
        await send({"type": "http.response.start", "status": status, "headers": [(b"cache-control", b"no-store")]})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, bytes]:
        """200 with the answer, 409 with a `Refused`, 503 when the vault's own database does not answer."""
        shown = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(shown, self._expected):
            return 401, b""
        if (scope["method"], scope["path"]) != ("POST", PATH):
            return 404, b""
        body = await _read(receive)
        if body is None:
            return 413, b""
        try:
            call = _calls.decode(body)
        except msgspec.MsgspecError:
            return 400, b""
        try:
            return 200, _encode(await call.carry_out(self._vault))
        except tuple(REFUSALS.values()) as refusal:
            return 409, _encode(Refused(type(refusal).__name__, str(refusal)))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("vault.call-failed", call=type(call).__name__, error_type=type(error).__name__)
            return 503, b""


async def _read(receive: Any) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > CALL_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return body
