"""Events to sealed payloads and back.

A payload is one format byte, then groups: compartment(1) | algorithm(1) | key generation(2) | length(4) | body.
The body is the JSON of that compartment's fields, clear for fields of no person, else nonce(12), AES-256-GCM, tag(16).
The ciphertext is bound to its place: moved to another stream, version, topic or compartment, it no longer opens.
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from application.event_log import Commit, EventTooLarge, Stored, UnfitText, UnknownTopic, UnreadableEvent
from application.key_vault import Keyring, KeyVault
from domain.aggregate import EVENT_TYPES, Created, Event
from domain.compartments import Compartment
from domain.erasure import ErasedCreation, ErasedEvent
from domain.history import UPCASTERS, upcast
from infrastructure.event_header import commit_tail, header_start, text_field, uuid_field, version_field
from infrastructure.event_shape import CLEAR_CODE, CODES, COMPARTMENTS, Shape, read_point, shape_of, split

FORMAT = b"\x01"
CLEAR, AES_256_GCM = 0, 1
NONCE_BYTES = 12
GROUP = struct.Struct(">BBHI")
GROUP_BYTES = GROUP.size
CLEAR_ONLY = FORMAT + GROUP.pack(CLEAR_CODE, CLEAR, 0, 0)[:4]
"""How a payload starts that may be one clear group: most events of no person."""
_unpack_group = GROUP.unpack_from
PAYLOAD_BYTES_MAX = 256 * 1024
CASE_CODE = CODES[Compartment.CASE]


class SealedEvent(NamedTuple):
    """One event ready to be stored, in the order of `append_events`; `header` still lacks the recorded time."""

    version: int
    topic: str
    agency: str
    actor: str | None
    header: bytes
    payload: bytes
    payload_sha256: bytes


class Place(NamedTuple):
    """Where a payload belongs: its ciphertexts open nowhere else."""

    territory: str
    stream_id: UUID
    version: int
    topic: str
    subject: UUID | None


Body = tuple[int, bytes]
"""A compartment's code and the JSON of its fields."""


class Row(NamedTuple):
    """One event as stored; a database record with the same columns in the same order serves as well."""

    position: int
    stream_id: UUID
    stream_version: int
    topic: str
    recorded_at: datetime
    agency: str
    actor: str | None
    subject: UUID | None
    correlation_id: UUID | None
    causation_id: UUID | None
    payload: bytes | None


async def seal_commit(territory: str, commit: Commit, vault: KeyVault) -> list[SealedEvent]:
    """Makes the keys that are missing, then seals. Raises UnfitText, EventTooLarge, KeyDestroyed.

    Events about a person without a subject are a bug.
    """
    drafts = [_draft(event, sealed=commit.subject is not None) for event in commit.events]
    keyring: Keyring = {}
    if commit.subject is not None:
        needed = {COMPARTMENTS[code] for _, bodies in drafts for code, _ in bodies if code != CLEAR_CODE}
        keyring = await vault.ensure(territory, commit.subject, needed)  # type: ignore[arg-type]
    stream = uuid_field(commit.stream_id)
    tail = commit_tail(commit.subject, commit.correlation_id, commit.causation_id)
    sealed = []
    for version, (event, (shape, bodies)) in enumerate(
        zip(commit.events, drafts, strict=True), start=commit.expected_version + 1
    ):
        assert event.originator_id == commit.stream_id, "an event of another stream"
        assert event.originator_version == version, "versions that do not follow the expected one"
        place = Place(territory, commit.stream_id, version, shape.topic, commit.subject)
        payload = seal_bodies(place, bodies, keyring)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise EventTooLarge
        header = header_start(territory, stream, version, shape.topic, event.agency, event.actor, tail)
        digest = hashlib.sha256(payload).digest()
        sealed.append(SealedEvent(version, shape.topic, event.agency, event.actor, header, payload, digest))
    return sealed


def must_be_fit(*texts: str | None) -> None:
    """PostgreSQL stores neither NUL nor lone surrogates as text."""
    for text in texts:
        if text is not None and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise UnfitText from None
        if text is not None and "\0" in text:
            raise UnfitText


def _draft(event: Event, *, sealed: bool) -> tuple[Shape, list[Body]]:
    """The event's bodies by compartment, still in clear."""
    must_be_fit(event.agency, event.actor)
    shape = shape_of(type(event))
    try:
        bodies = split(shape, event)
    except UnicodeEncodeError:
        raise UnfitText from None
    for _, body in bodies:
        if rb"\u0000" in body and _has_nul(msgspec.json.decode(body)):
            raise UnfitText
    if not sealed:
        assert not event.OF_PERSON, f"{shape.topic} is about a person and has no subject"
        assert all(code == CLEAR_CODE for code, _ in bodies), f"{shape.topic} has fields of a person and no subject"
    elif not any(code == CASE_CODE for code, _ in bodies):
        bodies.append((CASE_CODE, b"{}"))  # So that the key of coded facts opens, or erases, the event as a whole.
    return shape, bodies


def seal_bodies(place: Place, bodies: Sequence[Body], keyring: Keyring) -> bytes:
    """A payload of these bodies, each sealed with its compartment's key."""
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


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


@lru_cache(maxsize=4096)
def _territory_part(territory: str) -> bytes:
    return text_field("v1") + text_field(territory)


@lru_cache(maxsize=4096)
def _topic_part(topic: str, code: int) -> bytes:
    return text_field(topic) + text_field(COMPARTMENTS[code])


def _bound_to(place: Place, code: int, generation: int) -> bytes:
    """Associated data of a group: length-prefixed, see docs/explanation/event-log.md."""
    territory, stream_id, version, topic, subject = place
    assert subject is not None
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


async def open_rows(territory: str, rows: Sequence[Sequence[Any]], vault: KeyVault) -> list[Stored]:
    """Opens stored rows, in order. What a destroyed key sealed is `Erased`; what was altered raises UnreadableEvent."""
    subjects = {row[7] for row in rows}
    subjects.discard(None)
    opener = Opener(territory, await vault.keyrings(territory, subjects) if subjects else {})
    opened = [opener.open(row) for row in rows]
    if opener.lacking:
        # A key unknown to the cache may have been made a moment ago: only the store can say that it is gone.
        again = Opener(territory, await vault.keyrings(territory, opener.lacking, fresh=True))
        opened = [
            again.open(row) if row[7] in opener.lacking else stored for row, stored in zip(rows, opened, strict=True)
        ]
    return opened


class Opener:
    """Opens rows of one territory with the keys at hand, and notes which subjects lack one."""

    def __init__(self, territory: str, keyrings: dict[UUID, Keyring]) -> None:
        self._territory = territory
        self._keyrings = keyrings
        self._ciphers: dict[tuple[UUID, int, int], AESGCM | None] = {}
        self.lacking: set[UUID] = set()

    def open(self, row: Sequence[Any]) -> Stored:
        position, stream_id, version, topic, recorded_at, agency, actor, subject, correlation, causation, payload = row
        event_type = EVENT_TYPES.get(topic)
        if event_type is None:
            raise UnknownTopic(self._territory, position, topic)
        shape = shape_of(event_type)
        fields = self._fields(row, shape, payload)
        if fields is None:
            event = self._erased(row, shape)
        else:
            try:
                event = event_type(
                    originator_id=stream_id,
                    originator_version=version,
                    timestamp=recorded_at,
                    agency=agency,
                    actor=actor,
                    position=position,
                    **shape.constants,
                    **fields,
                )
            except TypeError:
                raise UnreadableEvent(self._territory, position, "a required field is missing") from None
            if event_type in UPCASTERS:
                event = upcast(event)
        return Stored(
            territory=self._territory,
            position=position,
            topic=topic,
            event=event,
            subject=subject,
            correlation_id=correlation,
            causation_id=causation,
        )

    def bodies(self, position: int, place: Place, payload: bytes) -> list[tuple[int, bytes | None]]:
        """Compartment code and clear body of each group, None without the key."""
        if payload[:1] != FORMAT:
            raise UnreadableEvent(self._territory, position, "unknown payload format")
        found: list[tuple[int, bytes | None]] = []
        at, end = 1, len(payload)
        while at < end:
            try:
                code, algorithm, generation, length = _unpack_group(payload, at)
            except struct.error:
                raise UnreadableEvent(self._territory, position, "it was cut short") from None
            at += GROUP_BYTES
            body = payload[at : at + length]
            at += length
            if code == CLEAR_CODE:
                found.append((code, body))
            elif algorithm == AES_256_GCM:
                found.append((code, self._unseal(position, place, code, generation, body)))
            else:
                raise UnreadableEvent(self._territory, position, "unknown cipher")
        return found

    def _fields(self, row: Sequence[Any], shape: Shape, payload: bytes | None) -> dict[str, Any] | None:
        """The payload's fields; None once it is pruned or its coded facts are erased."""
        if payload is None:
            return None
        if payload.startswith(CLEAR_ONLY) and payload[5:9] == (len(payload) - 9).to_bytes(4, "big"):
            return self._with_points(shape, self._decode(row[0], shape, CLEAR_CODE, payload[9:]))
        fields: dict[str, Any] = {}
        for code, body in self.bodies(row[0], Place(self._territory, row[1], row[2], shape.topic, row[7]), payload):
            if body is not None:
                fields |= self._decode(row[0], shape, code, body)
            elif code == CASE_CODE:
                return None
            elif code in shape.groups:
                fields |= shape.groups[code].erased
        return self._with_points(shape, fields)

    def _with_points(self, shape: Shape, fields: dict[str, Any]) -> dict[str, Any]:
        for name in shape.points:
            if isinstance(fields.get(name), str):
                fields[name] = read_point(fields[name])
        return fields

    def _decode(self, position: int, shape: Shape, code: int, body: bytes) -> dict[str, Any]:
        group = shape.groups.get(code)
        if group is None:
            return {}  # Fields that today's type no longer has.
        try:
            return group.decode(body)
        except msgspec.DecodeError:  # Its text may quote a value: not chained.
            raise UnreadableEvent(self._territory, position, "its fields are not those of its topic") from None

    def _unseal(self, position: int, place: Place, code: int, generation: int, body: bytes) -> bytes | None:
        subject = place.subject
        if subject is None:
            raise UnreadableEvent(self._territory, position, "it is sealed for nobody")
        try:
            cipher = self._ciphers[subject, code, generation]
        except KeyError:
            cipher = self._ciphers[subject, code, generation] = self._cipher(subject, code, generation)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], _bound_to(place, code, generation))
        except InvalidTag:
            raise UnreadableEvent(self._territory, position, "it was altered, or moved from its place") from None

    def _cipher(self, subject: UUID, code: int, generation: int) -> AESGCM | None:
        key = self._keyrings.get(subject, {}).get(COMPARTMENTS[code])  # type: ignore[arg-type]
        if key is None or key.generation != generation:
            self.lacking.add(subject)
            return None
        return AESGCM(key.secret)

    def _erased(self, row: Sequence[Any], shape: Shape) -> Event:
        header = {
            "originator_id": row[1],
            "originator_version": row[2],
            "timestamp": row[4],
            "agency": row[5],
            "actor": row[6],
            "position": row[0],
            "topic": shape.topic,
        }
        if issubclass(shape.event_type, Created):
            origin = shape.event_type.ORIGINATOR
            return ErasedCreation(**header, originator_topic=origin, territory=self._territory, subject=row[7])
        return ErasedEvent(**header)
