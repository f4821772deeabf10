"""Erasing a person, step by step: each step is carried out, then recorded; after a crash the last one is done again."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from application.event_log import Commit, EventLog, StaleVersion
from application.kek_epochs import KEPT, KekEpochs
from application.key_vault import KeyVault
from application.pathways import fold
from application.pruning import Pruning
from application.recipients import recipients_of
from application.snapshots import Snapshots
from domain.aggregate import Event
from domain.clock import Clock
from domain.compartments import Compartment
from domain.errors import DomainError
from domain.pathway import SYSTEM, Pathway
from domain.person_erasure import (
    Erasure,
    ErasureGround,
    PersonErased,
    Step,
    erasure_id_of,
    request_erasure,
)
from domain.retention import LegalHold

ATTEMPTS = 4
REWRAPPED_AT_ONCE = 10_000
ALERTS_IN_ONE_EVENT = 4_000
"""What fits easily."""
ERASED_CHANNEL = "unisson_erased"
"""Notified with `territory pathway` when every process has to let go of what it remembers of a pathway."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What the agencies that knew of a person are told (art. 19): which pathway is gone, and nothing else."""

    territory: str
    erasure_id: UUID
    pathway: UUID
    position: int
    recipients: Sequence[str]


class Traces(Protocol):
    """What an installation keeps of a person beside the log, the vault and the read models."""

    async def alerts_of(self, territory: str, pathway: UUID) -> list[UUID]:
        """Streams of the alerts about the pathway, whether or not they can still be opened; sorted."""

    async def tell_processes(self, territory: str, pathway: UUID) -> None:
        """Let every process drop what it remembers of the pathway."""

    async def purge_messages(self, territory: str, subject: UUID, pathway: UUID, alerts: Sequence[UUID]) -> int:
        """Delete what was or is to be told about the pathway, and the remembered outcomes of commands on it."""

    async def notify(self, notice: Notice, now: datetime) -> int:
        """Put one message per agency in the outbox; one that is there already is not put twice."""


class BlindIndex(Protocol):
    """What is needed of the index of identities."""

    async def forget(self, territory: str, subject: UUID) -> int:
        """Delete a person's hashes; returns how many there were. Doing it again changes nothing."""


class ReadModels(Protocol):
    """Everything that is folded from the log."""

    async def settled(self, territory: str, position: int) -> bool:
        """Whether every view in use shows all up to the position; waits for a moment before it says no."""

    async def sweep(self, territory: str, pathway: UUID, alerts: Sequence[UUID]) -> int:
        """Delete whatever rows are left of the pathway, in views being built too; returns how many there were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """All that holds something of a person."""

    vault: KeyVault
    epochs: KekEpochs
    snapshots: Snapshots
    read_models: ReadModels
    blind_index: BlindIndex
    traces: Traces
    pruning: Pruning


class UnknownErasure(DomainError):
    """There is no such erasure."""

    code = "unknown_erasure"
    status = 404
    title_fr = "Cet effacement n'existe pas."


class Erasures:
    """Asks for erasures, and carries them out. Two processes may advance the same one: each step is safe to repeat."""

    def __init__(self, log: EventLog, clock: Clock, means: Means) -> None:
        self._log = log
        self._clock = clock
        self._means = means
        self._steps: Mapping[Step, Callable[[_Turn], Awaitable[bool]]] = {
            Step.HOLD_CHECKED: self._check_hold,
            Step.KEYS_DESTROYED: self._destroy_keys,
            Step.CACHES_PURGED: self._purge_caches,
            Step.SNAPSHOTS_PURGED: self._purge_snapshots,
            Step.PROJECTIONS_PURGED: self._purge_projections,
            Step.BLIND_INDEX_PURGED: self._purge_blind_index,
            Step.OUTBOX_PURGED: self._purge_outbox,
            Step.PARTNERS_NOTIFIED: self._notify_partners,
            Step.PAYLOADS_PRUNED: self._prune_payloads,
            Step.KEK_EPOCH_DESTROYED: self._destroy_epoch,
            Step.CERTIFIED: self._certify,
        }

    async def request(self, pathway: Pathway, ground: ErasureGround, *, agency: str, agent: str | None) -> Erasure:
        """Ask for a person's erasure; asked for already, it is the same one. Raises LegalHold.

        Whether the caller may ask is for the caller of this to check.
        """
        if pathway.rights.hold is not None:
            raise LegalHold
        territory, erasure_id = pathway.territory, erasure_id_of(pathway.territory, pathway.id)
        for _ in range(ATTEMPTS):
            erasure, now = await self._load(territory, erasure_id), self._clock.now()
            if erasure is None:
                assert pathway.subject is not None, "a pathway without a person"
                erasure = request_erasure(territory, pathway.id, pathway.subject, ground, agency, agent, now)
            else:
                erasure.request_again(ground, agency, agent, now)
            if await self._append(territory, erasure):
                break
        return await self.read(territory, erasure_id)

    async def read(self, territory: str, erasure_id: UUID) -> Erasure:
        """Raises UnknownErasure."""
        erasure = await self._load(territory, erasure_id)
        if erasure is None:
            raise UnknownErasure
        return erasure

    async def advance(self, territory: str, erasure_id: UUID, *, at_once: bool = False) -> Erasure:
        """Take every step that can be taken now; returns how it then stands.

        `at_once` does not wait for the key-encryption key's time: older backups can then no longer be restored.
        """
        while True:
            erasure = await self.read(territory, erasure_id)
            step = erasure.next_step
            if step is None:
                return erasure
            turn = _Turn(territory, erasure, self._clock.now(), at_once=at_once)
            if not await self._steps[step](turn):
                return erasure
            await self._append(territory, erasure)

    async def _check_hold(self, turn: "_Turn") -> bool:
        history = await self._log.read_stream(turn.territory, turn.erasure.pathway)
        pathway = fold(None, history)
        if pathway is not None and pathway.rights.hold is not None:
            turn.erasure.refuse(pathway.rights.hold.id, turn.now)
        else:
            turn.erasure.find_no_hold(recipients_of(pathway, history), turn.now)
        return True

    async def _destroy_keys(self, turn: "_Turn") -> bool:
        means, subject = self._means, turn.erasure.subject
        await means.vault.destroy(turn.territory, subject, Compartment)
        await means.vault.restrict(turn.territory, subject, False)
        epoch = await means.epochs.current()  # Asked only now: no later one can have wrapped them.
        await self._say_erased(turn)
        turn.erasure.destroy_keys(epoch.number, turn.now)
        return True

    async def _purge_caches(self, turn: "_Turn") -> bool:
        await self._means.traces.tell_processes(turn.territory, turn.erasure.pathway)
        return turn.took(Step.CACHES_PURGED)

    async def _purge_snapshots(self, turn: "_Turn") -> bool:
        await self._means.snapshots.forget(turn.territory, turn.erasure.pathway)
        return turn.took(Step.SNAPSHOTS_PURGED)

    async def _purge_projections(self, turn: "_Turn") -> bool:
        """An alert raised while the keys were being destroyed is named in one more event of the pathway."""
        since = turn.erasure.done[Step.KEYS_DESTROYED].position
        if not await self._means.read_models.settled(turn.territory, since):
            return False
        position = await self._say_erased(turn)
        if position and not await self._means.read_models.settled(turn.territory, position):
            return False
        return turn.took(Step.PROJECTIONS_PURGED, await self._sweep(turn))

    async def _purge_blind_index(self, turn: "_Turn") -> bool:
        count = await self._means.blind_index.forget(turn.territory, turn.erasure.subject)
        return turn.took(Step.BLIND_INDEX_PURGED, count)

    async def _purge_outbox(self, turn: "_Turn") -> bool:
        return turn.took(Step.OUTBOX_PURGED, await self._purge_messages(turn))

    async def _notify_partners(self, turn: "_Turn") -> bool:
        notice = Notice(
            territory=turn.territory,
            erasure_id=turn.erasure.id,
            pathway=turn.erasure.pathway,
            position=turn.erasure.done[Step.KEYS_DESTROYED].position,
            recipients=turn.erasure.recipients,
        )
        await self._means.traces.notify(notice, turn.now)
        return turn.took(Step.PARTNERS_NOTIFIED, len(notice.recipients))

    async def _prune_payloads(self, turn: "_Turn") -> bool:
        count = await self._means.pruning.prune(turn.territory, turn.erasure.subject)
        return turn.took(Step.PAYLOADS_PRUNED, count)

    async def _destroy_epoch(self, turn: "_Turn") -> bool:
        """First once more whatever a process that was slow to hear may have written since."""
        epochs = await self._means.epochs.epochs()
        alive = [epoch for epoch in epochs if epoch.number <= turn.erasure.kek_epoch and epoch.destroyed_at is None]
        if alive and not await self._may_destroy(turn):
            return False
        await self._means.snapshots.forget(turn.territory, turn.erasure.pathway)
        await self._means.blind_index.forget(turn.territory, turn.erasure.subject)
        await self._sweep(turn)
        await self._means.pruning.prune(turn.territory, turn.erasure.subject)
        for epoch in alive:
            await self._means.epochs.destroy(epoch.number, at_once=turn.at_once)
        return turn.took(Step.KEK_EPOCH_DESTROYED, len(alive))

    async def _may_destroy(self, turn: "_Turn") -> bool:
        """Whether the epochs that wrapped the person's keys wrap nothing any more, and are old enough to go."""
        epochs, wrapped_by = self._means.epochs, turn.erasure.kek_epoch
        due = turn.erasure.rotation_due
        assert due is not None, "the keys are destroyed by now"
        if (await epochs.current()).number <= wrapped_by:
            if not turn.at_once and turn.now < due:
                return False
            await epochs.rotate()
        while await epochs.rewrap(REWRAPPED_AT_ONCE):
            continue
        retired = [epoch.retired_at for epoch in await epochs.epochs() if epoch.number <= wrapped_by]
        return turn.at_once or all(at is not None and at + KEPT <= turn.now for at in retired)

    async def _certify(self, turn: "_Turn") -> bool:
        turn.erasure.certify(turn.now)
        return True

    async def _say_erased(self, turn: "_Turn") -> int:
        """Append `person.erased` unless the pathway's stream says it, with all its alerts; returns its position, or 0.

        Nobody can add to the stream at a version from before it: a command on its way is refused.
        """
        erasure, territory, last = turn.erasure, turn.territory, 0
        alerts = await self._means.traces.alerts_of(territory, erasure.pathway)
        attempts_left = ATTEMPTS
        while True:
            try:
                position = await self._append_erased(territory, erasure, alerts, turn.now)
            except StaleVersion:
                attempts_left -= 1
                if not attempts_left:
                    raise
                continue
            if not position:
                return last
            last = position

    async def _append_erased(self, territory: str, erasure: Erasure, alerts: list[UUID], now: datetime) -> int:
        history = await self._log.read_stream(territory, erasure.pathway)
        told = [stored.event for stored in history if isinstance(stored.event, PersonErased)]
        named = {alert for event in told for alert in event.alerts}
        unnamed = [alert for alert in alerts if alert not in named][:ALERTS_IN_ONE_EVENT]
        if told and not unnamed:
            return 0
        version = history[-1].event.originator_version if history else 0
        event = PersonErased(
            originator_id=erasure.pathway,
            originator_version=version + 1,
            timestamp=now,
            agency=SYSTEM,
            erasure_id=erasure.id,
            alerts=tuple(unnamed),
        )
        commit = Commit(stream_id=erasure.pathway, expected_version=version, events=[event], subject=erasure.subject)
        return (await self._log.append(territory, commit)).last_position

    async def _sweep(self, turn: "_Turn") -> int:
        erasure = turn.erasure
        alerts = await self._means.traces.alerts_of(turn.territory, erasure.pathway)
        return await self._means.read_models.sweep(turn.territory, erasure.pathway, alerts)

    async def _purge_messages(self, turn: "_Turn") -> int:
        erasure, traces = turn.erasure, self._means.traces
        alerts = await traces.alerts_of(turn.territory, erasure.pathway)
        return await traces.purge_messages(turn.territory, erasure.subject, erasure.pathway, alerts)

    async def _append(self, territory: str, erasure: Erasure) -> bool:
        """False when another process took the step in between."""
        events = [event for event in erasure.collect_events() if isinstance(event, Event)]
        if not events:
            return True
        commit = Commit(stream_id=erasure.id, expected_version=erasure.version - len(events), events=events)
        try:
            await self._log.append(territory, commit)
        except StaleVersion:
            return False
        return True

    async def _load(self, territory: str, erasure_id: UUID) -> Erasure | None:
        erasure: Erasure | None = None
        for stored in await self._log.read_stream(territory, erasure_id):
            erasure = stored.event.mutate(erasure)
        return erasure if isinstance(erasure, Erasure) else None  # Ids come from callers: it may be of something else.


class _Turn:
    """One step about to be taken."""

    def __init__(self, territory: str, erasure: Erasure, now: datetime, *, at_once: bool) -> None:
        self.territory = territory
        self.erasure = erasure
        self.now = now
        self.at_once = at_once

    def took(self, step: Step, count: int = 0) -> bool:
        self.erasure.take(step, count, self.now)
        return True
