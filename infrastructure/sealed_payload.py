"""The stored form of a payload: bodies by compartment, each sealed with its own key and bound to its place.

One format byte, then groups: compartment(1) | algorithm(1) | key generation(2) | length(4) | body.
A body is JSON: in clear for fields of no person, else nonce(12), AES-256-GCM ciphertext, tag(16).
Moved to another territory, stream, version, topic, compartment or person, a ciphertext no longer opens.
"""

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.event_log import UnreadableEvent
from application.key_vault import Keyring
from infrastructure.event_header import text_field, uuid_field
from infrastructure.event_shape import CLEAR_CODE, COMPARTMENTS

FORMAT = b"\x01"
CLEAR, AES_256_GCM = 0, 1
NONCE_BYTES = 12
GROUP = struct.Struct(">BBHI")
GROUP_BYTES = GROUP.size
_unpack_group = GROUP.unpack_from
_VERSION = b"\x00\x04"

Body = tuple[int, bytes]
"""A compartment's code and the JSON of its fields."""


class Place(NamedTuple):
    """Where a payload belongs."""

    territory: str
    stream_id: UUID
    version: int
    topic: str
    subject: UUID | None


def seal_bodies(place: Place, bodies: Sequence[Body], keyring: Keyring) -> bytes:
    """A payload of these bodies. The keyring has the keys of their compartments."""
    parts = [FORMAT]
    where = _where(place)
    for code, body in bodies:
        if code == CLEAR_CODE:
            parts += (GROUP.pack(code, CLEAR, 0, len(body)), body)
            continue
        key = keyring[COMPARTMENTS[code]]  # type: ignore[index]
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(key.secret).encrypt(nonce, body, where + _what(place, code, key.generation))
        parts += (GROUP.pack(code, AES_256_GCM, key.generation, NONCE_BYTES + len(ciphertext)), nonce, ciphertext)
    return b"".join(parts)


class Lock(NamedTuple):
    """What opens one kind of group: looked up once per person and event type, used for many events."""

    decrypt: Callable[[bytes, bytes, bytes], bytes]
    what: bytes
    """The end of the associated data."""


class PayloadOpener:
    """Opens payloads of one territory with the keys at hand, and notes which subjects lack one."""

    def __init__(self, territory: str, keyrings: Mapping[UUID, Keyring]) -> None:
        self._territory = territory
        self._keyrings = keyrings
        self._locks: dict[tuple[UUID | None, str], dict[tuple[int, int], Lock | None]] = {}
        self.lacking: set[UUID] = set()

    def open_bodies(self, position: int, place: Place, payload: bytes) -> list[tuple[int, bytes | None]]:
        """Compartment code and JSON of each group, None without the key. Raises UnreadableEvent."""
        if payload[:1] != FORMAT:
            raise UnreadableEvent(self._territory, position, "unknown payload format")
        bodies: list[tuple[int, bytes | None]] = []
        where = _where(place)
        locks = self._locks.setdefault((place.subject, place.topic), {})
        at, end = 1, len(payload)
        while at < end:
            try:
                code, algorithm, generation, length = _unpack_group(payload, at)
            except struct.error:
                raise UnreadableEvent(self._territory, position, "it was cut short") from None
            start = at + GROUP_BYTES
            at = start + length
            if code == CLEAR_CODE:
                bodies.append((code, payload[start:at]))
                continue
            if algorithm != AES_256_GCM:
                raise UnreadableEvent(self._territory, position, "unknown cipher")
            try:
                lock = locks[code, generation]
            except KeyError:
                lock = locks[code, generation] = self._find_lock(place, code, generation)
            if lock is None:
                bodies.append((code, None))
                continue
            decrypt, what = lock
            sealed_at = start + NONCE_BYTES
            try:
                bodies.append((code, decrypt(payload[start:sealed_at], payload[sealed_at:at], where + what)))
            except (InvalidTag, ValueError):  # A body too short to hold a nonce or a tag is a ValueError.
                raise UnreadableEvent(self._territory, position, "it was altered, or moved from its place") from None
        return bodies

    def _find_lock(self, place: Place, code: int, generation: int) -> Lock | None:
        if place.subject is None:
            return None
        key = self._keyrings.get(place.subject, {}).get(COMPARTMENTS.get(code))  # type: ignore[arg-type]
        if key is None or key.generation != generation:
            self.lacking.add(place.subject)
            return None
        return Lock(AESGCM(key.secret).decrypt, _what(place, code, generation))


# Associated data of a group: where, then what, each field length-prefixed; see docs/explanation/event-log.md.


def _where(place: Place) -> bytes:
    return _territory_part(place.territory) + place.stream_id.bytes + _VERSION + place.version.to_bytes(4, "big")


def _what(place: Place, code: int, generation: int) -> bytes:
    fields = (text_field(place.topic), text_field(COMPARTMENTS[code]), uuid_field(place.subject))
    return b"".join(fields) + b"\x00\x02" + generation.to_bytes(2, "big")


@lru_cache(maxsize=4096)
def _territory_part(territory: str) -> bytes:
    return text_field("v1") + text_field(territory) + b"\x00\x10"
