"""What the alert board and the inboxes showed, folded again from the history of one alert or one pathway.

Pure, and the same as what the projections of these names keep: a test compares them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from application.event_log import Stored
from domain.alert import AlertCleared, AlertDisclosed, AlertRaised, AlertReopened, AlertStatus, Recipient, Role, Sees
from domain.pathway import Pathway
from projections.agency_inbox import InboxItem, alert_items, items_of
from projections.alert_board import AlertRow


class AlertThen(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stood."""

    row: AlertRow
    """In whose capacity it is read says `told_to`; here, as nobody's."""
    raised: AlertRaised | AlertReopened
    """The last time."""
    inbox: tuple[InboxItem, ...]
    """Whose inboxes it was in."""

    def items(self) -> tuple[InboxItem, ...]:
        """As it would stand in the inboxes of all whom it concerns."""
        finding = self.raised.finding
        return tuple(alert_items(self.raised, finding.pathway, finding.rule))

    def told_to(self, agency: str) -> AlertRow | None:
        """As the agency was told of it; None when it did not concern it."""
        mine = next((each for each in self.row.recipients if each.agency == agency), None)
        return None if mine is None else msgspec.structs.replace(self.row, role=mine.role, sees=mine.sees)


def alert_then(history: Sequence[Stored]) -> AlertThen | None:
    """None when none of its events can be read any more."""
    row: AlertRow | None = None
    raised: AlertRaised | AlertReopened | None = None
    inbox: tuple[InboxItem, ...] = ()
    for stored in history:
        match stored.event:
            case AlertRaised() | AlertReopened() as event:
                row, raised = _raised(stored, event), event
                found = event.finding
                is_told = not (event.quiet or event.hidden)
                inbox = tuple(alert_items(event, found.pathway, found.rule)) if is_told else ()
            case AlertDisclosed() as event if not event.quiet:
                inbox = tuple(alert_items(event, event.pathway, event.rule))
            case AlertCleared() as event if row is not None:
                row = msgspec.structs.replace(
                    row,
                    status=AlertStatus.CLEARED,
                    position=stored.position,
                    changed_at=event.on,
                    reason=event.reason.value,
                )
                inbox = ()
    return None if row is None or raised is None else AlertThen(row=row, raised=raised, inbox=inbox)


def inbox_then(pathway: Pathway, alerts: Iterable[InboxItem], now: datetime) -> list[InboxItem]:
    """What everyone had to do about a pathway, longest waiting first: what is due after `now` is not there yet."""
    items = [item for item in (*items_of(pathway), *alerts) if item.due is None or item.due <= now]
    return sorted(items, key=lambda item: (item.since, item.item, item.agency))


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
        recipients=event.recipients,
        role=NOBODYS.role,
        sees=NOBODYS.sees,
    )


NOBODYS = Recipient("", Role.WATCHER, Sees.NOTICE)
