"""The stream of one alert: folded, and added to. The rules, time, channels and agencies all write there."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from application.event_log import Appended, Commit, EventLog, Idempotency, Stored
from domain.aggregate import Event
from domain.alert import Alert

ATTEMPTS = 12
"""How often something is decided again because somebody else wrote in between."""


def folded(history: Sequence[Stored]) -> Alert | None:
    """None: there is none, it is about somebody erased, or these are events of something else."""
    alert: Alert | None = None
    for stored in history:
        alert = stored.event.mutate(alert)
    return alert if isinstance(alert, Alert) and not alert.erased else None


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
