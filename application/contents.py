"""Opening what names a person, says something of their health, or was noted: on request, with a ground, and logged.

This is the only way to it: read models, timelines and messages never hold any.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from application.access import Caller
from application.access_log import AccessLog, Seen, Visit
from application.authorisation import Forbidden, Ground, PurposeRequired, authorise
from application.decision_table import Action, Relation
from application.event_log import Stored
from application.pathways import Pathways, PersonErased
from domain.access_log import Opened, Register
from domain.aggregate import EVENT_TYPES, compartments_of
from domain.clock import Clock
from domain.compartments import Compartment, Erased
from domain.diagnosis import HealthNeed
from domain.pathway import Pathway
from domain.shares import AccessPurpose

ACTIONS: Mapping[Compartment, Action] = {
    Compartment.IDENTITY: Action.OPEN_IDENTITY,
    Compartment.HEALTH: Action.OPEN_HEALTH,
    Compartment.NOTES: Action.OPEN_NOTES,
}
"""What is opened on request only."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the person is and how to reach them, as last recorded."""

    given_name: str | None = None
    family_name: str | None = None
    birth_date: date | None = None
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    contested: bool = False
    """The person says that it is not right."""


class HealthTheme(msgspec.Struct, frozen=True, kw_only=True):
    """A theme of health by its full name."""

    theme: str
    need_id: UUID | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was recorded: `version` is that of the pathway's timeline."""

    version: int
    topic: str
    agency: str
    actor: str | None
    recorded_at: datetime
    contested: bool
    """The person says that what was recorded there is not right."""


class Health(Told, frozen=True, kw_only=True):
    """What an event says of the person's health."""

    themes: tuple[HealthTheme, ...]


class Note(Told, frozen=True, kw_only=True):
    """A text that goes with an event."""

    text: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for; None where it was not. What was taken back since is left out."""

    pathway_id: UUID
    version: int
    position: int
    """Of the access in the log."""
    identity: Identity | None
    health: tuple[Health, ...] | None
    notes: tuple[Note, ...] | None
    erased: tuple[Compartment, ...]
    """Of which something was recorded that can no longer be read."""


class Contents:
    def __init__(self, pathways: Pathways, access_log: AccessLog, clock: Clock) -> None:
        self._pathways = pathways
        self._access_log = access_log
        self._clock = clock

    async def open(
        self,
        caller: Caller,
        pathway_id: UUID,
        compartments: frozenset[Compartment],
        purpose: AccessPurpose,
        correlation_id: UUID | None = None,
    ) -> Content:
        """All of these compartments or none.

        Raises NotAParticipant, Forbidden (which the access log keeps), PurposeRequired, PersonErased, BudgetExceeded
        and what `EventLog.append` raises: where the access cannot be written, nothing is shown.
        """
        pathway = await self._pathways.read(caller, pathway_id, Action.EXISTENCE)
        if pathway.erased or pathway.subject is None:
            raise PersonErased
        visit = Visit(
            caller=caller,
            subject=pathway.subject,
            stream_id=pathway.id,
            compartments=compartments,
            purpose=purpose,
            correlation_id=correlation_id,
        )
        grounds = await self._grounds(visit, pathway)
        broken = any(ground.relation is Relation.BREAK_GLASS for ground in grounds.values())
        notes_of = grounds[Compartment.NOTES].notes_of if Compartment.NOTES in grounds else None
        seen = await self._access_log.look(
            visit,
            topics_with(compartments),
            tuple(_opened(compartment, ground) for compartment, ground in grounds.items()),
            notes_of=notes_of,
            register=Register.BREAK_GLASS if broken else Register.ORDINARY,
        )
        return content_of(pathway, compartments, seen, notes_of)

    async def _grounds(self, visit: Visit, pathway: Pathway) -> dict[Compartment, Ground]:
        now = self._clock.now()
        try:
            return {
                compartment: authorise(visit.caller, ACTIONS[compartment], pathway, at=now, purpose=visit.purpose)
                for compartment in sorted(visit.compartments)
            }
        except (Forbidden, PurposeRequired) as refusal:
            await self._access_log.refuse(visit, refusal.code)
            raise


@cache
def topics_with(compartments: frozenset[Compartment]) -> frozenset[str]:
    """The topics of events that have a field in one of these compartments."""
    return frozenset(
        topic for topic, event_type in EVENT_TYPES.items() if compartments & set(compartments_of(event_type).values())
    )


class Field(msgspec.Struct, frozen=True):
    """One field of an event that has something to say."""

    told: Stored
    name: str
    value: Any


def content_of(
    pathway: Pathway, compartments: frozenset[Compartment], seen: Seen, notes_of: frozenset[str] | None
) -> Content:
    taken_back, contested = _taken_back(pathway), _contested(pathway)
    standing = [told for told in seen.events if told.event.originator_version not in taken_back]
    shown = [told for told in standing if notes_of is None or told.event.agency in notes_of]
    read = {
        compartment: list(_fields(shown if compartment is Compartment.NOTES else standing, compartment))
        for compartment in compartments
    }
    return Content(
        pathway_id=pathway.id,
        version=pathway.version,
        position=seen.appended.last_position,
        identity=_identity(standing, contested) if Compartment.IDENTITY in read else None,
        health=_health(read[Compartment.HEALTH], contested) if Compartment.HEALTH in read else None,
        notes=_notes(read[Compartment.NOTES], contested) if Compartment.NOTES in read else None,
        erased=tuple(sorted(name for name, fields in read.items() if any(_is_erased(field) for field in fields))),
    )


def _taken_back(pathway: Pathway) -> set[int]:
    """Versions of the events of which nothing is left in the ledger."""
    recorded: dict[int, bool] = {}
    for entry in pathway.ledger.entries.values():
        stands = pathway.ledger.current(entry.id) is not None
        recorded[entry.first_version] = recorded.get(entry.first_version, False) or stands
    return {version for version, stands in recorded.items() if not stands}


def _contested(pathway: Pathway) -> set[int]:
    """Versions of the events that recorded what the person contests."""
    entries = pathway.ledger.entries
    return {entries[entry_id].first_version for entry_id in pathway.rights.contested if entry_id in entries}


def _fields(events: Sequence[Stored], compartment: Compartment) -> Iterator[Field]:
    for told in events:
        for name, where in compartments_of(type(told.event)).items():
            value = getattr(told.event, name) if where is compartment else None
            if value is not None:
                yield Field(told, name, value)


def _is_erased(field: Field) -> bool:
    return isinstance(field.value, Erased)


def _identity(events: Sequence[Stored], contested: Container[int]) -> Identity:
    """As the last event has it: it replaces all that was said before, by nothing where it says nothing.

    The opening stands for it, corrected or not: it is what a person contests.
    """
    of_identity = [told for told in events if Compartment.IDENTITY in compartments_of(type(told.event)).values()]
    fields = _fields(of_identity[-1:], Compartment.IDENTITY)
    names = {field.name: field.value for field in fields if not _is_erased(field)}
    return Identity(**names, contested=1 in contested)


def _health(fields: Sequence[Field], contested: Container[int]) -> tuple[Health, ...]:
    return tuple(
        Health(**_place(field.told, contested), themes=tuple(_themes(field.value)))
        for field in fields
        if not _is_erased(field)
    )


def _themes(value: str | Sequence[HealthNeed]) -> Iterator[HealthTheme]:
    if isinstance(value, str):
        yield HealthTheme(theme=value)
    else:
        yield from (HealthTheme(theme=need.theme, need_id=need.need_id) for need in value)


def _notes(fields: Sequence[Field], contested: Container[int]) -> tuple[Note, ...]:
    return tuple(Note(**_place(field.told, contested), text=field.value) for field in fields if not _is_erased(field))


def _place(told: Stored, contested: Container[int]) -> dict[str, Any]:
    event = told.event
    return {
        "version": event.originator_version,
        "topic": told.topic,
        "agency": event.agency,
        "actor": event.actor,
        "recorded_at": event.timestamp,
        "contested": event.originator_version in contested,
    }


def _opened(compartment: Compartment, ground: Ground) -> Opened:
    return Opened(
        compartment=compartment,
        relation=ground.relation.value,
        legal_basis=ground.legal_basis,
        reference=ground.reference,
    )
