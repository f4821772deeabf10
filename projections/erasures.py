"""Every erasure as it stands: for who carries them out, who answers for them, and who knew of the person."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from domain.person_erasure import (
    ErasureCertified,
    ErasureHoldChecked,
    ErasureKeysDestroyed,
    ErasureRefused,
    ErasureRequested,
    ErasureRequestedAgain,
    ErasureStepTaken,
    Step,
)
from projections.projection import Build, Connection, Page

ERASURES = """
CREATE TABLE {erasures} (
    erasure      uuid NOT NULL,
    pathway_id   uuid NOT NULL,
    position     bigint NOT NULL,      -- Of its last event.
    requested_at timestamptz NOT NULL,
    changed_at   timestamptz NOT NULL,
    erased_at    bigint,               -- Position from which on the keys were gone.
    territory    text COLLATE "C" NOT NULL,
    ground       text COLLATE "C" NOT NULL,
    step         text COLLATE "C" NOT NULL,  -- The last that was taken.
    refused      boolean NOT NULL DEFAULT false,
    recipients   text[] NOT NULL DEFAULT '{{}}',
    PRIMARY KEY (territory, erasure)
);
CREATE INDEX ON {erasures} (territory, position)"""

REQUESTED = """
INSERT INTO {erasures} (territory, erasure, pathway_id, position, requested_at, changed_at, ground, step)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7) ON CONFLICT DO NOTHING"""
MOVED = """
UPDATE {erasures} SET position = $3, changed_at = $4, step = $5, refused = $6,
    recipients = coalesce($7, recipients), erased_at = coalesce($8, erased_at), ground = coalesce($9, ground)
WHERE territory = $1 AND erasure = $2"""

COLUMNS = """erasure, pathway_id, position, requested_at, changed_at, erased_at, ground, step, refused, recipients"""
UNFINISHED = f"""
SELECT territory, erasure, step FROM erasures WHERE NOT refused AND step <> '{Step.CERTIFIED}'
ORDER BY territory, requested_at, erasure"""
OF_TERRITORY = f"""
SELECT {COLUMNS} FROM erasures WHERE territory = $1 AND position > $2 ORDER BY position LIMIT $3"""
NOTICES = """
SELECT erased_at, pathway_id, changed_at FROM erasures
WHERE territory = $1 AND erased_at > $3 AND $2 = ANY (recipients) ORDER BY erased_at LIMIT $4"""


class ErasureRow(msgspec.Struct, frozen=True, kw_only=True):
    erasure: UUID
    pathway_id: UUID
    position: int
    requested_at: datetime
    changed_at: datetime
    erased_at: int | None
    ground: str
    step: Step
    refused: bool
    recipients: tuple[str, ...]


class Unfinished(msgspec.Struct, frozen=True):
    territory: str
    erasure_id: UUID
    step: Step
    """The last that was taken."""


class NoticeRow(msgspec.Struct, frozen=True):
    """A pathway that an agency knew of is gone."""

    position: int
    pathway: UUID
    at: datetime


class ErasureList:
    """Few rows, changed rarely: one statement per event is enough."""

    name = "erasures"
    version = 1
    tables: Mapping[str, str] = {"erasures": ERASURES}

    async def fold(self, db: Connection, build: Build, page: Page) -> None:
        for stored in page.events:
            step: Step | None = None
            refused, recipients, erased_at, ground = False, None, None, None
            match stored.event:
                case ErasureRequested() as event:
                    await db.execute(
                        build.sql(REQUESTED),
                        page.territory,
                        event.originator_id,
                        event.pathway,
                        stored.position,
                        event.timestamp,
                        event.ground.value,
                        Step.REQUESTED.value,
                    )
                case ErasureRequestedAgain() as again:
                    step, ground = Step.REQUESTED, again.ground.value
                case ErasureRefused():
                    step, refused = Step.REQUESTED, True
                case ErasureHoldChecked() as checked:
                    step, recipients = Step.HOLD_CHECKED, list(checked.recipients)
                case ErasureKeysDestroyed():
                    step, erased_at = Step.KEYS_DESTROYED, stored.position
                case ErasureStepTaken() as taken:
                    step = taken.step
                case ErasureCertified():
                    step = Step.CERTIFIED
            if step is not None:
                event_id, at = stored.event.originator_id, stored.event.timestamp
                changes = (stored.position, at, step.value, refused, recipients, erased_at, ground)
                await db.execute(build.sql(MOVED), page.territory, event_id, *changes)


async def unfinished(db: Connection) -> list[Unfinished]:
    """Erasures neither certified nor refused, of every territory, oldest first."""
    return [Unfinished(row[0], row[1], Step(row[2])) for row in await db.fetch(UNFINISHED)]


async def erasures(db: Connection, territory: str, *, after: int = 0, limit: int = 100) -> list[ErasureRow]:
    """Those that changed after a position, in the order of their last change."""
    return [msgspec.convert(dict(row), ErasureRow) for row in await db.fetch(OF_TERRITORY, territory, after, limit)]


async def notices(db: Connection, territory: str, agency: str, *, after: int = 0, limit: int = 100) -> list[NoticeRow]:
    """The pathways that an agency knew of and that were erased after a position, in order (art. 19)."""
    return [NoticeRow(*row.values()) for row in await db.fetch(NOTICES, territory, agency, after, limit)]
