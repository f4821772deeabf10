"""A pathway as plain values and back, cut by compartment to be sealed: a long history need not be folded again."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from domain.break_glass import BreakGlass
from domain.facts import FactState
from domain.ledger import Entry, Point
from domain.pathway import Pathway
from domain.rights import Rights
from domain.shares import Share


class EntryState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An `Entry` without the links that adding it to a ledger makes; points as text."""

    id: UUID
    type: str | None = None
    agency: str
    recorded_by: str
    actor: str | None = None
    version: int
    recorded_at: datetime
    position: int
    start: str
    end: str | None = None
    state: FactState = FactState.DONE
    attrs: dict[str, Any] = {}
    part_of: UUID | None = None
    because_of: UUID | None = None
    affects: tuple[UUID, ...] = ()
    moves: Literal["start", "end"] | None = None
    sets: dict[str, Any] = {}
    inherits: tuple[str, ...] = ()
    exclusive: tuple[str, ...] | None = None
    admits: str | None = None
    dismisses: bool = False
    retracted: bool = False
    first_version: int = 0
    first_position: int = 0


class CodedState(msgspec.Struct, kw_only=True):
    """What the key of coded facts seals."""

    id: UUID
    territory: str
    subject: UUID | None
    version: int
    created_on: datetime
    modified_on: datetime
    entries: list[EntryState]
    rights: Rights
    shares: list[Share] = []
    break_glass: list[BreakGlass] = []


class IdentityState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the key of the person's identity seals."""

    birth_date: date | None = None


LINKS = ("steps", "dependents")
"""Fields of an entry that adding it to a ledger fills."""


def state_of(pathway: Pathway) -> tuple[CodedState, IdentityState]:
    coded = CodedState(
        id=pathway.id,
        territory=pathway.territory,
        subject=pathway.subject,
        version=pathway.version,
        created_on=pathway.created_on,
        modified_on=pathway.modified_on,
        entries=[_entry_state(entry) for entry in pathway.ledger.entries.values()],
        rights=pathway.rights,
        shares=list(pathway.shares.values()),
        break_glass=list(pathway.break_glass.values()),
    )
    return coded, IdentityState(birth_date=pathway.birth_date)


def pathway_from(coded: CodedState, identity: IdentityState) -> Pathway:
    """`identity` is empty when its key has been destroyed."""
    pathway = Pathway.__new__(Pathway)
    pathway.__base_init__(originator_id=coded.id, originator_version=coded.version, timestamp=coded.created_on)
    pathway.__init__()  # type: ignore[misc]
    pathway.modified_on = coded.modified_on
    pathway.territory, pathway.subject = coded.territory, coded.subject
    pathway.birth_date = identity.birth_date
    pathway.rights = coded.rights
    pathway.shares = {share.share_id: share for share in coded.shares}
    pathway.break_glass = {broken.break_glass_id: broken for broken in coded.break_glass}
    for state in coded.entries:
        entry = _entry(state)
        pathway.ledger.add(entry)
        entry.first_version = state.first_version
    return pathway


def _entry_state(entry: Entry) -> EntryState:
    fields = {name: getattr(entry, name) for name in entry.__struct_fields__ if name not in LINKS}
    fields["start"] = entry.start.isoformat()
    fields["end"] = entry.end.isoformat() if entry.end is not None else None
    return EntryState(**fields)


def _entry(state: EntryState) -> Entry:
    fields = {name: getattr(state, name) for name in state.__struct_fields__}
    fields["start"] = _point(state.start)
    fields["end"] = _point(state.end) if state.end is not None else None
    return Entry(**fields)


def _point(text: str) -> Point:
    return date.fromisoformat(text) if len(text) == len("2026-01-31") else datetime.fromisoformat(text)
