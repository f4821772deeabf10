"""Signed notes, checkpoints and verifier keys, as C2SP writes them; Ed25519 only."""

import base64
import binascii
import re
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519 = b"\x01"
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class Damaged(ValueError):
    """Not what it should be."""


class Key(NamedTuple):
    name: str
    key_id: bytes
    public: bytes


class Note(NamedTuple):
    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes], ...]


def read_key(text: str) -> Key:
    """Raises Damaged."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not parts[0] or re.search(r"\s", parts[0]):
        raise Damaged
    material = _decoded(parts[2])
    key_id = sha256(parts[0].encode() + b"\n" + material).digest()[:4]
    if material[:1] != ED25519 or len(material) != 33 or parts[1] != key_id.hex():
        raise Damaged
    return Key(parts[0], key_id, material[1:])


def read_note(content: bytes) -> Note:
    """Raises Damaged."""
    try:
        note = content.decode()
    except UnicodeDecodeError:
        raise Damaged from None
    text, separator, lines = note.rpartition("\n\n")
    fields = text.split("\n")
    if not separator or not lines.endswith("\n") or len(fields) != 3 or not fields[0] or not _SIZE.fullmatch(fields[1]):
        raise Damaged
    root = _decoded(fields[2])
    if len(root) != 32:
        raise Damaged
    signatures = []
    for line in lines[:-1].split("\n"):
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise Damaged
        signatures.append((match[1], _decoded(match[2])))
    return Note(fields[0], int(fields[1]), root, text + "\n", tuple(signatures))


def is_signed(note: Note, key: Key) -> bool:
    """By this key, and by nobody who pretends to be it; lines of witnesses are passed over."""
    own = [value[4:] for name, value in note.signatures if (name, value[:4]) == (key.name, key.key_id)]
    try:
        for signature in own:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, note.text.encode())
    except InvalidSignature:
        return False
    return bool(own)


def _decoded(text: str) -> bytes:
    """One way only to write each value."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Damaged from None
    if base64.b64encode(raw).decode() != text:
        raise Damaged
    return raw
