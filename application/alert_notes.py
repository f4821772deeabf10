"""What agencies wrote in their own words about an alert: opened on request, for a purpose, and logged first."""

from uuid import UUID

from application.access import Caller
from application.access_log import AccessLog, Visit
from application.alert_answers import AlertDesk
from application.authorisation import authorise
from application.decision_table import Action
from application.pathways import Pathways
from domain.access_log import Opened
from domain.alert import Sees
from domain.alert_pause import AlertSnoozed, AlertWaived
from domain.alert_refusals import NoticeOnly
from domain.alert_steps import AlertAnswered, AlertDisputed
from domain.clock import Clock
from domain.compartments import Compartment
from domain.shares import AccessPurpose

TOPICS_WITH_TEXT = frozenset(each.TOPIC for each in (AlertAnswered, AlertDisputed, AlertSnoozed, AlertWaived))


class AlertNotes:
    def __init__(self, desk: AlertDesk, pathways: Pathways, access_log: AccessLog, clock: Clock) -> None:
        self._desk = desk
        self._pathways = pathways
        self._access_log = access_log
        self._clock = clock

    async def open(
        self, caller: Caller, alert_id: UUID, purpose: AccessPurpose, correlation_id: UUID | None = None
    ) -> dict[int, str]:
        """The texts, by version of the alert. Whoever wrote them wrote to all whom the alert concerns.

        Raises UnknownAlert, RightEnded, NoticeOnly, Forbidden, PurposeRequired, BudgetExceeded, and what
        `EventLog.append` raises: where the access cannot be written, nothing is shown.
        """
        case = await self._desk.read(caller, alert_id)
        assert case.alert.finding is not None
        if case.sees is not Sees.CONTENT:
            raise NoticeOnly
        pathway = await self._pathways.read(caller, case.alert.finding.pathway, Action.EXISTENCE)
        ground = authorise(caller, Action.OPEN_NOTES, pathway, at=self._clock.now(), purpose=purpose)
        visit = Visit(
            caller=caller,
            subject=case.subject,
            stream_id=alert_id,
            compartments=frozenset({Compartment.NOTES}),
            purpose=purpose,
            correlation_id=correlation_id,
        )
        opened = Opened(
            compartment=Compartment.NOTES,
            relation=ground.relation.value,
            legal_basis=ground.legal_basis,
            reference=ground.reference,
        )
        seen = await self._access_log.look(visit, TOPICS_WITH_TEXT, (opened,))
        return {
            stored.event.originator_version: text
            for stored in seen.events
            if isinstance(text := _text_of(stored.event), str)
        }


def _text_of(event: object) -> object:
    match event:
        case AlertAnswered(reason=text) | AlertSnoozed(reason=text) | AlertWaived(text=text) | AlertDisputed(text=text):
            return text
    return None
