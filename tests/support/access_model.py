"""Who may do what, said a second time: by brute force, from what happened on a pathway, without the decision table.

One question at a time, in plain conditions, as the visibility matrix of docs/security.md reads.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.access import Caller, Means, Scope
from application.decision_table import Action
from domain.roles import Role

CARING = {"accompaniment", "referral", "contact"}
ALL_PURPOSES = (*sorted(CARING), "coordination", "emergency", "rights", "audit")


@dataclass
class SharedOnce:
    by_agency: str
    to_agency: str
    contents: set[str]
    purpose: str
    until: datetime
    consent: UUID | None = None
    revoked: bool = False


@dataclass
class BrokenOnce:
    agency: str
    agent: str
    until: datetime
    found_unjustified: bool = False


@dataclass
class History:
    """What happened on one pathway, as far as access is concerned."""

    pathway: UUID
    territory: str
    opened_by: str
    asked: list[str] = field(default_factory=list)
    """Agencies that a referral admitted."""
    referents: list[tuple[str, str]] = field(default_factory=list)
    """Who named whom, in order; all take part, and the last whom somebody in charge named is."""
    consents: dict[UUID, str] = field(default_factory=dict)
    """Those not withdrawn: to whom."""
    shares: dict[UUID, SharedOnce] = field(default_factory=dict)
    glass: dict[UUID, BrokenOnce] = field(default_factory=dict)

    def taking_part(self) -> set[str]:
        return {self.opened_by, *self.asked, *(named for _, named in self.referents), *self.consents.values()}

    def in_charge(self) -> set[str]:
        charged = {self.opened_by}
        for by, named in self.referents:
            if by in charged:
                charged = {self.opened_by, named}
        return charged


@dataclass
class Question:
    """May this caller do this to that pathway, then, for that purpose, with an auditor's mandate for it or without?"""

    history: History
    caller: Caller
    action: Action
    at: datetime
    purpose: str | None = None
    mandated_until: datetime | None = None


def verdict(asked: Question) -> str:
    """yes, absent (as if there were no such pathway), purpose (another one would do) or no."""
    if asked.caller.territory != asked.history.territory:
        return "absent"
    if _may(asked, asked.action, asked.purpose):
        return "yes"
    if not _may(asked, Action.EXISTENCE, None):
        return "absent"
    if asked.action in OPENINGS and any(_may(asked, asked.action, purpose) for purpose in ALL_PURPOSES):
        return "purpose"
    return "no"


def notes_of(asked: Question) -> set[str] | None:
    """Whose notes may be opened; None: everybody's. Only asked where opening them is allowed."""
    whose: set[str] = set()
    caller, roles = asked.caller, _roles(asked.caller)
    if _works(roles) and caller.agency in asked.history.taking_part() and asked.purpose in CARING:
        whose.add(caller.agency)
    if _works(roles) or Role.COORDINATOR in roles:
        whose |= {each.by_agency for each in _shared(asked, "notes", asked.purpose)}
    emergency = _works(roles) and _broke_the_glass(asked) and asked.purpose == "emergency"
    protecting = Role.DPO in roles and asked.purpose in {"rights", "audit"}
    return None if emergency or protecting else whose


OPENINGS = {Action.OPEN_IDENTITY: Scope.IDENTITY, Action.OPEN_HEALTH: Scope.HEALTH, Action.OPEN_NOTES: Scope.NOTES}


def _may(asked: Question, action: Action, purpose: str | None) -> bool:
    caller, history = asked.caller, asked.history
    roles = _roles(caller)
    works, cares, leads = _works(roles), Role.CARE_WORKER in roles, Role.LEAD in roles
    coordinates, protects = Role.COORDINATOR in roles, Role.DPO in roles
    software = caller.means is Means.API_KEY or _is_service(caller)
    takes_part, in_charge = caller.agency in history.taking_part(), caller.agency in history.in_charge()
    sees = takes_part or bool(_shared(asked))
    emergency = works and _broke_the_glass(asked)
    mandated = Role.CASE_AUDITOR in roles and asked.mandated_until is not None and asked.at < asked.mandated_until
    reads = ((software or works or leads) and sees) or emergency or coordinates or protects

    match action:
        case Action.EXISTENCE:
            return reads or mandated
        case Action.READ_CASE:
            return reads
        case Action.WRITE_CASE:
            return (software or works) and takes_part
        case Action.OPEN_IDENTITY | Action.OPEN_HEALTH | Action.OPEN_NOTES if OPENINGS[action] not in caller.scopes:
            return False
        case Action.OPEN_IDENTITY:
            return (
                ((_is_service(caller) or works) and takes_part and purpose in CARING)
                or ((_is_service(caller) or works or coordinates) and bool(_shared(asked, "identity", purpose)))
                or (emergency and purpose == "emergency")
                or (coordinates and purpose == "coordination")
                or (protects and purpose in {"rights", "audit"})
            )
        case Action.OPEN_HEALTH:
            return (
                (cares and in_charge and takes_part and purpose in CARING)
                or ((cares or coordinates) and bool(_shared(asked, "health", purpose)))
                or (cares and emergency and purpose == "emergency")
                or (protects and purpose in {"rights", "audit"})
            )
        case Action.OPEN_NOTES:
            return (
                (works and takes_part and purpose in CARING)
                or ((works or coordinates) and bool(_shared(asked, "notes", purpose)))
                or (emergency and purpose == "emergency")
                or (protects and purpose in {"rights", "audit"})
            )
        case Action.SHARE:
            return works and takes_part and Scope.SHARE in caller.scopes
        case Action.REVOKE_SHARE:
            return works and sees and Scope.SHARE in caller.scopes
        case Action.BREAK_GLASS:
            return works and Scope.SHARE in caller.scopes
        case Action.REVIEW_BREAK_GLASS:
            return (coordinates or protects) and caller.means is Means.PERSON
    raise NotImplementedError(action)


def _roles(caller: Caller) -> set[Role]:
    """An API key has none, whatever it says."""
    return set() if caller.means is Means.API_KEY else set(caller.roles)


def _works(roles: set[Role]) -> bool:
    return bool(roles & {Role.WORKER, Role.CARE_WORKER})


def _is_service(caller: Caller) -> bool:
    return caller.means is Means.SERVICE and not caller.roles and bool(caller.scopes)


def _shared(asked: Question, content: str | None = None, purpose: str | None = None) -> list[SharedOnce]:
    """Shares with the caller's agency that count at that time; of a content, for a purpose."""
    return [
        each
        for each in asked.history.shares.values()
        if each.to_agency == asked.caller.agency
        and not each.revoked
        and asked.at < each.until
        and (each.consent is None or each.consent in asked.history.consents)
        and (content is None or (content in each.contents and purpose == each.purpose))
    ]


def _broke_the_glass(asked: Question) -> bool:
    return any(
        (each.agency, each.agent) == (asked.caller.agency, asked.caller.agent)
        and asked.at < each.until
        and not each.found_unjustified
        for each in asked.history.glass.values()
    )


MODELLED = (
    Action.EXISTENCE,
    Action.READ_CASE,
    Action.WRITE_CASE,
    Action.OPEN_IDENTITY,
    Action.OPEN_HEALTH,
    Action.OPEN_NOTES,
    Action.SHARE,
    Action.REVOKE_SHARE,
    Action.BREAK_GLASS,
    Action.REVIEW_BREAK_GLASS,
)
