"""The clear header of an event, read from its bytes: what the log says happened, where, when and by whom."""

from typing import NamedTuple

FORMAT = b"\x01"
NAMES = (
    "territory",
    "stream_id",
    "stream_version",
    "topic",
    "agency",
    "actor",
    "subject",
    "correlation_id",
    "causation_id",
    "recorded_at",
)
_ABSENT_OR_ID = frozenset({0, 16})


class Header(NamedTuple):
    """Raw bytes of each field, in the order they are stored; empty when absent."""

    territory: bytes
    stream_id: bytes
    stream_version: bytes
    topic: bytes
    agency: bytes
    actor: bytes
    subject: bytes
    correlation_id: bytes
    causation_id: bytes
    recorded_at: bytes
    """Microseconds of the Unix epoch, signed, so that later times compare greater from 1970 on."""


def read_header(raw: bytes) -> Header | None:
    """None when these bytes are no header."""
    if raw[:1] != FORMAT:
        return None
    fields = []
    at = 1
    try:
        for _ in NAMES:
            start = at + 2
            at = start + (raw[at] << 8 | raw[at + 1])
            fields.append(raw[start:at])
    except IndexError:
        return None
    header = Header(*fields)
    sizes = (len(header.stream_id), len(header.stream_version), len(header.recorded_at))
    ids = {len(header.subject), len(header.correlation_id), len(header.causation_id)}
    if at != len(raw) or sizes != (16, 4, 8) or not ids <= _ABSENT_OR_ID:
        return None
    return header


def differing(header: Header, columns: Header | None) -> list[str]:
    """Names of the fields that a row's columns tell otherwise than its header."""
    if columns is None:
        return ["?"]
    return [name for name, ours, theirs in zip(NAMES, header, columns, strict=True) if ours != theirs]
