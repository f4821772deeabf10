"""Events to sealed rows and back."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.event_log import Commit, EventTooLarge, Stored, UnfitText, UnknownTopic, UnreadableEvent
from application.key_vault import Keyring, KeyVault
from domain.aggregate import EVENT_TYPES, Created, Event
from domain.compartments import Compartment
from domain.erasure import ErasedCreation, ErasedEvent
from domain.history import UPCASTERS, upcast
from infrastructure.event_header import commit_tail, header_start, uuid_field
from infrastructure.event_shape import CLEAR_CODE, CODES, COMPARTMENTS, Shape, read_point, shape_of, split
from infrastructure.sealed_payload import CLEAR, FORMAT, GROUP, Body, PayloadOpener, Place, seal_bodies

PAYLOAD_BYTES_MAX = 256 * 1024
CASE_CODE = CODES[Compartment.CASE]
CLEAR_START = FORMAT + GROUP.pack(CLEAR_CODE, CLEAR, 0, 0)[:4]
CLEAR_BODY_AT = len(FORMAT) + GROUP.size


class SealedEvent(NamedTuple):
    """One event ready to be stored, in the order of `append_events`; `header` still lacks the recorded time."""

    version: int
    topic: str
    agency: str
    actor: str | None
    header: bytes
    payload: bytes
    payload_sha256: bytes


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


SUBJECT = Row._fields.index("subject")


async def seal_commit(territory: str, commit: Commit, vault: KeyVault) -> list[SealedEvent]:
    """Makes the keys that are missing, then seals. Raises UnfitText, EventTooLarge, KeyDestroyed.

    Events about a person without a subject are a bug.
    """
    drafts = [_draft(event, sealed=commit.subject is not None) for event in commit.events]
    keyring: Keyring = {}
    if commit.subject is not None and any(event.OF_PERSON for event in commit.events):
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
    elif event.OF_PERSON and not any(code == CASE_CODE for code, _ in bodies):
        bodies.append((CASE_CODE, b"{}"))  # So that the key of coded facts opens, or erases, the event as a whole.
    return shape, bodies


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


async def open_rows(territory: str, rows: Sequence[Sequence[Any]], vault: KeyVault) -> list[Stored]:
    """Opens stored rows, in order. What a destroyed key sealed is `Erased`; what was altered raises UnreadableEvent."""
    subjects = {row[SUBJECT] for row in rows}
    subjects.discard(None)
    opener = RowOpener(territory, await vault.keyrings(territory, subjects) if subjects else {})
    opened = [opener.open(row) for row in rows]
    if not opener.lacking:
        return opened
    # A key unknown to the cache may have been made a moment ago: only the store can say that it is gone.
    again = RowOpener(territory, await vault.keyrings(territory, opener.lacking, fresh=True))
    return [
        again.open(row) if row[SUBJECT] in opener.lacking else stored for row, stored in zip(rows, opened, strict=True)
    ]


class RowOpener:
    """Opens rows of one territory with the keys at hand."""

    def __init__(self, territory: str, keyrings: Mapping[UUID, Keyring]) -> None:
        self._territory = territory
        self._payloads = PayloadOpener(territory, keyrings)

    @property
    def lacking(self) -> set[UUID]:
        """Subjects of whom a key was wanted that is not at hand."""
        return self._payloads.lacking

    def open(self, row: Sequence[Any]) -> Stored:
        position, stream_id, version, topic, recorded_at, agency, actor, subject, correlation, causation, payload = row
        event_type = EVENT_TYPES.get(topic)
        if event_type is None:
            raise UnknownTopic(self._territory, position, topic)
        shape = shape_of(event_type)
        fields = self._fields(position, shape, stream_id, version, subject, payload)
        event: Event
        if fields is None:
            event = self._erased(row, shape)
        else:
            if shape.points:
                _read_points(shape, fields)
            if shape.constants:
                fields |= shape.constants
            try:
                event = event_type(
                    originator_id=stream_id,
                    originator_version=version,
                    timestamp=recorded_at,
                    agency=agency,
                    actor=actor,
                    position=position,
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

    def _fields(
        self, position: int, shape: Shape, stream_id: UUID, version: int, subject: UUID | None, payload: bytes | None
    ) -> dict[str, Any] | None:
        """The payload's fields; None once it is pruned or its coded facts are erased."""
        if payload is None:
            return None
        if subject is None:
            if shape.event_type.OF_PERSON:
                raise UnreadableEvent(self._territory, position, "it is about a person and names none")
            if payload.startswith(CLEAR_START):  # By far the most common of them.
                body = payload[CLEAR_BODY_AT:]
                if payload[5:CLEAR_BODY_AT] == len(body).to_bytes(4, "big"):
                    return self._decode(position, shape, CLEAR_CODE, body)
        place = Place(self._territory, stream_id, version, shape.topic, subject)
        fields: dict[str, Any] = {}
        coded = subject is None or not shape.event_type.OF_PERSON  # What outlives a person.
        for code, opened in self._payloads.open_bodies(position, place, payload):
            if opened is not None:
                fields |= self._decode(position, shape, code, opened)
            elif code == CASE_CODE:
                return None
            elif code in shape.groups:
                fields |= shape.groups[code].erased
            coded |= code == CASE_CODE
        if not coded:
            raise UnreadableEvent(self._territory, position, "its coded facts are missing")
        return fields

    def _decode(self, position: int, shape: Shape, code: int, body: bytes) -> dict[str, Any]:
        group = shape.groups.get(code)
        if group is None:
            return {}  # Fields that today's type no longer has.
        try:
            return group.decode(body)
        except msgspec.DecodeError:  # Its text may quote a value: not chained.
            raise UnreadableEvent(self._territory, position, "its fields are not those of its topic") from None

    def _erased(self, row: Sequence[Any], shape: Shape) -> Event:
        stored = Row(*row)
        header: dict[str, Any] = {
            "originator_id": stored.stream_id,
            "originator_version": stored.stream_version,
            "timestamp": stored.recorded_at,
            "agency": stored.agency,
            "actor": stored.actor,
            "position": stored.position,
            "topic": shape.topic,
        }
        if issubclass(shape.event_type, Created):
            origin = shape.event_type.ORIGINATOR
            return ErasedCreation(**header, originator_topic=origin, territory=self._territory, subject=stored.subject)
        return ErasedEvent(**header)


def _read_points(shape: Shape, fields: dict[str, Any]) -> None:
    for name in shape.points:
        if isinstance(fields.get(name), str):
            fields[name] = read_point(fields[name])
