"""Answering a person who asks what is known of them: prepare, read over, release. Each reading is in the access log."""

from collections.abc import Sequence
from uuid import UUID

from application.access import Caller
from application.access_log import AccessLog, Visit
from application.accesses import Accesses
from application.authorisation import Forbidden, Ground, authorise
from application.civil_time import ZoneOf, in_paris
from application.decision_table import Action
from application.erasure import Traces
from application.event_log import Commit, EventLog, StaleVersion
from application.key_vault import KeyDestroyed
from application.pathways import Pathways, PersonErased, fold
from application.subject_document import Document, document_of
from domain.access_log import OPENABLE, Opened
from domain.aggregate import EVENT_TYPES, Event, compartments_of
from domain.alert import Alert
from domain.clock import Clock
from domain.command import Act
from domain.errors import DomainError
from domain.ids import uuid8_of
from domain.pathway import Pathway
from domain.retention import RetentionPolicy
from domain.roles import Role
from domain.shares import AccessPurpose
from domain.subject_access import SubjectAccess, Withheld, prepare

LEGAL_BASIS = "rgpd-15"


class UnknownSubjectAccess(DomainError):
    """There is no such answer for this pathway."""

    code = "unknown_subject_access"
    status = 404
    title_fr = "Cette réponse n'existe pas pour ce parcours."


class NothingToWithhold(DomainError):
    """What is to be withheld is not in this answer: name each passage by its version and its field."""

    code = "nothing_to_withhold"
    status = 422
    title_fr = "Ce qui est à retirer n'est pas dans cette réponse : nommez chaque passage par sa version et son champ."


class SubjectAccesses:
    """Nothing of an answer is stored but up to where it reads and what it withholds."""

    def __init__(
        self,
        log: EventLog,
        pathways: Pathways,
        access_log: AccessLog,
        accesses: Accesses,
        traces: Traces,
        clock: Clock,
        policy: RetentionPolicy | None = None,
        zone_of: ZoneOf = in_paris,
    ) -> None:
        self._log = log
        self._pathways = pathways
        self._access_log = access_log
        self._accesses = accesses
        self._traces = traces
        self._clock = clock
        self._policy = policy or RetentionPolicy()
        self._zone_of = zone_of

    async def prepare(self, caller: Caller, pathway_id: UUID, key: str) -> SubjectAccess:
        """Under the same key, the same answer again. Raises NotAParticipant, Forbidden, PersonErased."""
        pathway, _ = await self._allowed(caller, pathway_id)
        access_id = uuid8_of("subject-access", caller.territory, str(pathway_id), caller.agency, key)
        access = prepare(access_id, pathway_id, pathway.version, self._act(caller))
        try:
            await self._append(caller.territory, pathway, access)
        except StaleVersion:
            return await self._load(caller.territory, pathway_id, access_id)
        return access

    async def release(
        self, caller: Caller, pathway_id: UUID, access_id: UUID, withheld: Sequence[Withheld]
    ) -> SubjectAccess:
        """Let it be handed over, without what is about others.

        Raises UnknownSubjectAccess, AlreadyReleased, NothingToWithhold; Forbidden but to the officer: the lead of an
        agency, who opens no content otherwise, gives an answer that somebody else has read.
        """
        pathway, _ = await self._allowed(caller, pathway_id)
        _must_read_over(caller)
        access = await self._load(caller.territory, pathway_id, access_id)
        if access.released and access.withheld == tuple(withheld):
            return access
        await self._must_be_there(caller.territory, access, withheld)
        access.release(tuple(withheld), self._act(caller))
        await self._append(caller.territory, pathway, access)
        return access

    async def read(
        self, caller: Caller, pathway_id: UUID, access_id: UUID, correlation_id: UUID | None = None
    ) -> Document:
        """What is known of the person: all of it while it is a draft. Written into the access log first.

        Raises Forbidden for a draft, but to the data-protection officer.
        """
        pathway, ground = await self._allowed(caller, pathway_id)
        access = await self._load(caller.territory, pathway_id, access_id)
        if not access.released:
            _must_read_over(caller)
        assert pathway.subject is not None, "a pathway without a person"
        visit = Visit(
            caller=caller,
            subject=pathway.subject,
            stream_id=pathway_id,
            compartments=OPENABLE,
            purpose=AccessPurpose.RIGHTS,
            correlation_id=correlation_id,
        )
        opened = tuple(
            Opened(compartment=each, relation=ground.relation.value, legal_basis=LEGAL_BASIS, reference=access_id)
            for each in sorted(OPENABLE)
        )
        seen = await self._access_log.look(visit, frozenset(EVENT_TYPES), opened)
        events = [each for each in seen.events if each.event.originator_version <= access.version_known]
        then = fold(None, events)
        if not isinstance(then, Pathway) or then.erased:
            raise PersonErased
        return document_of(
            access_id,
            then,
            events,
            await self._alerts(caller.territory, pathway),
            await self._accesses.accesses_of(caller.territory, pathway.subject),
            withheld=access.withheld,
            draft=not access.released,
            policy=self._policy,
        )

    async def _must_be_there(self, territory: str, access: SubjectAccess, withheld: Sequence[Withheld]) -> None:
        """A passage that was named wrongly would be handed over."""
        history = (await self._log.read_stream(territory, access.pathway_id))[: access.version_known]
        said = {
            (stored.event.originator_version, name)
            for stored in history
            for name in compartments_of(EVENT_TYPES[stored.topic])
        }
        for number, each in enumerate(withheld):
            if (each.version, each.field) not in said:
                raise NothingToWithhold(field=f"/withheld/{number}")

    async def _allowed(self, caller: Caller, pathway_id: UUID) -> tuple[Pathway, Ground]:
        pathway = await self._pathways.read(caller, pathway_id, Action.EXPORT_SUBJECT)
        if pathway.erased:
            raise PersonErased
        return pathway, authorise(caller, Action.EXPORT_SUBJECT, pathway, at=self._clock.now())

    async def _alerts(self, territory: str, pathway: Pathway) -> list[Alert]:
        streams = await self._traces.alerts_of(territory, pathway.id)
        alerts: list[Alert] = []
        for history in (await self._log.read_streams(territory, streams)).values():
            alert: Alert | None = None
            for stored in history:
                alert = stored.event.mutate(alert)
            if alert is not None:
                alerts.append(alert)
        return alerts

    async def _load(self, territory: str, pathway_id: UUID, access_id: UUID) -> SubjectAccess:
        access: SubjectAccess | None = None
        for stored in await self._log.read_stream(territory, access_id):
            access = stored.event.mutate(access)
        if not isinstance(access, SubjectAccess) or access.pathway_id != pathway_id:
            raise UnknownSubjectAccess
        return access

    async def _append(self, territory: str, pathway: Pathway, access: SubjectAccess) -> None:
        events = [event for event in access.collect_events() if isinstance(event, Event)]
        commit = Commit(
            stream_id=access.id,
            expected_version=access.version - len(events),
            events=events,
            subject=pathway.subject,
            causation_id=pathway.id,
        )
        try:
            await self._log.append(territory, commit)
        except KeyDestroyed:
            raise PersonErased from None

    def _act(self, caller: Caller) -> Act:
        at = self._clock.now()
        today = at.astimezone(self._zone_of(caller.territory)).date()
        return Act(agency=caller.agency, agent=caller.agent, at=at, today=today)


def _must_read_over(caller: Caller) -> None:
    """Raises Forbidden."""
    if Role.DPO not in caller.roles:
        raise Forbidden("The data-protection officer reads an answer over before anybody else does.")
