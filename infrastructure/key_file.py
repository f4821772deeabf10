"""The key-encryption key in a file of its own, outside the database.

One line per epoch: number, key in base64, checksum. The last epoch wraps new keys, the others still open old ones.
The file is changed in place, never replaced: what a replaced file leaves on the disk could not be overwritten later.
"""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from infrastructure import durable_file

TITLE = "# Unisson key-encryption keys. Without this file no personal data can be read: keep a copy elsewhere."
KEY_BYTES = 32
CHECKSUM_CHARACTERS = 16


class KeyFileUnusable(Exception):
    """The key-encryption key cannot be used; the message says why and what to do."""


class KeyFile:
    """Key-encryption keys by epoch. What was loaded can be read again, once another process has changed the file."""

    def __init__(self, keys: dict[int, bytes], path: Path | None = None) -> None:
        assert keys
        self._keys = keys
        self._path = path
        self._seen: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"KeyFile(epochs={self.epochs})"

    @property
    def epoch(self) -> int:
        """The last one: it wraps new keys."""
        return max(self._keys)

    @property
    def epochs(self) -> list[int]:
        return sorted(self._keys)

    @property
    def keys(self) -> Mapping[int, bytes]:
        return MappingProxyType(self._keys)

    @classmethod
    def load(cls, path: Path) -> "KeyFile":
        """Raises KeyFileUnusable when absent, damaged, or readable by other accounts."""
        file = cls({0: b""}, path)
        file.refresh()
        return file

    def refresh(self) -> None:
        """Read the file again if it changed. Raises as `load` does."""
        if self._path is None:
            return
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_mtime_ns)
            if seen == self._seen:
                return
            text = self._path.read_text("ascii")
        except FileNotFoundError:
            raise KeyFileUnusable(f"{self._path} is missing: restore it from its copy.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileUnusable(f"{self._path} cannot be read: {type(error).__name__}.") from None
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            raise KeyFileUnusable(f"{self._path} can be read by other accounts (mode {mode:03o}): chmod 600 it.")
        self._keys = _read(self._path, text)
        self._seen = seen

    @classmethod
    def create(cls, path: Path) -> "KeyFile":
        """A new key at epoch 1, on disk before it is used. Of two processes that create it, both get the first's."""
        durable_file.create(path, f"{TITLE}\n{_line(1, secrets.token_bytes(KEY_BYTES))}\n")
        return cls.load(path)

    @classmethod
    def load_or_create(cls, path: Path) -> "KeyFile":
        return cls.load(path) if path.exists() else cls.create(path)

    def add(self, known: int) -> int:
        """Add an epoch after `known`, the last that is in use, unless one is there already; returns its number."""
        with self._changing() as descriptor:
            if self.epoch > known:  # Whoever made it was stopped before it could be used.
                return self.epoch
            text = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            end = text.rfind(b"\n") + 1  # Beyond: a line that was cut short, and never used.
            os.ftruncate(descriptor, end)
            os.pwrite(descriptor, f"{_line(known + 1, secrets.token_bytes(KEY_BYTES))}\n".encode(), end)
        return known + 1

    def destroy(self, epoch: int) -> None:
        """Overwrite an epoch's line where it stands. One that is not there is destroyed already."""
        with self._changing() as descriptor:
            text = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
            start = 0
            for line in text.splitlines(keepends=True):
                if line.startswith(f"{epoch} ".encode()):
                    grave = f"# {epoch} destroyed".ljust(len(line) - 1)
                    os.pwrite(descriptor, grave.encode(), start)
                start += len(line)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[int]:
        """The open file, no other process changing it; on the disk, and read again, before this ends."""
        assert self._path is not None, "keys that are in no file"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._seen = None
            self.refresh()
            yield descriptor
            os.fsync(descriptor)
            self._seen = None
            self.refresh()
        finally:
            os.close(descriptor)

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


def _read(path: Path, text: str) -> dict[int, bytes]:
    """What comes after the last end of line is an addition that was cut short: it was never used."""
    whole, end, rest = text.rpartition("\n")
    lines = (whole if end else rest).splitlines()
    keys = dict(_read_line(path, line) for line in lines if line and not line.startswith("#"))
    if not keys:
        raise KeyFileUnusable(f"{path} holds no key: restore it from its copy.")
    return keys


def _read_line(path: Path, line: str) -> tuple[int, bytes]:
    try:
        epoch, text, checksum = line.split(" ")
        key = base64.b64decode(text, validate=True)
        if checksum != _checksum(int(epoch), text) or len(key) != KEY_BYTES:
            raise ValueError  # noqa: TRY301 (one answer to every kind of damage)
        return int(epoch), key
    except (ValueError, binascii.Error):
        raise KeyFileUnusable(f"{path} is damaged: restore it from its copy.") from None
