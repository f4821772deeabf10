"""Measures on a pathway that its person's rights ask for: restricting it, lifting that, holding it, releasing it."""

from uuid import UUID

import msgspec

from application.access import Caller
from application.authorisation import authorise
from application.civil_time import ZoneOf, in_paris
from application.decision_table import Action
from application.erasure import Traces
from application.event_log import Appended, Commit, EventLog, Idempotency, StaleVersion
from application.key_vault import KeyDestroyed, KeyVault
from application.pathways import PersonErased, fold
from application.snapshots import Snapshots
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act
from domain.errors import DomainError
from domain.pathway import NotAParticipant, Pathway
from domain.restriction import LiftRestriction, RestrictPathway
from domain.rights import Measure

ATTEMPTS = 4


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A measure was carried out, durably."""

    pathway_id: UUID
    id: UUID | None
    """Of the measure that began; None when one ended."""
    version: int
    position: int
    replayed: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and under which key the same request may come again; without a key it is another one each time."""

    agency: str
    agent: str | None = None
    key: str | None = None
    fingerprint: bytes = b""
    cause: UUID | None = None

    def idempotency(self, begun: UUID | None) -> Idempotency | None:
        if self.key is None:
            return None
        outcome = msgspec.json.encode(begun)
        return Idempotency(client=self.agency, key=self.key, fingerprint=self.fingerprint, outcome=outcome)


class Rights:
    """Straight on the log: whoever takes these measures takes no part in the pathway."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        vault: KeyVault,
        snapshots: Snapshots,
        traces: Traces,
        zone_of: ZoneOf = in_paris,
    ) -> None:
        self._log = log
        self._clock = clock
        self._vault = vault
        self._snapshots = snapshots
        self._traces = traces
        self._zone_of = zone_of

    async def ask(
        self,
        caller: Caller,
        pathway_id: UUID,
        measure: Measure,
        *,
        key: str,
        fingerprint: bytes,
        cause: UUID | None = None,
    ) -> Measured:
        """In the name of who calls. Raises NotAParticipant, Forbidden, and what `carry_out` raises."""
        pathway = await self.read(caller.territory, pathway_id)
        authorise(caller, Action.RESTRICT, pathway, at=self._clock.now())
        asked = Asked(agency=caller.agency, agent=caller.agent, key=key, fingerprint=fingerprint, cause=cause)
        return await self.carry_out(caller.territory, pathway_id, measure, asked)

    async def carry_out(self, territory: str, pathway_id: UUID, measure: Measure, asked: Asked) -> Measured:
        """Raises NotAParticipant, PersonErased, IdempotencyKeyReused, and what the measure itself may raise.

        Keys are withheld after the pathway says so, and given back before: stopped in between, it stays refused.
        """
        if isinstance(measure, LiftRestriction):
            await self._withhold(territory, await self.read(territory, pathway_id), restricted=False)
        try:
            return await self._record(territory, pathway_id, measure, asked)
        except DomainError:
            replayed = await self._replayed(territory, pathway_id, asked)
            if replayed is None:
                raise
            return replayed
        finally:
            if isinstance(measure, RestrictPathway):
                await self._withhold_if_restricted(territory, pathway_id)

    async def read(self, territory: str, pathway_id: UUID) -> Pathway:
        """The pathway as the log has it. Raises NotAParticipant when there is none."""
        pathway = fold(None, await self._log.read_stream(territory, pathway_id))
        if not isinstance(pathway, Pathway):
            raise NotAParticipant
        return pathway

    async def _withhold(self, territory: str, pathway: Pathway, *, restricted: bool) -> None:
        """What was remembered or kept meanwhile lacks what was withheld: it is dropped."""
        assert pathway.subject is not None, "a pathway without a person"
        await self._vault.restrict(territory, pathway.subject, restricted)
        await self._snapshots.forget(territory, pathway.id)
        await self._traces.tell_processes(territory, pathway.id)

    async def _withhold_if_restricted(self, territory: str, pathway_id: UUID) -> None:
        """Asked again after a crash, what was left undone is done."""
        pathway = await self.read(territory, pathway_id)
        if pathway.is_restricted:
            await self._withhold(territory, pathway, restricted=True)

    async def _replayed(self, territory: str, pathway_id: UUID, asked: Asked) -> Measured | None:
        """A refused measure may be one that was taken before: then the answer it was given stands."""
        if asked.key is None or await self._log.outcome(territory, asked.agency, asked.key) is None:
            return None
        commit = Commit(stream_id=pathway_id, expected_version=0, events=(), idempotency=asked.idempotency(None))
        return _measured(pathway_id, None, await self._log.append(territory, commit))

    async def _record(self, territory: str, pathway_id: UUID, measure: Measure, asked: Asked) -> Measured:
        for attempts_left in reversed(range(ATTEMPTS)):
            pathway = await self.read(territory, pathway_id)
            if pathway.erased:
                raise PersonErased
            at = self._clock.now()
            today = at.astimezone(self._zone_of(territory)).date()
            begun = measure.decide(pathway, Act(agency=asked.agency, agent=asked.agent, at=at, today=today))
            events = [event for event in pathway.collect_events() if isinstance(event, Event)]
            commit = Commit(
                stream_id=pathway_id,
                expected_version=pathway.version - len(events),
                events=events,
                subject=pathway.subject,
                correlation_id=asked.cause,
                idempotency=asked.idempotency(begun),
            )
            try:
                return _measured(pathway_id, begun, await self._log.append(territory, commit))
            except StaleVersion:
                if not attempts_left:
                    raise
                continue
            except KeyDestroyed:
                raise PersonErased from None
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def _measured(pathway_id: UUID, begun: UUID | None, appended: Appended) -> Measured:
    if appended.replayed is not None:
        begun = msgspec.json.decode(appended.replayed, type=UUID | None)
    return Measured(
        pathway_id=pathway_id,
        id=begun,
        version=appended.version,
        position=appended.last_position,
        replayed=appended.replayed is not None,
    )
