"""May this caller do this, here, now? Answers from the decision table alone, with the ground, or refuses.

Pure. Whoever may not know that a pathway exists is refused word for word as if it did not.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from application.access import Caller, Means
from application.decision_table import (
    BASIS_OF_ROLE,
    IN_PERSON,
    LEGAL_BASIS,
    ON_PATHWAY,
    OPENINGS,
    SCOPE_OF,
    Action,
    Capacity,
    Line,
    Reach,
    Relation,
    Software,
    lines_for,
)
from application.route_rights import COMMAND_RIGHTS
from domain.break_glass import OwnReview, ReviewBreakGlass, open_glass
from domain.command import Command
from domain.errors import DomainError
from domain.pathway import NotAParticipant, Pathway
from domain.roles import Role
from domain.shares import AccessPurpose, GrantShare, SharedContent, live_shares


class Forbidden(DomainError):
    """You may not do this here."""

    code = "forbidden"
    status = 403
    title_fr = "Vous ne pouvez pas faire cela ici."


class PurposeRequired(DomainError):
    """A person's content is opened for one of the purposes allowed to you here: say which."""

    code = "purpose_required"
    status = 422
    title_fr = "Le contenu d'une personne s'ouvre pour l'une des finalités qui vous sont permises ici : dites laquelle."


class Warrant(msgspec.Struct, frozen=True, kw_only=True):
    """What an auditor's mandate allows: these pathways, until then."""

    mandate_id: UUID
    pathways: frozenset[UUID]
    until: datetime


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is allowed: what is written into the access log."""

    relation: Relation
    capacity: Capacity
    legal_basis: str
    until: datetime | None = None
    """When the ground falls away by itself."""
    reference: UUID | None = None
    """The share, the breaking of the glass or the mandate that it rests on."""
    notes_of: frozenset[str] | None = None
    """Agencies whose notes may be opened; None: everybody's."""

    @property
    def share_id(self) -> UUID | None:
        return self.reference if self.relation is Relation.SHARE else None


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a caller stands to a pathway."""

    relation: Relation
    legal_basis: str
    until: datetime | None = None
    reference: UUID | None = None
    contents: tuple[SharedContent, ...] = ()
    purpose: AccessPurpose | None = None
    by_agency: str = ""


CONTENT_OF = {
    Action.OPEN_IDENTITY: SharedContent.IDENTITY,
    Action.OPEN_HEALTH: SharedContent.HEALTH,
    Action.OPEN_NOTES: SharedContent.NOTES,
}
KNOWN_PURPOSES = frozenset(AccessPurpose)
TAKING_PART = frozenset({Relation.OWNER, Relation.PARTICIPANT})


def authorise(
    caller: Caller,
    action: Action,
    pathway: Pathway | None,
    *,
    at: datetime,
    purpose: str | None = None,
    warrant: Warrant | None = None,
) -> Ground:
    """Why the caller may do this at that time.

    Raises NotAParticipant where the pathway is absent or its existence is not the caller's to know, PurposeRequired
    where another purpose would do, Forbidden otherwise. What is about no pathway ignores `pathway`.
    """
    if action not in ON_PATHWAY:
        tie = Tie(relation=Relation.TERRITORY, legal_basis=LEGAL_BASIS[Relation.TERRITORY])
        ground = _first(_grounds(caller, action, (tie,), purpose))
        if ground is None:
            raise Forbidden
        return ground
    if pathway is None or pathway.territory != caller.territory:
        raise NotAParticipant
    ties = tuple(ties_between(caller, pathway, at, warrant))
    if action not in OPENINGS or purpose in KNOWN_PURPOSES:
        ground = _merged(_grounds(caller, action, ties, purpose), action)
        if ground is not None:
            return ground
    if _first(_grounds(caller, Action.EXISTENCE, ties, None)) is None:
        raise NotAParticipant
    if action in OPENINGS and _opens(caller, action, ties):
        raise PurposeRequired(field="?purpose")
    raise Forbidden


def must_be_allowed(caller: Caller, command: Command, pathway: Pathway | None, *, at: datetime) -> Pathway:
    """The pathway, if the caller may carry out the command on it; nobody shares more than they may open themselves.

    What was only shared with them, or opened in an emergency, is not theirs to share: it would outlast what opened it.

    Raises NotAParticipant, Forbidden, OwnReview.
    """
    authorise(caller, COMMAND_RIGHTS.get(type(command), Action.WRITE_CASE), pathway, at=at)
    assert pathway is not None, "on an absent one nothing is allowed"
    if isinstance(command, GrantShare):
        ties = [tie for tie in ties_between(caller, pathway, at) if tie.relation in TAKING_PART]
        for action, content in CONTENT_OF.items():
            if content in command.contents and not _opens(caller, action, ties):
                raise Forbidden("You cannot share what you may not open yourself.", field="/contents")
    if isinstance(command, ReviewBreakGlass):
        broken = pathway.break_glass.get(command.break_glass_id)
        if broken is not None and broken.agent == caller.agent:
            raise OwnReview  # For whichever agency they signed in this time.
    return pathway


def _opens(caller: Caller, action: Action, ties: Iterable[Tie]) -> bool:
    """For some purpose or other."""
    return any(_grounds(caller, action, ties, purpose) for purpose in AccessPurpose)


def may_ever(caller: Caller, action: Action) -> bool:
    """Whether there is any pathway on which, or at all, the caller could do this: asked before looking further."""
    return _has_scope(caller, action) and any(lines_for(action, capacity) for capacity in capacities_of(caller))


def capacities_of(caller: Caller) -> Iterable[Capacity]:
    """A person acts in their roles and in nothing else, a service on somebody's behalf in that person's."""
    if caller.means is Means.API_KEY:
        return (Software.API_KEY,)
    if caller.means is Means.SERVICE and not caller.roles and caller.scopes:
        return (Software.SERVICE,)
    return sorted(caller.roles)


def ties_between(caller: Caller, pathway: Pathway, at: datetime, warrant: Warrant | None = None) -> Iterator[Tie]:
    """Every way in which a caller stands to a pathway of its territory, the strongest first."""
    if caller.agency in pathway.participants:
        relation = Relation.OWNER if caller.agency in pathway.in_charge else Relation.PARTICIPANT
        yield Tie(relation=relation, legal_basis=LEGAL_BASIS[relation])
    for share in live_shares(pathway, at):
        if share.to_agency == caller.agency:
            yield Tie(
                relation=Relation.SHARE,
                legal_basis=share.basis.value,
                until=share.until,
                reference=share.share_id,
                contents=share.contents,
                purpose=share.purpose,
                by_agency=share.by_agency,
            )
    for broken in open_glass(pathway, at):
        if caller.agent is not None and (broken.agency, broken.agent) == (caller.agency, caller.agent):
            relation = Relation.BREAK_GLASS
            basis = LEGAL_BASIS[relation]
            yield Tie(relation=relation, legal_basis=basis, until=broken.until, reference=broken.break_glass_id)
    if warrant is not None and at < warrant.until and pathway.id in warrant.pathways:
        relation = Relation.MANDATE
        basis = LEGAL_BASIS[relation]
        yield Tie(relation=relation, legal_basis=basis, until=warrant.until, reference=warrant.mandate_id)
    yield Tie(relation=Relation.TERRITORY, legal_basis=LEGAL_BASIS[Relation.TERRITORY])


def _grounds(caller: Caller, action: Action, ties: Iterable[Tie], purpose: str | None) -> list[Ground]:
    """All that allow it, the strongest tie first."""
    if not _has_scope(caller, action):
        return []
    capacities = capacities_of(caller)
    return [
        _ground(caller, action, capacity, line, tie)
        for tie in ties
        for capacity in capacities
        for line in lines_for(action, capacity)
        if line.relation is tie.relation and _allows(line, action, tie, purpose)
    ]


def _has_scope(caller: Caller, action: Action) -> bool:
    """And is there in person, where that is asked for."""
    needed = SCOPE_OF.get(action)
    return (needed is None or needed in caller.scopes) and (action not in IN_PERSON or caller.means is Means.PERSON)


def _allows(line: Line, action: Action, tie: Tie, purpose: str | None) -> bool:
    if action not in OPENINGS:
        return True
    if line.reach is Reach.SHARED:
        return CONTENT_OF[action] in tie.contents and purpose == tie.purpose
    return purpose in line.purposes


def _ground(caller: Caller, action: Action, capacity: Capacity, line: Line, tie: Tie) -> Ground:
    of_role = BASIS_OF_ROLE.get(capacity) if isinstance(capacity, Role) else None
    basis = of_role if of_role is not None and tie.relation is Relation.TERRITORY else tie.legal_basis
    notes_of: frozenset[str] | None = None
    if action is Action.OPEN_NOTES and line.reach is not Reach.ALL:
        notes_of = frozenset({caller.agency if line.reach is Reach.OWN else tie.by_agency})
    return Ground(
        relation=tie.relation,
        capacity=capacity,
        legal_basis=basis,
        until=tie.until,
        reference=tie.reference,
        notes_of=notes_of,
    )


def _first(grounds: list[Ground]) -> Ground | None:
    return grounds[0] if grounds else None


def _merged(grounds: list[Ground], action: Action) -> Ground | None:
    """The strongest ground; of notes, opening those that all of them open."""
    if not grounds or action is not Action.OPEN_NOTES:
        return _first(grounds)
    if any(ground.notes_of is None for ground in grounds):
        return msgspec.structs.replace(grounds[0], notes_of=None)
    agencies = frozenset(agency for ground in grounds for agency in ground.notes_of or ())
    return msgspec.structs.replace(grounds[0], notes_of=agencies)
