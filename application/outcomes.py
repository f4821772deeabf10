"""Answers to requests that append no event, remembered under their idempotency keys like those of commands."""

from uuid import UUID

import msgspec

from application.access import Caller
from application.event_log import Commit, EventLog, Idempotency, IdempotencyKeyReused
from domain.ids import uuid7


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What makes two requests the same."""

    caller: Caller
    idempotency_key: str
    fingerprint: bytes


class Outcomes:
    """The outcome is stored after the work: cut off in between, the work may be done twice."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def recall(self, request: Request) -> bytes | None:
        """What this request was answered before. Raises IdempotencyKeyReused when the key served for another one."""
        caller = request.caller
        known = await self._log.outcome(caller.territory, caller.agency, request.idempotency_key)
        if known is None:
            return None
        fingerprint, outcome = known
        if fingerprint != request.fingerprint:
            raise IdempotencyKeyReused
        return outcome

    async def remember(self, request: Request, outcome: bytes) -> None:
        idempotency = Idempotency(
            client=request.caller.agency,
            key=request.idempotency_key,
            fingerprint=request.fingerprint,
            outcome=outcome,
        )
        nowhere: UUID = uuid7()  # An outcome belongs to a commit, and this commit has no event.
        commit = Commit(stream_id=nowhere, expected_version=0, events=(), idempotency=idempotency)
        await self._log.append(request.caller.territory, commit)
