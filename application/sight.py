"""What of the read models a caller may see: the decision table's answer, in the terms of row-level security."""

from datetime import datetime

import msgspec

from application.access import Caller
from application.authorisation import capacities_of
from application.decision_table import Action, Relation, lines_for
from domain.errors import DomainError

READER = "unisson_reader"
"""The database's role in which they are read."""


class BeingRebuilt(DomainError):
    """What this reads is being made anew after an upgrade; try again in a while."""

    code = "being_rebuilt"
    status = 503
    title_fr = "Ce qui est lu ici est refait après une mise à niveau ; réessayez dans un moment."

    def __init__(self) -> None:
        super().__init__(retry_after_s=10)


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """For whom rows are read. Without an agency or the whole territory there is nothing to see."""

    territory: str
    at: datetime
    agency: str | None = None
    """Whose pathways: those it takes part in, and those shared with it."""
    agent: str | None = None
    """Who may have broken the glass."""
    whole_territory: bool = False


def sight_of(caller: Caller, at: datetime) -> Sight:
    """By which relations the caller may read the coded facts of a pathway."""
    relations = {line.relation for capacity in capacities_of(caller) for line in lines_for(Action.READ_CASE, capacity)}
    return Sight(
        territory=caller.territory,
        at=at,
        agency=caller.agency if Relation.PARTICIPANT in relations else None,
        agent=caller.agent if Relation.BREAK_GLASS in relations else None,
        whole_territory=Relation.TERRITORY in relations,
    )
