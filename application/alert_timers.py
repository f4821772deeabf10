"""What time makes of alerts, recorded: each looked at as it now stands in the log, whatever a timer said."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from application.alert_streams import folded, readable
from application.event_log import Commit, EventLog, StaleVersion, Stored
from application.key_vault import KeyDestroyed
from domain.alert import Alert, Recipient
from domain.escalation import Course, Rises, Step, called_upon, event_of, next_step

PATHWAYS_AT_ONCE_MAX = 64
CourseOf: TypeAlias = Callable[[Alert], Course]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts of one pathway for which the time has come, with all the others there."""

    subject: UUID | None
    participants: Collection[str]
    alerts: Collection[UUID]


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """Of one territory, at one moment."""

    now: datetime
    course_of: CourseOf
    coordinators: Sequence[str]
    """The agencies of those who coordinate the territory."""


class AlertTimers:
    """Passing the same time again changes nothing: what was recorded is no longer due."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def pass_time(
        self, territory: str, waiting: Sequence[Waiting], circumstances: Circumstances
    ) -> dict[UUID, Alert]:
        """Record all that is due by now, in its order on each pathway; returns the alerts as they stand then.

        Without those that cannot be read.
        """
        every = sorted({alert_id for one in waiting for alert_id in one.alerts})
        streams = await readable(self._log, territory, every)
        turns = asyncio.Semaphore(PATHWAYS_AT_ONCE_MAX)

        async def pass_on(one: Waiting) -> dict[UUID, Alert]:
            alerts = folded_all(streams[alert_id] for alert_id in sorted(one.alerts) if alert_id in streams)
            async with turns:
                while (due := _soonest(alerts, circumstances)) is not None:
                    await self._record(territory, one, alerts, due, circumstances)
            return alerts

        passed = await asyncio.gather(*map(pass_on, waiting))
        return {alert_id: alert for alerts in passed for alert_id, alert in alerts.items()}

    async def _record(
        self,
        territory: str,
        waiting: Waiting,
        alerts: dict[UUID, Alert],
        due: tuple[UUID, Step],
        circumstances: Circumstances,
    ) -> None:
        """One step, and the alert as it stands after. Somebody may have been faster: then only the latter."""
        alert_id, step = due
        alert = alerts[alert_id]
        called: tuple[Recipient, ...] = ()
        if isinstance(step, Rises):
            called = called_upon(alert, step, circumstances.coordinators, waiting.participants)
        event = event_of(alert, step, circumstances.now, called)
        commit = Commit(
            stream_id=alert_id,
            expected_version=alert.version,
            events=[event],
            subject=waiting.subject,
            causation_id=event.pathway,
        )
        try:
            await self._log.append(territory, commit)
        except KeyDestroyed:  # Nothing more is recorded of a person whose data were erased.
            alert.erased = True
            return
        except StaleVersion:
            pass
        alerts |= folded_all([await self._log.read_stream(territory, alert_id)])


def _soonest(alerts: Mapping[UUID, Alert], circumstances: Circumstances) -> tuple[UUID, Step] | None:
    """What is due first on a pathway, by now; of several at once that of the first alert by id."""
    steps = steps_of(alerts, circumstances.course_of)
    found = [(alert_id, step) for alert_id, step in steps.items() if step.due <= circumstances.now]
    return min(found, key=lambda each: (each[1].due, each[0]), default=None)


def steps_of(alerts: Mapping[UUID, Alert], course_of: CourseOf) -> dict[UUID, Step]:
    """The next step of each alert of one pathway that has one."""
    steps: dict[UUID, Step] = {}
    for alert_id, alert in alerts.items():
        if alert.erased:
            continue
        beside = [other for other_id, other in alerts.items() if other_id != alert_id]
        step = next_step(alert, beside, course_of(alert))
        if step is not None:
            steps[alert_id] = step
    return steps


def folded_all(streams: Iterable[Sequence[Stored]]) -> dict[UUID, Alert]:
    return {alert.id: alert for history in streams if (alert := folded(history)) is not None}
