"""The stored form of a payload: bodies by compartment, each sealed with its own key and bound to its place.

One format byte, then groups: compartment(1) | algorithm(1) | key generation(2) | length(4) | body.
A body is JSON: in clear for fields of no person, else nonce(12), AES-256-GCM ciphertext, tag(16).
Moved to another territory, stream, version, topic, compartment or person, a ciphertext no longer opens.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.event_log import UnreadableEvent
from application.key_vault import Keyring
from infrastructure.event_header import text_field, uuid_field, version_field
from infrastructure.event_shape import CLEAR_CODE, COMPARTMENTS

FORMAT = b"\x01"
CLEAR, AES_256_GCM = 0, 1
NONCE_BYTES = 12
GROUP = struct.Struct(">BBHI")

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
    for code, body in bodies:
        if code == CLEAR_CODE:
            parts += (GROUP.pack(code, CLEAR, 0, len(body)), body)
            continue
        key = keyring[COMPARTMENTS[code]]  # type: ignore[index]
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = AESGCM(key.secret).encrypt(nonce, body, _bound_to(place, code, key.generation))
        parts += (GROUP.pack(code, AES_256_GCM, key.generation, NONCE_BYTES + len(ciphertext)), nonce, ciphertext)
    return b"".join(parts)


class PayloadOpener:
    """Opens payloads with the keys at hand, and notes which subjects lack one."""

    def __init__(self, keyrings: Mapping[UUID, Keyring]) -> None:
        self._keyrings = keyrings
        self._ciphers: dict[tuple[UUID, int, int], AESGCM | None] = {}
        self.lacking: set[UUID] = set()

    def open_bodies(self, position: int, place: Place, payload: bytes) -> list[tuple[int, bytes | None]]:
        """Compartment code and JSON of each group, None without the key. Raises UnreadableEvent."""
        if payload[:1] != FORMAT:
            raise UnreadableEvent(place.territory, position, "unknown payload format")
        bodies: list[tuple[int, bytes | None]] = []
        at, end = 1, len(payload)
        while at < end:
            try:
                code, algorithm, generation, length = GROUP.unpack_from(payload, at)
            except struct.error:
                raise UnreadableEvent(place.territory, position, "it was cut short") from None
            start, at = at + GROUP.size, at + GROUP.size + length
            if code == CLEAR_CODE:
                bodies.append((code, payload[start:at]))
            elif algorithm == AES_256_GCM:
                bodies.append((code, self._unseal(position, place, code, generation, payload[start:at])))
            else:
                raise UnreadableEvent(place.territory, position, "unknown cipher")
        return bodies

    def _unseal(self, position: int, place: Place, code: int, generation: int, body: bytes) -> bytes | None:
        if place.subject is None:
            raise UnreadableEvent(place.territory, position, "it is sealed for nobody")
        wanted = (place.subject, code, generation)
        try:
            cipher = self._ciphers[wanted]
        except KeyError:
            cipher = self._ciphers[wanted] = self._cipher(*wanted)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], _bound_to(place, code, generation))
        except InvalidTag:
            raise UnreadableEvent(place.territory, position, "it was altered, or moved from its place") from None

    def _cipher(self, subject: UUID, code: int, generation: int) -> AESGCM | None:
        key = self._keyrings.get(subject, {}).get(COMPARTMENTS.get(code))  # type: ignore[arg-type]
        if key is None or key.generation != generation:
            self.lacking.add(subject)
            return None
        return AESGCM(key.secret)


def _bound_to(place: Place, code: int, generation: int) -> bytes:
    """Associated data of a group: length-prefixed, see docs/explanation/event-log.md."""
    territory, stream_id, version, topic, subject = place
    return b"".join(
        (
            _territory_part(territory),
            uuid_field(stream_id),
            version_field(version),
            _topic_part(topic, code),
            uuid_field(subject),
            b"\x00\x02",
            generation.to_bytes(2, "big"),
        )
    )


@lru_cache(maxsize=4096)
def _territory_part(territory: str) -> bytes:
    return text_field("v1") + text_field(territory)


@lru_cache(maxsize=4096)
def _topic_part(topic: str, code: int) -> bytes:
    return text_field(topic) + text_field(COMPARTMENTS[code])
