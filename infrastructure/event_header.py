"""The clear header of an event in canonical bytes, and the leaf hash computed from it.

One format byte, then each field after its length on two bytes (0 when absent): territory, stream id, stream version,
topic, agency, actor, subject, correlation id, causation id, recorded time in microseconds of the Unix epoch.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

FORMAT = b"\x01"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = b"\x00\x00"
_UUID_LENGTH = b"\x00\x10"
_VERSION_LENGTH = b"\x00\x04"
_TIME_LENGTH = b"\x00\x08"


class ParsedHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header read back from its bytes."""

    territory: str
    stream_id: UUID
    stream_version: int
    topic: str
    agency: str
    actor: str | None
    subject: UUID | None
    correlation_id: UUID | None
    causation_id: UUID | None
    recorded_at: datetime


@lru_cache(maxsize=8192)
def text_field(text: str | None) -> bytes:
    if text is None:
        return _ABSENT
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def uuid_field(value: UUID | None) -> bytes:
    return _ABSENT if value is None else _UUID_LENGTH + value.bytes


def version_field(version: int) -> bytes:
    return _VERSION_LENGTH + version.to_bytes(4, "big")


def commit_tail(subject: UUID | None, correlation_id: UUID | None, causation_id: UUID | None) -> bytes:
    """The part that all events of a commit share; ends with the length of the time, which the log adds."""
    return uuid_field(subject) + uuid_field(correlation_id) + uuid_field(causation_id) + _TIME_LENGTH


def header_start(
    territory: str, stream: bytes, version: int, topic: str, agency: str, actor: str | None, tail: bytes
) -> bytes:
    """All of the header but the recorded time; `stream` and `tail` are made once per commit."""
    return b"".join(
        (
            FORMAT,
            text_field(territory),
            stream,
            version_field(version),
            text_field(topic),
            text_field(agency),
            text_field(actor),
            tail,
        )
    )


def time_bytes(recorded_at: datetime) -> bytes:
    return ((recorded_at - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)


def column_header(territory: str, row: Any) -> bytes:
    """The header that a stored row's columns call for; another one stored beside them was altered, or they were."""
    return header_start(
        territory,
        uuid_field(row["stream_id"]),
        row["stream_version"],
        row["topic"],
        row["agency"],
        row["actor"],
        commit_tail(row["subject"], row["correlation_id"], row["causation_id"]),
    ) + time_bytes(row["recorded_at"])


def leaf_hash(header: bytes, payload_sha256: bytes) -> bytes:
    """RFC 6962 leaf: still verifiable once the payload is pruned."""
    return hashlib.sha256(b"\x00" + header + payload_sha256).digest()


def parse_header(header: bytes) -> ParsedHeader:
    """Inverse of `header_start` followed by `time_bytes`. Raises ValueError on anything else."""
    if header[:1] != FORMAT:
        raise ValueError("unknown header format")
    territory, stream, version, topic, agency, actor, subject, correlation, causation, time = _fields(header)
    return ParsedHeader(
        territory=territory.decode(),
        stream_id=UUID(bytes=stream),
        stream_version=int.from_bytes(version, "big"),
        topic=topic.decode(),
        agency=agency.decode(),
        actor=actor.decode() or None,
        subject=_uuid(subject),
        correlation_id=_uuid(correlation),
        causation_id=_uuid(causation),
        recorded_at=EPOCH + timedelta(microseconds=int.from_bytes(time, "big", signed=True)),
    )


def _fields(header: bytes) -> list[bytes]:
    fields, at = [], 1
    while at < len(header):
        length = int.from_bytes(header[at : at + 2], "big")
        fields.append(header[at + 2 : at + 2 + length])
        at += 2 + length
    return fields


def _uuid(raw: bytes) -> UUID | None:
    return UUID(bytes=raw) if raw else None
