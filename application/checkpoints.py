"""Checkpoints of a log and what is signed under them: C2SP tlog-checkpoint, signed-note and tlog-cosignature.

A checkpoint says how many leaves a tree has and what its root is. The keys are Ed25519; how they are kept is not
decided here.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from application.merkle import HASH_BYTES

ED25519 = 0x01
COSIGNATURE = 0x04
KEY_BYTES = 32
NOTE_CHARACTERS_MAX = 64 * 1024
_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class NotANote(ValueError):
    """Not a signed note, a checkpoint, or a key, as C2SP writes them."""


class Checkpoint(msgspec.Struct, frozen=True):
    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Raises NotANote. Extension lines are refused: nobody could check them."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NotANote
        root = _decode(lines[2])
        if len(root) != HASH_BYTES:
            raise NotANote
        return cls(lines[0], int(lines[1]), root)


class Signature(msgspec.Struct, frozen=True):
    """One line under a note."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Without its newline. Raises NotANote."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise NotANote
        raw = _decode(match["signature"])
        if len(raw) <= 4:
            raise NotANote
        return cls(match["name"], raw[:4], raw[4:])


class SignedNote(msgspec.Struct, frozen=True):
    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line for signature in self.signatures)

    @classmethod
    def parse(cls, note: str) -> "SignedNote":
        """Raises NotANote."""
        text, separator, lines = note.rpartition("\n\n")
        if len(note) > NOTE_CHARACTERS_MAX or not separator or not lines.endswith("\n"):
            raise NotANote
        if any(character < " " and character != "\n" for character in note):
            raise NotANote
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines[:-1].split("\n")))

    def signed_by(self, key: "VerifierKey") -> bool:
        """Whether the key's own signature is there and holds; signatures by others are passed over."""
        own = [signature for signature in self.signatures if key.made(signature)]
        return bool(own) and all(key.verifies(self.text, signature) for signature in own)


class VerifierKey(msgspec.Struct, frozen=True):
    """What checks signatures: a name, a kind of signature, a public key."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises NotANote."""
        name, key_id, material = [*text.split("+", 2), "", ""][:3]
        raw = _decode(material)
        if not name or re.search(r"\s", name) or len(raw) != 1 + KEY_BYTES or raw[0] not in (ED25519, COSIGNATURE):
            raise NotANote
        key = cls(name, raw[0], raw[1:])
        if key.key_id.hex() != key_id:
            raise NotANote
        return key

    def made(self, signature: Signature) -> bool:
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verifies(self, text: str, signature: Signature) -> bool:
        value, message = signature.value, text.encode()
        if self.kind == COSIGNATURE:
            time, value = int.from_bytes(value[:8], "big"), value[8:]
            message = _cosigned(text, time)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """What makes signatures under one name."""

    def __init__(self, name: str, private: Ed25519PrivateKey, kind: int = ED25519) -> None:
        self._private = private
        self.verifier = VerifierKey(name, kind, private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({str(self.verifier)!r})"

    def sign(self, checkpoint: Checkpoint) -> SignedNote:
        """The note of a log."""
        assert self.verifier.kind == ED25519, "a witness's key"
        return SignedNote(checkpoint.text, (self._signature(self._private.sign(checkpoint.text.encode())),))

    def cosign(self, text: str, now: datetime) -> Signature:
        """The line of a witness: as of now, the largest tree of this log that it saw is this one."""
        assert self.verifier.kind == COSIGNATURE, "a log's key"
        time = int(now.timestamp())
        return self._signature(time.to_bytes(8, "big") + self._private.sign(_cosigned(text, time)))

    def _signature(self, value: bytes) -> Signature:
        return Signature(self.verifier.name, self.verifier.key_id, value)


def cosigned_at(signature: Signature) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(signature.value[:8], "big"), UTC)


def read_checkpoint(note: str, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note signed by one of these keys. Raises NotANote, or NotSigned when none of them did."""
    signed = SignedNote.parse(note)
    checkpoint = Checkpoint.parse(signed.text)
    if not any(signed.signed_by(key) for key in keys):
        raise NotSigned
    return checkpoint


class NotSigned(Exception):
    """None of the keys that are trusted signed this."""


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotANote from None
    if base64.b64encode(raw).decode() != text:  # One way to write each value.
        raise NotANote
    return raw
