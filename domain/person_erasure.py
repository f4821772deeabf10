"""Erasing a person (GDPR art. 17): what their pathway's stream says of it, and the saga that carries it out.

Both are stored in clear, under no key of the person: they are what stays, and what justifies each pruned payload.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.errors import DomainError
from domain.ids import uuid8_of
from domain.pathway import SYSTEM

if TYPE_CHECKING:
    from domain.pathway import Pathway

KEY_ENCRYPTION_KEY_LIFE = timedelta(days=7)
"""How old the key-encryption key of a destroyed key may become before another takes its place."""
UNREADABLE_AFTER = timedelta(days=37)
"""When the last key-encryption key that wrapped the person's keys must be gone: that life, then 30 days of backups."""


class ErasureGround(StrEnum):
    """Why (art. 17, 1)."""

    PERSON_ASKED = "person_asked"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    UNLAWFUL = "unlawful"
    LEGAL_OBLIGATION = "legal_obligation"
    RETENTION_OVER = "retention_over"


class Step(StrEnum):
    """In the order in which they are taken. Each may be taken again, and then changes nothing."""

    REQUESTED = "requested"
    HOLD_CHECKED = "hold_checked"
    KEYS_DESTROYED = "keys_destroyed"
    CACHES_PURGED = "caches_purged"
    SNAPSHOTS_PURGED = "snapshots_purged"
    PROJECTIONS_PURGED = "projections_purged"
    BLIND_INDEX_PURGED = "blind_index_purged"
    OUTBOX_PURGED = "outbox_purged"
    PARTNERS_NOTIFIED = "partners_notified"
    PAYLOADS_PRUNED = "payloads_pruned"
    KEK_EPOCH_DESTROYED = "kek_epoch_destroyed"
    CERTIFIED = "certified"


PURGES = frozenset(
    {
        Step.CACHES_PURGED,
        Step.SNAPSHOTS_PURGED,
        Step.PROJECTIONS_PURGED,
        Step.BLIND_INDEX_PURGED,
        Step.OUTBOX_PURGED,
        Step.PARTNERS_NOTIFIED,
        Step.PAYLOADS_PRUNED,
        Step.KEK_EPOCH_DESTROYED,
    }
)
"""Steps of which there is nothing to say but how much they did."""


class Level(StrEnum):
    """What may be certified."""

    UNUSABLE = "unusable"  # Nothing here can read or show the person's data any more.
    UNREADABLE = "unreadable"  # Nor can any copy: the key that wrapped the person's keys is gone too.


@stored
class PersonErased(Event, frozen=True, kw_only=True):
    """The person's data were erased: the last event of their pathway. It justifies each payload that is pruned."""

    TOPIC: ClassVar[str] = "person.erased"
    OF_PERSON: ClassVar[bool] = False

    erasure_id: UUID
    alerts: tuple[UUID, ...] = ()
    """Streams of the alerts that were about the pathway: they are forgotten with it."""

    def apply(self, erased: "Pathway") -> None:
        erased.forget_person()


class Done(msgspec.Struct, frozen=True):
    """A step that was taken: where the log says so, when, and how much it did."""

    position: int
    at: datetime
    count: int = 0


@stored
class ErasureRequested(Created, frozen=True, kw_only=True):
    """The erasure of a person was asked for."""

    TOPIC: ClassVar[str] = "erasure.requested"
    ORIGINATOR: ClassVar[str] = "domain.person_erasure:Erasure"
    OF_PERSON: ClassVar[bool] = False

    pathway: UUID
    subject: UUID
    ground: ErasureGround

    def apply(self, erasure: "Erasure") -> None:
        erasure.pathway, erasure.subject = self.pathway, self.subject
        erasure.ask(self, self.ground)


@stored
class ErasureRequestedAgain(Event, frozen=True, kw_only=True):
    """What was refused was asked for anew."""

    TOPIC: ClassVar[str] = "erasure.requested-again"
    OF_PERSON: ClassVar[bool] = False

    ground: ErasureGround

    def apply(self, erasure: "Erasure") -> None:
        erasure.ask(self, self.ground)


@stored
class ErasureRefused(Event, frozen=True, kw_only=True):
    """A legal hold keeps the person's data for now."""

    TOPIC: ClassVar[str] = "erasure.refused"
    OF_PERSON: ClassVar[bool] = False

    hold_id: UUID

    def apply(self, erasure: "Erasure") -> None:
        erasure.refused_for = self.hold_id


@stored
class ErasureHoldChecked(Event, frozen=True, kw_only=True):
    """No legal hold stands in the way. Whom to tell is noted now: once the keys are gone nothing says it any more."""

    TOPIC: ClassVar[str] = "erasure.hold-checked"
    OF_PERSON: ClassVar[bool] = False

    recipients: tuple[str, ...]

    def apply(self, erasure: "Erasure") -> None:
        erasure.recipients = self.recipients
        erasure.did(Step.HOLD_CHECKED, self)


@stored
class ErasureKeysDestroyed(Event, frozen=True, kw_only=True):
    """The person's keys are destroyed and their pathway's stream says so."""

    TOPIC: ClassVar[str] = "erasure.keys-destroyed"
    OF_PERSON: ClassVar[bool] = False

    kek_epoch: int
    """The latest key-encryption key that may have wrapped them: copies can be read until it is destroyed."""

    def apply(self, erasure: "Erasure") -> None:
        erasure.kek_epoch = self.kek_epoch
        erasure.did(Step.KEYS_DESTROYED, self)


@stored
class ErasureStepTaken(Event, frozen=True, kw_only=True):
    """One of the purges was carried out."""

    TOPIC: ClassVar[str] = "erasure.step-taken"
    OF_PERSON: ClassVar[bool] = False

    step: Step
    count: int = 0

    def apply(self, erasure: "Erasure") -> None:
        erasure.did(self.step, self, self.count)


@stored
class ErasureCertified(Event, frozen=True, kw_only=True):
    """No copy of the person's data can be read any more."""

    TOPIC: ClassVar[str] = "erasure.certified"
    OF_PERSON: ClassVar[bool] = False

    def apply(self, erasure: "Erasure") -> None:
        erasure.did(Step.CERTIFIED, self)


class Erasure(Aggregate):
    """The saga of one pathway's erasure: which steps were taken, and which is next."""

    def __init__(self) -> None:
        self.pathway = UUID(int=0)
        self.subject = UUID(int=0)
        self.ground = ErasureGround.PERSON_ASKED
        self.done: dict[Step, Done] = {}
        self.refused_for: UUID | None = None
        self.recipients: tuple[str, ...] = ()
        self.kek_epoch = 0

    def ask(self, event: Event, ground: ErasureGround) -> None:
        self.ground = ground
        self.refused_for = None
        self.did(Step.REQUESTED, event)

    def did(self, step: Step, event: Event, count: int = 0) -> None:
        self.done[step] = Done(event.position, event.timestamp, count)

    @property
    def next_step(self) -> Step | None:
        """None once certified, or refused."""
        if self.refused_for is not None:
            return None
        return next((step for step in Step if step not in self.done), None)

    @property
    def level(self) -> Level | None:
        """What may be certified by now."""
        if Step.CERTIFIED in self.done:
            return Level.UNREADABLE
        return Level.UNUSABLE if Step.PAYLOADS_PRUNED in self.done else None

    @property
    def rotation_due(self) -> datetime | None:
        """When a new key-encryption key must have taken the place of the one that wrapped the person's keys."""
        destroyed = self.done.get(Step.KEYS_DESTROYED)
        return None if destroyed is None else destroyed.at + KEY_ENCRYPTION_KEY_LIFE

    @property
    def unreadable_due(self) -> datetime | None:
        """When no copy may be readable any more."""
        destroyed = self.done.get(Step.KEYS_DESTROYED)
        return None if destroyed is None else destroyed.at + UNREADABLE_AFTER

    def request_again(self, ground: ErasureGround, agency: str, agent: str | None, at: datetime) -> None:
        """A no-op unless it was refused."""
        if self.refused_for is not None:
            self.trigger_event(ErasureRequestedAgain, agency=agency, actor=agent, timestamp=at, ground=ground)

    def refuse(self, hold_id: UUID, at: datetime) -> None:
        self._step(Step.HOLD_CHECKED, ErasureRefused, at, hold_id=hold_id)

    def find_no_hold(self, recipients: tuple[str, ...], at: datetime) -> None:
        self._step(Step.HOLD_CHECKED, ErasureHoldChecked, at, recipients=recipients)

    def destroy_keys(self, kek_epoch: int, at: datetime) -> None:
        self._step(Step.KEYS_DESTROYED, ErasureKeysDestroyed, at, kek_epoch=kek_epoch)

    def take(self, step: Step, count: int, at: datetime) -> None:
        """Any of the purges."""
        assert step in PURGES
        self._step(step, ErasureStepTaken, at, step=step, count=count)

    def certify(self, at: datetime) -> None:
        self._step(Step.CERTIFIED, ErasureCertified, at)

    def _step(self, turn: Step, event_type: type[Event], at: datetime, **fields: Any) -> None:
        """Raises OutOfTurn unless it is this step's turn."""
        if self.next_step is not turn:
            raise OutOfTurn
        self.trigger_event(event_type, agency=SYSTEM, actor=None, timestamp=at, **fields)


def erasure_id_of(territory: str, pathway: UUID) -> UUID:
    """One erasure for each pathway: asked for twice, it is the same."""
    return uuid8_of("erasure", territory, str(pathway))


def request_erasure(
    territory: str, pathway: UUID, subject: UUID, ground: ErasureGround, agency: str, agent: str | None, at: datetime
) -> Erasure:
    """The new saga, its first event pending."""
    return Erasure._create(  # noqa: SLF001 -- the library's way to create an aggregate from a given event type.
        ErasureRequested,
        id=erasure_id_of(territory, pathway),
        timestamp=at,
        agency=agency,
        actor=agent,
        pathway=pathway,
        subject=subject,
        ground=ground,
    )


class OutOfTurn(DomainError):
    """This step of the erasure is not the next one."""

    code = "erasure_out_of_turn"
    title_fr = "Cette étape de l'effacement n'est pas la suivante."
