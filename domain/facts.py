"""Facts: what is known of one pathway, as the rules see it. A correction is a new version under the same id."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec


class Precision(StrEnum):
    DAY = "day"
    MINUTE = "minute"


class FactState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is so, or is planned, in a person's pathway.

    `start` and `end` are civil dates when `precision` is day and aware instants when it is minute;
    `end` is None while it lasts, and equals `start` for a fact of one point.
    `recorded_at` and `position` are those of the event that gave this version: when we learnt it.
    """

    pathway: str
    fact_id: str
    type: str
    agency: str
    start: date | datetime
    end: date | datetime | None
    precision: Precision
    state: FactState
    attrs: Mapping[str, Any]
    recorded_at: datetime
    position: int
    actor: str | None = None
    territory: str | None = None
