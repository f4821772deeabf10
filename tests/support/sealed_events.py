"""Events as the log stores them, made without a domain: sealed bytes are any bytes to what watches over the log."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

from application.event_log import Appended
from domain.ids import uuid7
from infrastructure.append_call import SealedCommit
from infrastructure.event_codec import SealedEvent
from infrastructure.event_header import commit_tail, header_start, uuid_field
from infrastructure.group_writer import GroupWriter

T = "FR-34"


def sealed_commit(
    stream_id: UUID,
    *,
    after: int = 0,
    payloads: Sequence[bytes] = (b"sealed",),
    topic: str = "contact.recorded",
    agency: str = "ccas",
    subject: UUID | None = None,
    territory: str = T,
) -> SealedCommit:
    """A commit of one event per payload, following the stream's version `after`."""
    tail = commit_tail(subject, None, None)
    events = [
        SealedEvent(
            version,
            topic,
            agency,
            None,
            header_start(territory, uuid_field(stream_id), version, topic, agency, None, tail),
            payload,
            hashlib.sha256(payload).digest(),
        )
        for version, payload in enumerate(payloads, start=after + 1)
    ]
    return SealedCommit(
        stream_id=stream_id,
        expected_version=after,
        subject=subject,
        correlation_id=None,
        causation_id=None,
        idempotency=None,
        events=events,
    )


async def append(writer: GroupWriter, commit: SealedCommit, *, territory: str = T) -> Appended:
    return await writer.append(territory, commit)


async def append_person(writer: GroupWriter, events: int = 3, *, territory: str = T) -> UUID:
    """A stream about somebody; returns the subject, which is also the stream."""
    person = uuid7()
    payloads = [f"sealed {person} {number}".encode() for number in range(events)]
    await append(
        writer, sealed_commit(person, payloads=payloads, subject=person, territory=territory), territory=territory
    )
    return person


async def append_erasure(writer: GroupWriter, person: UUID, *, after: int, territory: str = T) -> None:
    """Says in the person's own stream that they were erased."""
    commit = sealed_commit(person, after=after, topic="person.erased", subject=person, territory=territory)
    await append(writer, commit, territory=territory)
