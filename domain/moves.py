"""How an intervention goes from one state to the next: what trainings, relocations and accompaniments share."""

from collections.abc import Collection, Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

from domain.aggregate import Event
from domain.command import Act
from domain.dates import must_have_happened
from domain.facts import FactState
from domain.ledger import Current, point_order
from domain.pathway import ImpossibleTransition, OutOfOrder

if TYPE_CHECKING:
    from domain.pathway import Pathway


S = TypeVar("S", bound=StrEnum)
S_co = TypeVar("S_co", bound=StrEnum, covariant=True)


class Move(Protocol[S_co]):
    """A command that says in which state an intervention is from a day on."""

    @property
    def status(self) -> S_co: ...
    @property
    def on(self) -> date | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def id(self) -> UUID | None: ...


def move(
    pathway: "Pathway",
    act: Act,
    command: Move[S],
    intervention: tuple[str, UUID],
    following: Mapping[S, Collection[S]],
    event_type: type[Event],
) -> UUID:
    """Record one step of the intervention (fact type and id), today unless told otherwise; returns the step's id.

    Raises UnknownEntry, ImpossibleTransition where `following` does not lead there, OutOfOrder before its start.
    """
    pathway.must_be_open()
    fact_type, entry_id = intervention
    entry = pathway.find(entry_id, fact_type)
    status = type(command.status)(entry.attrs["status"])
    if command.status not in following.get(status, ()):
        raise ImpossibleTransition(f"From {status} it cannot become {command.status}.", field="/status")
    step_id, on = step_from(entry, command, act, pathway)
    pathway.record(
        event_type,
        act,
        step_id=step_id,
        status=command.status,
        on=on,
        reason=command.reason,
        **{f"{fact_type}_id": entry_id},
    )
    return step_id


class Step(Protocol):
    """A command that adds a step to an entry."""

    @property
    def on(self) -> date | None: ...
    @property
    def id(self) -> UUID | None: ...


def step_from(entry: Current, command: Step, act: Act, pathway: "Pathway") -> tuple[UUID, date]:
    """The id and the day of a step: today unless told otherwise, after what is done. Raises OutOfOrder."""
    on = must_have_happened(command.on or act.today, act, "/on", pathway)
    pathway.must_follow(entry, on, "/on")
    return pathway.new_entry_id(command.id, act), on


def find_started(pathway: "Pathway", entry_id: UUID, fact_type: str) -> Current:
    """What can be reviewed or assessed: it started, and may have ended. Raises UnknownEntry, ImpossibleTransition."""
    entry = pathway.find(entry_id, fact_type)
    if entry.state is not FactState.DONE:
        raise ImpossibleTransition("It has not started.")
    return entry


def day_after_start(entry: Current, on: date | None, act: Act, pathway: "Pathway") -> date:
    """The day given, or today: not before the entry's start, whatever was recorded of it since. Raises OutOfOrder."""
    day = must_have_happened(on or act.today, act, "/on", pathway)
    if point_order(day) < point_order(entry.start):
        raise OutOfOrder(field="/on")
    return day
