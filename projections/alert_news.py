"""Who hears of what happens to an alert: all whom it concerns, or those who see what it is about; never who did it."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from application.alert_histories import Moment
from application.event_log import Stored
from application.messages import Audience
from domain.alert import Alert, AlertCleared, AlertDisclosed, AlertRaised, AlertReopened, Recipient, Role, Sees
from domain.alert_escalation import AlertEscalated, EscalationLevel
from domain.alert_pause import AlertWaived, AlertWaiverEnded, AlertWoken, WaiverEnd
from domain.alert_steps import AlertAcknowledged, AlertAnswered, AlertDisputed, AlertStepTold
from projections.news import News


def moment_of(stored: Stored) -> Moment | None:
    """Of the alert that has to be looked at to tell of this event; None when the event says all, or tells nobody."""
    match stored.event:
        case AlertDisclosed(quiet=False) | AlertWoken() | AlertStepTold():
            return Moment(stored.event.originator_id, stored.position)
    return None


def news_of(stored: Stored, alert: Alert | None) -> Iterator[News]:
    """What an event of an alert tells, with the alert as it stood then, where `moment_of` asks for it."""
    match stored.event:
        case AlertRaised(quiet=False, hidden=False) | AlertReopened(quiet=False, hidden=False) as event:
            yield from _news(stored, event.finding.pathway, event.recipients, event.finding.severity)
        case AlertCleared(quiet=False) as event:
            yield from _news(stored, event.pathway, event.recipients, None)
        case _ if alert is not None:
            yield from _of_steps(stored, alert)


def _of_steps(stored: Stored, alert: Alert) -> Iterator[News]:
    match stored.event:
        case AlertDisclosed() as event:  # For whoever hears of it only now, it is raised now.
            yield from _news(stored, event.pathway, event.recipients, alert.severity, AlertRaised.TOPIC)
        case AlertWoken() as event:
            sleeper = (one for one in alert.recipients if one.agency == event.of)
            yield from _news(stored, event.pathway, sleeper, alert.severity)
        case AlertEscalated() as event:
            yield from _of_escalation(stored, event)
        case AlertWaiverEnded(because=WaiverEnd.WITHDRAWN) as event:
            # Put aside and taken up again, over and over, it would wake everybody each time.
            for each in _news(stored, event.pathway, event.concerned, alert.severity):
                yield each._replace(may_wait=True)
        case AlertAnswered() | AlertWaived() | AlertWaiverEnded() as event:
            yield from _news(stored, event.pathway, event.concerned, alert.severity)
        case AlertAcknowledged() | AlertDisputed() as event:
            entitled = (one for one in event.concerned if one.sees is Sees.CONTENT)
            yield from _news(stored, event.pathway, entitled, alert.severity)


def _of_escalation(stored: Stored, event: AlertEscalated) -> Iterator[News]:
    """Those called upon hear of it as what they are called upon for, the others as before."""
    called = {one.agency: one for one in event.recipients}
    others = (one for one in event.concerned if one.agency not in called)
    for each in _news(stored, event.pathway, [*others, *called.values()], event.severity):
        one = called.get(each.agency)
        yield each._replace(level=event.level.value, audience=None if one is None else _audience(event.level, one))


def _audience(level: EscalationLevel, called: Recipient) -> Audience:
    if called.role is Role.COORDINATOR:
        return Audience.COORDINATOR
    # A rule calls upon the leads of the owners, or else upon an agency by its name, which then watches.
    return Audience.LEAD if level is EscalationLevel.LEAD or called.role is not Role.WATCHER else Audience.TEAM


def _news(
    stored: Stored, pathway: UUID, told: Iterable[Recipient], severity: str | None, topic: str | None = None
) -> Iterator[News]:
    name = (topic or stored.topic).partition("@")[0]
    for one in told:
        if one.agency != stored.event.agency:
            about = pathway if one.sees is Sees.CONTENT else None
            yield News(stored, name, one.agency, stored.event.originator_id, about, severity)
