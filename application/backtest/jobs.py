"""Backtests that a territory asked for: done one after another, beside the service, and kept with their results."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.errors import DomainError
from domain.rulebook import BacktestMode


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be tried, for whom."""

    id: UUID
    territory: str
    agency: str
    agent: str | None
    fingerprint: bytes
    """Of the request: the same id with another one is another request."""
    document: str
    """JSON."""
    mode: BacktestMode
    since: datetime | None
    until: datetime
    known_at: int
    """Position up to which the log is read."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest and how far it is."""

    asked: Asked
    state: JobState
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    pathways_done: int
    pathways: int | None
    """Null until they are counted."""
    recorded: bool
    """The rulebook knows of it: the document was drafted there."""


class Jobs(Protocol):
    """Each belongs to a territory, and is found in no other."""

    async def ask(self, asked: Asked) -> tuple[Job, bool]:
        """Put in the queue; the same request again is the same job, and True.

        Raises TooManyBacktests or IdempotencyKeyReused.
        """

    async def find(self, territory: str, job_id: UUID) -> Job:
        """Raises UnknownBacktest."""

    async def cancel(self, territory: str, job_id: UUID) -> Job:
        """Stop it, unless it has ended: then nothing changes. Raises UnknownBacktest."""

    async def result(self, territory: str, job_id: UUID) -> bytes:
        """The table, as JSON. Raises UnknownBacktest or BacktestNotDone."""


class TooManyBacktests(DomainError):
    """The territory has as many backtests waiting as it may; wait until one has ended, or cancel it."""

    code = "too_many_backtests"
    status = 429
    title_fr = "Le territoire a déjà autant d'essais en attente qu'il peut ; attendez qu'un se termine, ou annulez-le."


class UnknownBacktest(DomainError):
    """The territory has no backtest with this id."""

    code = "unknown_backtest"
    status = 404
    title_fr = "Le territoire n'a pas d'essai portant cet identifiant."


class BacktestNotDone(DomainError):
    """This backtest has no result: it has not ended, was cancelled, or failed."""

    code = "backtest_not_done"
    status = 409
    title_fr = "Cet essai n'a pas de résultat : il n'est pas terminé, a été annulé ou a échoué."


class PeriodReversed(DomainError):
    """The period ends before it begins."""

    code = "period_reversed"
    status = 422
    title_fr = "La période se termine avant d'avoir commencé."
