"""One file of events, checked by itself: it can be done for many files at a time."""

import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from api.verify.faults import Fault, fault
from api.verify.headers import Header, differing, read_header

MAGIC = b"unisson events 1\n"
ERASED = b"person.erased"
NO_PAYLOAD = 0xFFFFFFFF
"""In place of a payload's length, once it is pruned."""
_POSITION, _LENGTH = struct.Struct(">Q"), struct.Struct(">I")
FAULTS_MAX = 100


class Stored(NamedTuple):
    position: int
    header: bytes
    columns: bytes
    """Empty when the row's columns say what its header says."""
    payload_sha256: bytes
    leaf: bytes
    payload: bytes | None
    """None once pruned."""


class Stretch(NamedTuple):
    """What a stream does in one file: it must follow on from the files before."""

    first_version: int
    first_position: int
    last_version: int


class Pruned(NamedTuple):
    position: int
    subject: bytes
    topic: bytes


class Report(NamedTuple):
    """What the whole log must know of one file."""

    digest: str
    first: int
    last: int
    positions: list[int]
    """Of the leaves; empty when they follow on from `first` without a hole."""
    leaves: bytes
    streams: dict[bytes, Stretch]
    pruned: list[Pruned]
    erased: set[bytes]
    first_time: int
    last_time: int
    faults: list[Fault]


class _Damaged(Exception):
    def __init__(self, at: int) -> None:
        self.at = at


def check_segment(folder: Path, path: str, log: str, territory: bytes) -> Report:
    """`log` is the folder that faults are told of. Raises OSError."""
    content = (folder / path).read_bytes()
    check = _Check(log, territory)
    try:
        for stored in _stored(content):
            check.take(stored)
    except _Damaged as damage:
        check.faults.append(fault("segment-damaged", path, at=damage.at))
    return check.report(sha256(content).hexdigest())


def _stored(content: bytes) -> Iterator[Stored]:
    """Raises _Damaged where the bytes stop making sense."""
    if not content.startswith(MAGIC):
        raise _Damaged(0)
    at, end = len(MAGIC), len(content)
    while at < end:
        start = at
        fields = []
        try:
            (position,) = _POSITION.unpack_from(content, at)
            at += _POSITION.size
            for _ in range(5):
                (length,) = _LENGTH.unpack_from(content, at)
                body = at + _LENGTH.size
                at = body if length == NO_PAYLOAD else body + length
                fields.append(content[body:at])
        except struct.error:
            raise _Damaged(start) from None
        if at > end:
            raise _Damaged(start)
        header, columns, payload_sha256, leaf, payload = fields
        yield Stored(position, header, columns, payload_sha256, leaf, None if length == NO_PAYLOAD else payload)


class _Check:
    """Takes the events of a file one by one."""

    def __init__(self, log: str, territory: bytes) -> None:
        self.faults: list[Fault] = []
        self._log = log
        self._territory = territory
        self._positions: list[int] = []
        self._leaves: list[bytes] = []
        self._streams: dict[bytes, Stretch] = {}
        self._pruned: list[Pruned] = []
        self._erased: set[bytes] = set()
        self._times: list[int] = []

    def take(self, stored: Stored) -> None:
        position, header, columns, payload_sha256, leaf, payload = stored
        before = self._positions[-1] if self._positions else position - 1
        if position != before + 1:
            self._say("event-missing", before + 1, found=position) if position > before else self._say(
                "event-moved", position, before=before
            )
        self._positions.append(position)
        self._leaves.append(sha256(b"\x00" + header + payload_sha256).digest())
        if self._leaves[-1] != leaf:
            self._say("leaf-altered", position)
        if payload is not None and sha256(payload).digest() != payload_sha256:
            self._say("payload-altered", position)
        read = read_header(header)
        if read is None:
            self._say("header-damaged", position)
            return
        if columns:
            self._say("columns-altered", position, names=", ".join(differing(read, read_header(columns))))
        self._take_header(position, read, is_pruned=payload is None)

    def _take_header(self, position: int, header: Header, *, is_pruned: bool) -> None:
        if header.territory != self._territory:
            self._say("header-of-another-log", position)
        stream, version = header.stream_id, int.from_bytes(header.stream_version, "big")
        known = self._streams.get(stream)
        if known is None:
            self._streams[stream] = Stretch(version, position, version)
        else:
            if version != known.last_version + 1:
                self._say("version-broken", position, **out_of_turn(stream, version, known.last_version + 1))
            self._streams[stream] = known._replace(last_version=version)
        time = int.from_bytes(header.recorded_at, "big", signed=True)
        if self._times and time < self._times[-1]:
            self._say("time-backwards", position)
        self._times.append(time)
        if header.topic == ERASED:
            self._erased.add(header.subject)
        if is_pruned:
            self._pruned.append(Pruned(position, header.subject, header.topic))

    def report(self, digest: str) -> Report:
        positions = self._positions
        first, last = (positions[0], positions[-1]) if positions else (0, 0)
        is_dense = positions == list(range(first, first + len(positions)))
        return Report(
            digest,
            first,
            last,
            [] if is_dense else positions,
            b"".join(self._leaves),
            self._streams,
            self._pruned,
            self._erased,
            self._times[0] if self._times else 0,
            self._times[-1] if self._times else 0,
            self.faults,
        )

    def _say(self, code: str, position: int, **values: object) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault(code, self._log, position, **values))


def out_of_turn(stream: bytes, found: int, due: int) -> dict[str, object]:
    return {"stream": UUID(bytes=stream), "found": found, "due": due}
