"""The key-encryption key in a file of its own, outside the database.

One line per epoch: number, key in base64, checksum. The last epoch wraps new keys, the others still open old ones.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

TITLE = "# Unisson key-encryption keys. Without this file no personal data can be read: keep a copy elsewhere."
KEY_BYTES = 32
CHECKSUM_CHARACTERS = 16


class KeyFileUnusable(Exception):
    """The key-encryption key cannot be used; the message says why and what to do."""


class KeyFile:
    """Key-encryption keys by epoch."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        assert keys
        self._keys = keys
        self.epoch = max(keys)

    def __repr__(self) -> str:
        return f"KeyFile(epochs={sorted(self._keys)})"

    @classmethod
    def load(cls, path: Path) -> "KeyFile":
        """Raises KeyFileUnusable when absent, damaged, or readable by other accounts."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text("ascii")
        except FileNotFoundError:
            raise KeyFileUnusable(f"{path} is missing: restore it from its copy.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileUnusable(f"{path} cannot be read: {type(error).__name__}.") from None
        if mode & 0o077:
            raise KeyFileUnusable(f"{path} can be read by other accounts (mode {mode:03o}): chmod 600 it.")
        keys = dict(_read_line(path, line) for line in text.splitlines() if line and not line.startswith("#"))
        if not keys:
            raise KeyFileUnusable(f"{path} holds no key: restore it from its copy.")
        return cls(keys)

    @classmethod
    def create(cls, path: Path) -> "KeyFile":
        """A new key at epoch 1, on disk before it is used. Of two processes that create it, both get the first's."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{TITLE}\n{_line(1, secrets.token_bytes(KEY_BYTES))}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync_folder(path.parent)
        return cls.load(path)

    @classmethod
    def load_or_create(cls, path: Path) -> "KeyFile":
        return cls.load(path) if path.exists() else cls.create(path)

    def key(self, epoch: int) -> bytes:
        try:
            return self._keys[epoch]
        except KeyError:
            raise KeyFileUnusable(f"The key file has no key of epoch {epoch}: restore the one that has.") from None

    def fingerprint(self, epoch: int) -> bytes:
        """Tells one key from another without giving it away."""
        return hmac.digest(self.key(epoch), b"unisson key-encryption key fingerprint v1", "sha256")


def _line(epoch: int, key: bytes) -> str:
    text = base64.b64encode(key).decode()
    return f"{epoch} {text} {_checksum(epoch, text)}"


def _checksum(epoch: int, text: str) -> str:
    return hashlib.sha256(f"{epoch} {text}".encode()).hexdigest()[:CHECKSUM_CHARACTERS]


def _read_line(path: Path, line: str) -> tuple[int, bytes]:
    try:
        epoch, text, checksum = line.split(" ")
        key = base64.b64decode(text, validate=True)
        if checksum != _checksum(int(epoch), text) or len(key) != KEY_BYTES:
            raise ValueError  # noqa: TRY301 (one answer to every kind of damage)
        return int(epoch), key
    except (ValueError, binascii.Error):
        raise KeyFileUnusable(f"{path} is damaged: restore it from its copy.") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
