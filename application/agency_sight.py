"""What an agency could see of a pathway as it stood: the decision table asked again, for all it may act through."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from application.access import KEY_SCOPES, Caller, Means, Scope
from application.authorisation import Forbidden, Ground, PurposeRequired, authorise
from application.decision_table import OPENINGS, Action, Capacity, Relation, Software
from domain.break_glass import open_glass
from domain.pathway import NotAParticipant, Pathway
from domain.roles import Role
from domain.shares import AccessPurpose

SEEN = (
    Action.EXISTENCE,
    Action.READ_CASE,
    Action.WRITE_CASE,
    Action.OPEN_IDENTITY,
    Action.OPEN_HEALTH,
    Action.OPEN_NOTES,
)
CAPACITIES: tuple[Capacity, ...] = (
    Software.API_KEY,
    Software.SERVICE,
    Role.WORKER,
    Role.CARE_WORKER,
    Role.LEAD,
)
"""Through whom an agency acts. The roles of a whole territory are nobody's agency's."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was open to somebody of an agency, and on what ground."""

    capacity: Capacity
    action: Action
    purposes: tuple[AccessPurpose, ...]
    """For which content was open; none for what needs no purpose."""
    relation: Relation
    legal_basis: str
    until: datetime | None
    reference: UUID | None
    """The share or the breaking of the glass that it rests on."""
    notes_of: tuple[str, ...] | None
    """Agencies whose notes were open; None: everybody's, or not about notes."""
    agent: str | None
    """Who broke the glass; None: anybody of that capacity."""


def openings_to(agency: str, pathway: Pathway, at: datetime) -> list[Opening]:
    """All that was open at that time, by capacity then action; nothing for an agency that nothing was open to."""
    anybody = [opening for capacity in CAPACITIES for opening in _open_to(agency, pathway, at, capacity, None)]
    known = set(anybody)
    agents = sorted({broken.agent for broken in open_glass(pathway, at) if broken.agency == agency})
    alone = [
        opening
        for agent in agents
        for capacity in (Role.WORKER, Role.CARE_WORKER)
        for opening in _open_to(agency, pathway, at, capacity, agent)
        if msgspec.structs.replace(opening, agent=None) not in known
    ]
    return [*anybody, *alone]


def _open_to(agency: str, pathway: Pathway, at: datetime, capacity: Capacity, agent: str | None) -> Iterator[Opening]:
    caller = _somebody(agency, pathway.territory, capacity, agent)
    for action in SEEN:
        grounds: dict[Ground, list[AccessPurpose]] = {}
        for purpose in tuple(AccessPurpose) if action in OPENINGS else (None,):
            try:
                ground = authorise(caller, action, pathway, at=at, purpose=purpose)
            except (Forbidden, NotAParticipant, PurposeRequired):
                continue
            purposes = grounds.setdefault(ground, [])
            if purpose is not None:
                purposes.append(purpose)
        yield from (_opening(action, ground, purposes, agent) for ground, purposes in grounds.items())


def _somebody(agency: str, territory: str, capacity: Capacity, agent: str | None) -> Caller:
    """Who holds all that this capacity may hold."""
    match capacity:
        case Software.API_KEY:
            return Caller(territory=territory, agency=agency, scopes=KEY_SCOPES, means=Means.API_KEY)
        case Software.SERVICE:
            return Caller(territory=territory, agency=agency, scopes=frozenset(Scope), means=Means.SERVICE)
        case Role() as role:
            everything, roles = frozenset(Scope), frozenset({role})
            return Caller(
                territory=territory, agency=agency, agent=agent, scopes=everything, means=Means.PERSON, roles=roles
            )


def _opening(action: Action, ground: Ground, purposes: list[AccessPurpose], agent: str | None) -> Opening:
    return Opening(
        capacity=ground.capacity,
        action=action,
        purposes=tuple(purposes),
        relation=ground.relation,
        legal_basis=ground.legal_basis,
        until=ground.until,
        reference=ground.reference,
        notes_of=None if ground.notes_of is None else tuple(sorted(ground.notes_of)),
        agent=agent,
    )
