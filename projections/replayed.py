"""What the alert board and the inboxes showed, folded again from the history of one alert or one pathway.

Pure, and the same as what the projections of these names keep: a test compares them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from application.event_log import Stored
from domain.alert import Alert, AlertCleared, AlertRaised, AlertReopened, AlertStatus, Recipient, Role, Sees
from domain.alert_escalation import level_of
from domain.alert_steps import AlertDelivered, AlertRead, AlertStep
from domain.pathway import Pathway
from projections.agency_inbox import InboxItem, alert_items, items_of, items_of_all
from projections.alert_board import TOLD_TO_ALL, AlertRow, is_quiet


class AlertThen(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stood."""

    row: AlertRow
    """In whose capacity it is read says `told_to`; here, as nobody's."""
    alert: Alert

    @property
    def inbox(self) -> tuple[InboxItem, ...]:
        """Whose inboxes it was in."""
        return tuple(alert_items(self.row.alert, self.alert))

    def items(self) -> tuple[InboxItem, ...]:
        """As it would stand in the inboxes of all whom it concerns."""
        return tuple(items_of_all(self.row.alert, self.alert))

    def told_to(self, agency: str) -> AlertRow | None:
        """As the agency was told of it; None when it did not concern it."""
        mine = next((each for each in self.row.recipients if each.agency == agency), None)
        return None if mine is None else msgspec.structs.replace(self.row, role=mine.role, sees=mine.sees)


def alert_then(history: Sequence[Stored]) -> AlertThen | None:
    """None when none of its events can be read any more."""
    row: AlertRow | None = None
    alert: Alert | None = None
    for stored in history:
        alert = stored.event.mutate(alert)
        match stored.event:
            case AlertRaised() | AlertReopened() as event:
                row = _raised(stored, event)
            case AlertCleared() as event if row is not None:
                row = msgspec.structs.replace(
                    row,
                    status=AlertStatus.CLEARED,
                    position=stored.position,
                    changed_at=event.on,
                    reason=event.reason.value,
                    news_at=event.on,
                    news_position=stored.position,
                )
            case AlertStep() as event if row is not None and not isinstance(event, AlertDelivered | AlertRead):
                row = msgspec.structs.replace(row, changed_at=event.on)
        if row is not None and isinstance(stored.event, TOLD_TO_ALL):
            row = msgspec.structs.replace(row, news_at=stored.event.on, news_position=stored.position)
    if row is None or alert is None:
        return None
    return AlertThen(row=_standing(row, alert, history[-1].position), alert=alert)


def inbox_then(pathway: Pathway, alerts: Iterable[InboxItem], now: datetime) -> list[InboxItem]:
    """What everyone had to do about a pathway, longest waiting first: what is due after `now` is not there yet."""
    items = [item for item in (*items_of(pathway), *alerts) if item.due is None or item.due <= now]
    return sorted(items, key=lambda item: (item.since, item.item, item.agency))


def _standing(row: AlertRow, alert: Alert, position: int) -> AlertRow:
    """With whatever was done about it."""
    if alert.erased:
        return row
    return msgspec.structs.replace(
        row,
        position=position,
        quiet=is_quiet(alert),
        severity=alert.severity,
        recipients=alert.recipients,
        responses=alert.responses,
        level=level_of(alert),
        waived_until=alert.waived_until,
        waived_by=alert.waived_by,
        waiver_code=alert.waiver_code,
    )


def _raised(stored: Stored, event: AlertRaised | AlertReopened) -> AlertRow:
    finding = msgspec.structs.asdict(event.finding)
    return AlertRow(
        **finding,
        alert=event.originator_id,
        position=stored.position,
        raised_at=event.on,
        changed_at=event.on,
        known_at=event.known_at,
        revision=event.revision if isinstance(event, AlertReopened) else 1,
        quiet=event.quiet,
        status=AlertStatus.OPEN,
        reason=None,
        because=event.because,
        news_at=event.on,
        news_position=stored.position,
        recipients=event.recipients,
        role=NOBODYS.role,
        sees=NOBODYS.sees,
    )


NOBODYS = Recipient("", Role.WATCHER, Sees.NOTICE)
