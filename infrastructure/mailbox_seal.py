"""What a mailbox keeps sealed in the database: its address, and the secret behind its codes and its link."""

import base64
import binascii
import hmac
import secrets
from uuid import UUID

import msgspec

from infrastructure.key_file import KeyFile
from infrastructure.server_seal import ServerSeal

SECRET_BYTES = 32
CODE_DIGITS = 8
TAG_BYTES = 16


class Kept(msgspec.Struct, frozen=True):
    address: str
    secret: bytes

    @classmethod
    def new(cls, address: str) -> "Kept":
        return cls(address, secrets.token_bytes(SECRET_BYTES))

    def __repr__(self) -> str:
        return "Kept()"

    def code(self, number: int) -> str:
        """The code sent the `number`-th time: nowhere stored, so that nobody can read it there."""
        tag = hmac.digest(self.secret, b"mailbox code v1" + number.to_bytes(4, "big"), "sha256")
        return f"{int.from_bytes(tag[:8], 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}}"

    def unsubscribe_token(self, mailbox_id: UUID) -> str:
        """Names the mailbox and proves that its reader was given it."""
        tag = hmac.digest(self.secret, b"mailbox unsubscribe v1" + mailbox_id.bytes, "sha256")[:TAG_BYTES]
        return base64.urlsafe_b64encode(mailbox_id.bytes + tag).decode().rstrip("=")


def mailbox_named(token: str) -> UUID | None:
    """By a token to unsubscribe, whether it is right or not."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw[:16]) if len(raw) == 16 + TAG_BYTES else None


class MailboxBox:
    """Seals what mailboxes keep."""

    def __init__(self, keys: KeyFile) -> None:
        self._seal = ServerSeal(keys, b"mailbox v1")

    def seal(self, kept: Kept, territory: str, mailbox_id: UUID) -> bytes:
        return self._seal.seal(msgspec.msgpack.encode(kept), territory, mailbox_id)

    def open(self, sealed: bytes, territory: str, mailbox_id: UUID) -> Kept:
        """Raises KeyUnwrapFailed for an altered or displaced row, KeyFileUnusable for a key that is not there."""
        return msgspec.msgpack.decode(self._seal.open(sealed, territory, mailbox_id), type=Kept)
