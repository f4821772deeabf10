"""Who may still be told, asked just before a message goes, by whatever channel: rights end while messages wait."""

from uuid import UUID

from application.access import Caller
from application.alert_histories import alert_now
from application.event_log import EventLog
from application.key_vault import KeyRestricted
from application.message_types import MESSAGE_TYPES, MessageTypes, Subject
from application.messages import Message
from application.pathways import Pathways, PersonErased
from domain.alert import Sees
from domain.pathway import NotAParticipant


class RightToKnow:
    """One that leads to a pathway goes only to who takes part in it, one about an alert only to whom it concerns."""

    def __init__(self, pathways: Pathways, log: EventLog, types: MessageTypes = MESSAGE_TYPES) -> None:
        self._pathways = pathways
        self._log = log
        self._types = types

    async def may_send(self, territory: str, agency: str, message: Message) -> bool:
        """A no is for good: whoever is told again later is told by a message of its own."""
        if message.pathway is not None and not await self._reads(territory, agency, message.pathway):
            return False
        if self._types[message.type].subject is Subject.ALERT:
            return await self._is_concerned(territory, agency, message)
        return True

    async def _is_concerned(self, territory: str, agency: str, message: Message) -> bool:
        """Who was told the content and may no longer read it is not told the rest as a notice."""
        alert = await alert_now(self._log, territory, message.subject_id)
        recipient = None if alert is None else alert.recipient(agency)
        if alert is None or alert.finding is None or recipient is None:
            return False
        if recipient.sees is Sees.NOTICE or message.pathway is not None:
            return True
        return await self._reads(territory, agency, alert.finding.pathway)

    async def _reads(self, territory: str, agency: str, pathway: UUID) -> bool:
        try:
            await self._pathways.read(Caller(territory=territory, agency=agency), pathway)
        except (NotAParticipant, KeyRestricted, PersonErased):
            return False
        return True
