"""Recording, in an alert, that it reached an agency: the first delivery of each revision, whatever the channel."""

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from application.alert_receipts import Delivery
from application.alert_streams import ATTEMPTS, append_steps, living
from application.event_log import EventLog, StaleVersion, Stored, UnreadableEvent
from application.key_vault import KeyDestroyed
from domain.alert import Alert, AlertRaised, AlertReopened, AlertStatus
from domain.alert_steps import AlertDelivered
from domain.clock import Clock
from domain.command import Act
from domain.pathway import SYSTEM

ALERTS_AT_ONCE_MAX = 64


class AlertDeliveries:
    """See `application.alert_receipts.Recorder`."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def record(self, territory: str, deliveries: Iterable[Delivery]) -> int:
        by_alert: dict[UUID, list[Delivery]] = {}
        for delivery in deliveries:
            by_alert.setdefault(delivery.alert_id, []).append(delivery)
        turns = asyncio.Semaphore(ALERTS_AT_ONCE_MAX)

        async def of_alert(alert_id: UUID) -> int:
            async with turns:
                return await self._record(territory, alert_id, by_alert[alert_id])

        return sum(await asyncio.gather(*map(of_alert, by_alert)))

    async def _record(self, territory: str, alert_id: UUID, deliveries: Sequence[Delivery]) -> int:
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                history = await self._log.read_stream(territory, alert_id)
            except UnreadableEvent:  # Whoever follows the log shows it; others are told of all the same.
                return 0
            alert = living(history)
            if alert is None or history[0].subject is None:
                return 0
            recorded = self._deliver(alert, history, deliveries)
            if not recorded:
                return 0
            try:
                await append_steps(self._log, territory, alert, history[0].subject)
            except KeyDestroyed:
                return 0
            except StaleVersion:
                if not attempts_left:
                    raise
            else:
                return recorded
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _deliver(self, alert: Alert, history: Sequence[Stored], deliveries: Sequence[Delivery]) -> int:
        """Trigger what these deliveries are the first of. A cleared alert needs to reach nobody any more."""
        raised = max(stored.position for stored in history if isinstance(stored.event, AlertRaised | AlertReopened))
        now, version = self._clock.now(), alert.version
        nobody = Act(agency=SYSTEM, agent=None, at=now, today=now.date())
        for delivery in sorted(deliveries, key=lambda each: each.at):
            is_first = alert.response_of(delivery.agency).delivered_at is None and delivery.position >= raised
            if is_first and alert.status is AlertStatus.OPEN and alert.recipient(delivery.agency) is not None:
                # Channels go by the real time. Where another clock dates the events, its time is the one that counts.
                at = delivery.at if alert.changed and alert.changed[0] <= delivery.at <= now else now
                alert.step(AlertDelivered, nobody, on=at, to=delivery.agency, channel=delivery.channel)
        return alert.version - version
