"""Raising and clearing alerts: what changed between two evaluations of a pathway, recorded in the log it came from."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from application.alert_streams import ATTEMPTS, folded
from application.event_log import Commit, EventLog, Idempotency, StaleVersion
from application.key_vault import KeyDestroyed
from domain.alert import Alert, AlertEvent, Disclosed, Found, Resolved, decide

CLIENT = "unisson"
APPENDS_AT_ONCE_MAX = 64


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One alert's situation changed. `key` is the same each time the same change is found again."""

    alert_id: UUID
    pathway: UUID
    subject: UUID | None
    what: Found | Disclosed | Resolved
    key: str
    correlation_id: UUID | None = None


class Alerts:
    """Alerts of every territory. Recording the same changes again changes nothing."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def record(self, territory: str, changes: Sequence[Change]) -> int:
        """Append what the changes make of each alert, in their order; returns how many events that made."""
        if not changes:
            return 0
        by_alert: dict[UUID, list[Change]] = {}
        for change in changes:
            by_alert.setdefault(change.alert_id, []).append(change)
        known = await self._load(territory, by_alert)
        turns = asyncio.Semaphore(APPENDS_AT_ONCE_MAX)
        counts = await asyncio.gather(
            *(self._record_one(territory, mine, known.get(alert_id), turns) for alert_id, mine in by_alert.items())
        )
        return sum(counts)

    async def _record_one(
        self, territory: str, changes: Sequence[Change], alert: Alert | None, turns: asyncio.Semaphore
    ) -> int:
        count = 0
        async with turns:
            for change in changes:
                for attempt in range(1, ATTEMPTS + 1):
                    event = decide(change.alert_id, alert, change.what)
                    if event is None:
                        break
                    try:
                        appended = await self._log.append(territory, _commit(change, event))
                    except StaleVersion:  # An agency said something of it, or a former owner was still writing.
                        if attempt == ATTEMPTS:
                            raise
                        alert = (await self._load(territory, [change.alert_id])).get(change.alert_id)
                        continue
                    except KeyDestroyed:  # Nothing more is recorded of a person whose data were erased.
                        return count
                    if appended.replayed is None:
                        alert = event.mutate(alert)
                        count += 1
                    break
        return count

    async def _load(self, territory: str, alert_ids: Iterable[UUID]) -> dict[UUID, Alert]:
        streams = await self._log.read_streams(territory, sorted(alert_ids))
        return {alert_id: alert for alert_id, history in streams.items() if (alert := folded(history)) is not None}


def _commit(change: Change, event: AlertEvent) -> Commit:
    return Commit(
        stream_id=change.alert_id,
        expected_version=event.originator_version - 1,
        events=[event],
        subject=change.subject,
        correlation_id=change.correlation_id,
        causation_id=change.pathway,
        idempotency=Idempotency(
            client=CLIENT,
            key=change.key,
            fingerprint=hashlib.sha256(change.key.encode()).digest(),
            outcome=b"",
        ),
    )
