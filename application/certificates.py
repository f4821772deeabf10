"""What is certified of an erasure: each step with the place of the event that says so, and a digest over all of it."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from application.key_vault import CACHE_SECONDS
from domain.errors import DomainError
from domain.person_erasure import Erasure, ErasureGround, Level, Step

FORMAT = "unisson-erasure-certificate/1"


class CertifiedStep(msgspec.Struct, frozen=True, kw_only=True):
    step: Step
    at: datetime
    position: int
    """In the territory's log: the event, its leaf and its proof of inclusion are found there."""
    count: int


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation answers for. It names nobody: only ids, which lead nowhere any more."""

    format: str
    territory: str
    erasure_id: UUID
    pathway_id: UUID
    subject: UUID
    """What the person's keys were filed under: the pruned payloads of the log name it."""
    ground: ErasureGround
    level: Level
    unusable_since: datetime
    """By then every process had forgotten the keys, told or not."""
    unreadable_since: datetime | None
    """Since the last key that wrapped the person's keys was destroyed, here; keep no copy of the key file elsewhere."""
    unreadable_due: datetime
    recipients: tuple[str, ...]
    """Told to delete their own copies (art. 19)."""
    steps: tuple[CertifiedStep, ...]
    sha256: str
    """Of this certificate with an empty digest, as JSON without spaces in this order of fields."""


class NotErasedYet(DomainError):
    """The erasure has not come far enough to be certified."""

    code = "not_erased_yet"
    title_fr = "L'effacement n'est pas assez avancé pour être certifié."


def certificate_of(territory: str, erasure: Erasure) -> Certificate:
    """At the level reached by now. Raises NotErasedYet."""
    level, due = erasure.level, erasure.unreadable_due
    if level is None or due is None:
        raise NotErasedYet
    destroyed = erasure.done.get(Step.KEK_EPOCH_DESTROYED)
    certificate = Certificate(
        format=FORMAT,
        territory=territory,
        erasure_id=erasure.id,
        pathway_id=erasure.pathway,
        subject=erasure.subject,
        ground=erasure.ground,
        level=level,
        unusable_since=erasure.done[Step.KEYS_DESTROYED].at + timedelta(seconds=CACHE_SECONDS),
        unreadable_since=None if destroyed is None else destroyed.at,
        unreadable_due=due,
        recipients=erasure.recipients,
        steps=tuple(
            CertifiedStep(step=step, at=done.at, position=done.position, count=done.count)
            for step, done in erasure.done.items()
        ),
        sha256="",
    )
    return msgspec.structs.replace(certificate, sha256=digest_of(certificate))


def digest_of(certificate: Certificate) -> str:
    """What its `sha256` must be."""
    bare = msgspec.structs.replace(certificate, sha256="")
    return hashlib.sha256(msgspec.json.encode(bare)).hexdigest()
