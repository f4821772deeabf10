"""All that is known of one person, put together for them to read (GDPR art. 15): pure, from events to a document."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from application.accesses import Access
from application.event_log import Stored
from application.recipients import took_part
from domain.aggregate import compartments_of
from domain.alert import Alert
from domain.compartments import Compartment, Erased
from domain.pathway import Pathway
from domain.retention import RetentionPolicy, clock_of, months_after
from domain.subject_access import Withheld

SOMEBODY = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|(?<!\d)0[1-9](?:[ .-]?\d{2}){4}(?!\d)|"
    r"\b(?:M\.|Mr|Mme|Mlle|monsieur|madame|voisine?|frère|sœur|soeur|mère|père|mari|épouse|époux|conjointe?|compagne|"
    r"compagnon|fille|fils|enfants?|ex-|collègue|employeur|propriétaire)(?!\w)",
    re.IGNORECASE,
)
"""What hints at somebody else in a text. Only a hint: whoever checks reads all of them."""


class Nature(StrEnum):
    FACT = "fact"
    IDENTITY = "identity"
    HEALTH = "health"
    TEXT = "text"


NATURE_OF: Mapping[Compartment, Nature] = {
    Compartment.CASE: Nature.FACT,
    Compartment.IDENTITY: Nature.IDENTITY,
    Compartment.HEALTH: Nature.HEALTH,
    Compartment.NOTES: Nature.TEXT,
}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an event says."""

    field: str
    nature: Nature
    value: Any
    """Null when it is withheld, or its key was destroyed."""
    withheld: bool = False
    to_check: bool = False
    """It may speak of somebody else."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event, without who typed it: an agent is another person."""

    version: int
    type: str
    recorded_at: datetime
    agency: str
    items: tuple[Item, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that was raised about the pathway, and to whom."""

    rule: str
    status: str
    on: datetime | None
    agencies: tuple[str, ...]


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient: an agency that opened what names the person, or was refused it."""

    at: datetime
    agency: str
    compartments: tuple[str, ...]
    purpose: str
    legal_basis: str | None
    refused: bool


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How long (art. 15, 1 d)."""

    last_contact: date
    used_until: date
    archived_since: date | None
    erased_on: date
    held: bool


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `draft` until somebody has checked it."""

    id: UUID
    pathway_id: UUID
    reference: str
    territory: str
    known_at: datetime
    draft: bool
    identity: Mapping[str, Any]
    agencies: tuple[str, ...]
    """That take or took part."""
    contested: tuple[UUID, ...]
    restricted: bool
    kept: Kept
    history: tuple[Line, ...]
    alerts: tuple[Told, ...]
    accesses: tuple[Looked, ...]


def document_of(
    access_id: UUID,
    pathway: Pathway,
    events: Sequence[Stored],
    alerts: Sequence[Alert],
    accesses: Sequence[Access],
    *,
    withheld: Sequence[Withheld],
    draft: bool,
    policy: RetentionPolicy,
) -> Document:
    """Events in the order of their versions, opened; the pathway as it stood after the last of them."""
    kept_back = {(each.version, each.field) for each in withheld}
    return Document(
        id=access_id,
        pathway_id=pathway.id,
        reference=pathway.reference,
        territory=pathway.territory,
        known_at=pathway.modified_on,
        draft=draft,
        identity=_identity(events, kept_back),
        agencies=tuple(sorted(took_part(pathway, events))),
        contested=tuple(sorted(pathway.rights.contested)),
        restricted=pathway.is_restricted,
        kept=_kept(pathway, policy),
        history=tuple(_line(stored, kept_back, draft=draft) for stored in events),
        alerts=tuple(_told(alert) for alert in alerts if alert.finding is not None),
        accesses=tuple(_looked(access) for access in accesses),
    )


def _line(stored: Stored, kept_back: set[tuple[int, str]], *, draft: bool) -> Line:
    event = stored.event
    return Line(
        version=event.originator_version,
        type=stored.topic.partition("@")[0],
        recorded_at=event.timestamp,
        agency=event.agency,
        items=tuple(_items(stored, kept_back, draft=draft)),
    )


def _items(stored: Stored, kept_back: set[tuple[int, str]], *, draft: bool) -> Iterator[Item]:
    event = stored.event
    for name, compartment in compartments_of(type(event)).items():
        value = getattr(event, name)
        if compartment is None or value is None or value == ():
            continue
        withheld = (event.originator_version, name) in kept_back
        nature = NATURE_OF[compartment]
        yield Item(
            field=name,
            nature=nature,
            value=None if withheld or isinstance(value, Erased) else value,
            withheld=withheld,
            to_check=draft and nature is Nature.TEXT and isinstance(value, str) and bool(SOMEBODY.search(value)),
        )


def _identity(events: Sequence[Stored], kept_back: set[tuple[int, str]]) -> dict[str, Any]:
    """As last recorded: a correction replaces all that was said before."""
    for stored in reversed(events):
        if Compartment.IDENTITY in compartments_of(type(stored.event)).values():
            items = _items(stored, kept_back, draft=False)
            return {
                item.field: item.value for item in items if item.nature is Nature.IDENTITY and item.value is not None
            }
    return {}


def _kept(pathway: Pathway, policy: RetentionPolicy) -> Kept:
    clock = clock_of(pathway)
    used_until = months_after(clock.last_contact, policy.used_months)
    archived = clock.archived_on or used_until
    return Kept(
        last_contact=clock.last_contact,
        used_until=used_until,
        archived_since=clock.archived_on,
        erased_on=months_after(archived, policy.archived_months),
        held=clock.held,
    )


def _told(alert: Alert) -> Told:
    assert alert.finding is not None
    on = None if alert.changed is None else alert.changed[0]
    agencies = tuple(sorted({recipient.agency for recipient in alert.recipients}))
    return Told(rule=alert.finding.rule, status=alert.status.value, on=on, agencies=agencies)


def _looked(access: Access) -> Looked:
    bases = sorted({opened.legal_basis for opened in access.opened})
    return Looked(
        at=access.at,
        agency=access.agency,
        compartments=tuple(sorted(str(each) for each in access.compartments)),
        purpose=access.purpose.value,
        legal_basis=", ".join(bases) or None,
        refused=access.refused is not None,
    )
