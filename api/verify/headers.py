"""The clear header of an event, read from its bytes: what the log says happened, where, when and by whom."""

from typing import NamedTuple

FORMAT = 1
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
_LENGTHS = {"stream_id": (16,), "stream_version": (4,), "recorded_at": (8,)} | dict.fromkeys(
    ("subject", "correlation_id", "causation_id"), (0, 16)
)
_CHECKED = [(place, _LENGTHS[name]) for place, name in enumerate(NAMES) if name in _LENGTHS]


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
    if raw[:1] != b"\x01":
        return None
    fields = []
    at = 1
    for _ in NAMES:
        start = at + 2
        at = start + int.from_bytes(raw[at:start], "big")
        fields.append(raw[start:at])
    if at != len(raw) or any(len(fields[place]) not in allowed for place, allowed in _CHECKED):
        return None
    return Header(*fields)


def differing(header: Header, columns: Header | None) -> list[str]:
    """Names of the fields that a row's columns tell otherwise than its header."""
    if columns is None:
        return ["?"]
    return [name for name, ours, theirs in zip(NAMES, header, columns, strict=True) if ours != theirs]
