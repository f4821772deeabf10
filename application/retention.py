"""The retention clock of every pathway: who is to be archived, who is to be erased, and doing it, once a night."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

import msgspec

from application.civil_time import ZoneOf, in_paris
from application.erasure import Erasures
from application.rights import Asked, Rights
from domain.clock import Clock
from domain.errors import DomainError
from domain.pathway import SYSTEM
from domain.person_erasure import ErasureGround
from domain.restriction import RestrictionGround, RestrictPathway
from domain.retention import RetentionPolicy, Stage, clock_of, months_after


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """One pathway whose clock calls for something."""

    pathway_id: UUID
    stage: Stage
    last_contact: date
    archived_on: date | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the clock calls for in one territory, or what was done about it."""

    territory: str
    today: date
    to_archive: tuple[Due, ...]
    to_erase: tuple[Due, ...]
    held: tuple[Due, ...]
    """A legal hold stops these."""
    carried_out: bool


class RetentionClocks(Protocol):
    """A view over every pathway's clock."""

    async def due(self, territory: str, unused_since: date, archived_since: date, after: UUID) -> Sequence[UUID]:
        """Pathways whose last contact, or whose archiving, was on or before these days, by id; a page of them."""


class Retention:
    def __init__(
        self,
        clocks: RetentionClocks,
        rights: Rights,
        erasures: Erasures,
        clock: Clock,
        policy: RetentionPolicy | None = None,
        zone_of: ZoneOf = in_paris,
    ) -> None:
        self._clocks = clocks
        self._rights = rights
        self._erasures = erasures
        self._clock = clock
        self._policy = policy or RetentionPolicy()
        self._zone_of = zone_of

    async def report(self, territory: str) -> Report:
        """What would be done now, each pathway judged on its own stream; nothing is done."""
        return await self._run(territory, carry_out=False)

    async def carry_out(self, territory: str) -> Report:
        """Archive and erase what is due. Whoever comes second finds nothing left to do."""
        return await self._run(territory, carry_out=True)

    async def _run(self, territory: str, *, carry_out: bool) -> Report:
        today = self._clock.now().astimezone(self._zone_of(territory)).date()
        unused_since = months_after(today, -self._policy.used_months)
        archived_since = months_after(today, -self._policy.archived_months)
        found: dict[Stage, list[Due]] = {Stage.TO_ARCHIVE: [], Stage.TO_ERASE: [], Stage.HELD: []}
        after = UUID(int=0)
        while page := await self._clocks.due(territory, unused_since, archived_since, after):
            after = page[-1]
            for pathway_id in page:
                due = await self._judge(territory, pathway_id, today)
                if due.stage in found:
                    found[due.stage].append(due)
                    if carry_out:
                        await self._act(territory, due)
        return Report(
            territory=territory,
            today=today,
            to_archive=tuple(found[Stage.TO_ARCHIVE]),
            to_erase=tuple(found[Stage.TO_ERASE]),
            held=tuple(found[Stage.HELD]),
            carried_out=carry_out,
        )

    async def _judge(self, territory: str, pathway_id: UUID, today: date) -> Due:
        pathway = await self._rights.read(territory, pathway_id)
        clock = clock_of(pathway)
        stage = Stage.USED if pathway.erased else clock.stage(self._policy, today)
        return Due(pathway_id=pathway_id, stage=stage, last_contact=clock.last_contact, archived_on=clock.archived_on)

    async def _act(self, territory: str, due: Due) -> None:
        """What somebody did in between wins: the next night looks again."""
        try:
            if due.stage is Stage.TO_ARCHIVE:
                measure = RestrictPathway(ground=RestrictionGround.RETENTION)
                await self._rights.carry_out(territory, due.pathway_id, measure, Asked(agency=SYSTEM))
            elif due.stage is Stage.TO_ERASE:
                pathway = await self._rights.read(territory, due.pathway_id)
                await self._erasures.request(pathway, ErasureGround.RETENTION_OVER, agency=SYSTEM, agent=None)
        except DomainError:
            return
