"""Obligations: what a rule expects after one activation, and how it stands at one instant."""

from datetime import datetime
from enum import StrEnum

import msgspec

from domain.rules.instants import rfc3339


class Status(StrEnum):
    PENDING = "pending"
    SATISFIED = "satisfied"
    VIOLATED_OPEN = "violated_open"
    VIOLATED_LATE = "violated_late"
    CLEARED = "cleared"
    WAIVED = "waived"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why an obligation was cancelled."""

    RELEASED = "released"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class NearMiss(msgspec.Struct, frozen=True, gc=False):
    """A fact that would have counted, had it not failed exactly one test."""

    fact_id: str
    failed: str
    """`state`, `window`, `relation`, `where.<field>`, `match.<field>` or `differ.<field>`."""
    detail: str


class Obligation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One activation of one rule, judged. Instants are aware and in UTC; an open end is None.

    Of a `forbid` rule: one activation and one forbidden target, or an activation that has none (target None).
    Of a `limit` rule: the fact that was one too many.
    """

    rule: str
    version: int
    pathway: str
    activation: str
    target: str | None
    status: Status
    open: datetime | None
    close: datetime | None
    at: datetime | None
    """Violation: the close; of what is forbidden or too many, the later point. Satisfied: the deciding target's point,
    or the close when nothing forbidden came. Cancelled: what cancelled it. Pending: None."""
    late_by: str | None
    evidence: tuple[str, ...]
    near_misses: tuple[NearMiss, ...] = ()

    occurred: datetime | None
    """The activation's point."""
    raise_at: datetime | None = None
    """The violation and its grace: before it nobody is told. None when none can be told of, for now or ever."""
    raised: bool = False
    """False for ever when the same two facts, the other way round, are told already (`forbid`)."""
    reason: Reason | None = None
    calendar: str = ""
    territory: str | None = None
    shadow: bool = False
    """Judged under a rule in `shadow`: recorded, never notified."""

    def line(self) -> dict[str, object]:
        """The published form, in its published order."""
        return {
            "rule": self.rule,
            "version": self.version,
            "pathway": self.pathway,
            "activation": self.activation,
            "target": self.target,
            "status": self.status.value,
            "open": rfc3339(self.open),
            "close": rfc3339(self.close),
            "at": rfc3339(self.at),
            "late_by": self.late_by,
            "evidence": list(self.evidence),
            "near_misses": [msgspec.structs.asdict(miss) for miss in self.near_misses],
        }


class Evaluation(msgspec.Struct, frozen=True):
    """How a pathway stands at one instant, and when to look again if nothing new is learnt."""

    obligations: tuple[Obligation, ...]
    next_due: datetime | None
    """The earliest instant after `now` at which a verdict or a raise may change by time alone."""
