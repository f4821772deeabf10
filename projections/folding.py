"""Folding around poison: what cannot be folded is parked, with what follows it in its stream; the rest goes on."""

from collections.abc import Iterable, Sequence

import asyncpg
import structlog

from application.event_log import AppendInDoubt, EventLog, LogBusy, Stored
from projections.consumers import Consumer, LeaseLost
from projections.parking import Parked, Unfoldable, park, unfoldable
from projections.pathway_folds import PathwayFolds
from projections.projection import Connection, Projection

log = structlog.get_logger()

POISON_PER_PAGE_MAX = 20
"""More than that is no poison but a fault of the projection: it stops where it is, and says so."""
TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
    LogBusy,
    AppendInDoubt,
)
"""Nobody's fault: the same page is folded again a little later."""


class TooMuchPoison(Exception):
    """So many events of one page fail that the projection itself must be at fault."""


class Folding:
    """One consumer's fold, event by event where need be. `aside` is what it has parked; kept up to date here.

    To be forgotten when a transaction fails: `aside` may then be ahead of the database.
    """

    def __init__(
        self, event_log: EventLog, projection: Projection, consumer: Consumer, aside: Parked, *, replay: bool
    ) -> None:
        self.pathways = PathwayFolds(event_log, consumer.territory, skipped=aside.skipped)
        self._projection = projection
        self._consumer = consumer
        self._aside = aside
        self._replay = replay

    async def fold(self, db: Connection, events: Sequence[Stored]) -> None:
        """Fold what can be folded, park the rest, in the caller's transaction."""
        poison: list[Unfoldable] = []
        pending = [list(events)]
        while pending:
            some = [stored for stored in pending.pop() if self._is_wanted(stored)]
            if not some:
                continue
            try:
                await self._fold_some(db, some)
            except (LeaseLost, *TRANSIENT):
                raise
            except Exception as error:
                self.pathways.forget({stored.event.originator_id for stored in some})
                if len(some) > 1:
                    pending += [some[len(some) // 2 :], some[: len(some) // 2]]
                    continue
                poison.append(unfoldable(some[0], error))
                self._aside.streams.add(poison[-1].stream_id)
                if len(poison) > POISON_PER_PAGE_MAX:
                    raise TooMuchPoison from error
        culprits = {event.position for event in poison}
        waiting = [
            unfoldable(stored, None)
            for stored in events
            if stored.event.originator_id in self._aside.streams and not self._is_folded(stored, poison)
        ]
        await self.park(db, [*poison, *(event for event in waiting if event.position not in culprits)])

    def _is_wanted(self, stored: Stored) -> bool:
        aside = self._aside
        return stored.event.originator_id not in aside.streams and stored.position not in aside.skipped

    async def park(self, db: Connection, events: Iterable[Unfoldable]) -> None:
        parked = list(events)
        if not parked:
            return
        await park(db, self._consumer, parked)
        self._aside.streams.update(event.stream_id for event in parked)
        for event in parked:
            if event.error_type is not None:
                log.error(
                    "event.parked",
                    projection=self._consumer.build.name,
                    territory=self._consumer.territory,
                    position=event.position,
                    topic=event.topic,
                    error_type=event.error_type,
                )

    async def _fold_some(self, db: Connection, events: Sequence[Stored]) -> None:
        page = await self.pathways.page(events, steps=not self._replay)
        async with db.transaction():  # A savepoint.
            await self._projection.fold(db, self._consumer.build, page)

    @staticmethod
    def _is_folded(stored: Stored, poison: Sequence[Unfoldable]) -> bool:
        """Whether it came before the event of its stream that was parked just now."""
        return any(
            event.stream_id == stored.event.originator_id and stored.position < event.position for event in poison
        )
