"""The key that signs checkpoints, in a file of its own; who can write to the database cannot sign.

One Ed25519 key per installation, under a name per territory: a territory's log has its origin for a name.
"""

import base64
import secrets
import stat
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from application.checkpoints import ED25519, KEY_BYTES, NotANote, SigningKey
from infrastructure import durable_file

PREFIX = "PRIVATE+KEY+"


class SigningKeyUnusable(Exception):
    """The signing key cannot be used; the message says why and what to do."""


class LogKey:
    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed

    def __repr__(self) -> str:
        return f"LogKey({self.name!r})"

    @classmethod
    def load_or_create(cls, path: Path, prefix: str = "unisson") -> Self:
        """Raises SigningKeyUnusable when it is damaged, or readable by other accounts. A new one gets a random name."""
        if not path.exists():
            key = cls(f"{prefix}-{secrets.token_hex(4)}", secrets.token_bytes(KEY_BYTES))
            durable_file.create(path, key.encoded())
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SigningKeyUnusable(f"{path} cannot be read ({type(error).__name__}): restore its copy.") from None
        if mode & 0o077:
            raise SigningKeyUnusable(f"{path} can be read by other accounts (mode {mode:03o}): chmod 600 it.")
        key = cls._decoded(text)
        if key is None or key.encoded() != text:
            raise SigningKeyUnusable(f"{path} is damaged: restore its copy.")
        return key

    def encoded(self) -> str:
        """As Go's note package writes it."""
        verifier = SigningKey(self.name, self._private).verifier
        material = base64.b64encode(bytes([ED25519]) + self._seed).decode()
        return f"{PREFIX}{self.name}+{verifier.key_id.hex()}+{material}\n"

    @classmethod
    def _decoded(cls, text: str) -> Self | None:
        try:
            name, _, material = text.strip().removeprefix(PREFIX).split("+", 2)
            raw = base64.b64decode(material, validate=True)
            return cls(name, raw[1:]) if len(raw) == 1 + KEY_BYTES else None
        except (ValueError, NotANote):
            return None

    def of_log(self, territory: str) -> SigningKey:
        """What signs this territory's checkpoints; its name is the log's origin."""
        return SigningKey(f"{self.name}/{durable_file.safe_name(territory)}", self._private)

    def as_witness(self, kind: int) -> SigningKey:
        return SigningKey(self.name, self._private, kind)
