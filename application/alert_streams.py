"""The stream of one alert: folded, and added to. The rules, time, channels and agencies all write there."""

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from application.event_log import Appended, Commit, EventLog, Idempotency, Stored, UnreadableEvent
from domain.aggregate import Event
from domain.alert import Alert

ATTEMPTS = 12
"""How often something is decided again because somebody else wrote in between."""


def folded(history: Iterable[Stored]) -> Alert | None:
    """None: there is none, or these are events of something else. One about somebody erased is there, and says so."""
    alert: Any = None
    for stored in history:
        alert = stored.event.mutate(alert)
    return alert if isinstance(alert, Alert) else None


def living(history: Iterable[Stored]) -> Alert | None:
    """None for one about somebody erased, too."""
    alert = folded(history)
    return None if alert is None or alert.erased else alert


async def readable(
    log: EventLog, territory: str, alert_ids: Sequence[UUID], *, until_position: int | None = None
) -> dict[UUID, list[Stored]]:
    """Their streams, without those that cannot be read: one must not hold up the others."""
    try:
        return await log.read_streams(territory, alert_ids, until_position=until_position)
    except UnreadableEvent:
        if len(alert_ids) == 1:
            return {}
    half = len(alert_ids) // 2
    first = await readable(log, territory, alert_ids[:half], until_position=until_position)
    return first | await readable(log, territory, alert_ids[half:], until_position=until_position)


async def append_steps(
    log: EventLog,
    territory: str,
    alert: Alert,
    subject: UUID,
    *,
    idempotency: Idempotency | None = None,
    correlation_id: UUID | None = None,
) -> Appended:
    """Append the steps triggered on the alert. Raises what `EventLog.append` raises."""
    events = cast("list[Event]", alert.collect_events())
    assert alert.finding is not None
    commit = Commit(
        stream_id=alert.id,
        expected_version=alert.version - len(events),
        events=events,
        subject=subject,
        correlation_id=correlation_id,
        causation_id=alert.finding.pathway,
        idempotency=idempotency,
    )
    return await log.append(territory, commit)
