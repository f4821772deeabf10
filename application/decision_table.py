"""Who may do what, as data: every line allows, and what no line allows is refused.

A caller has capacities (its software's, or the roles of the person who acts) and stands in relations to a pathway.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from application.access import Scope
from domain.roles import Role
from domain.shares import AccessPurpose


class Action(StrEnum):
    """What a request does. Those of `ON_PATHWAY` are about one pathway."""

    EXISTENCE = "existence"
    READ_CASE = "read_case"
    WRITE_CASE = "write_case"
    OPEN_IDENTITY = "open_identity"
    OPEN_HEALTH = "open_health"
    OPEN_NOTES = "open_notes"
    SHARE = "share"
    REVOKE_SHARE = "revoke_share"
    BREAK_GLASS = "break_glass"
    REVIEW_BREAK_GLASS = "review_break_glass"
    READ_ACCESSES = "read_accesses"
    ERASE = "erase"
    RESTRICT = "restrict"
    EXPORT_SUBJECT = "export_subject"
    AUDIT_REPLAY = "audit_replay"

    OPEN_PATHWAY = "open_pathway"
    LIST_CASES = "list_cases"  # Pathways, alerts and things to do of one's own agency.
    READ_ALERTS = "read_alerts"  # And what came to the coordinators, for them.
    ANSWER_ALERT = "answer_alert"
    MATCH = "match"
    MANAGE_AGENCY = "manage_agency"
    MANAGE_MEMBERS = "manage_members"
    PROPOSE_MANDATES = "propose_mandates"
    SIGN_MANDATES = "sign_mandates"
    READ_MANDATES = "read_mandates"
    RETAIN = "retain"
    STEER = "steer"
    READ_RULE_HEALTH = "read_rule_health"  # Of one's own agency.
    READ_EVERY_RULE_HEALTH = "read_every_rule_health"  # Of all agencies; who may steer reads it too.
    READ_REFERENCE = "read_reference"  # What says nothing of persons: agencies, rules, one's own credential.
    READ_AGGREGATES = "read_aggregates"
    READ_PROOFS = "read_proofs"
    READ_RECEIPTS = "read_receipts"
    AUDIT_STATISTICS = "audit_statistics"


class Software(StrEnum):
    """Capacities of who is no person."""

    API_KEY = "api_key"
    SERVICE = "service"


Capacity = Software | Role


class Relation(StrEnum):
    """How a caller stands to a pathway of its own territory. To those of others there is none."""

    OWNER = "owner"  # The agency that opened it, and the referent.
    PARTICIPANT = "participant"  # An agency that a referral, an orientation, a consent... admitted.
    SHARE = "share"
    BREAK_GLASS = "break_glass"
    MANDATE = "mandate"  # An auditor's, which names the pathway.
    TERRITORY = "territory"


class Reach(StrEnum):
    """How much of a compartment a line opens."""

    ALL = "all"
    OWN = "own"  # What the caller's agency wrote.
    SHARED = "shared"  # What a live share names, for its purpose; of notes, those of the agency that shared.


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    capacities: frozenset[Capacity]
    relation: Relation
    actions: frozenset[Action]
    reach: Reach = Reach.ALL
    purposes: frozenset[AccessPurpose] = frozenset()
    """For which a person's content may be opened; a shared one's purpose is its share's."""


def _line(
    capacities: frozenset[Capacity],
    relation: Relation,
    *actions: Action,
    reach: Reach = Reach.ALL,
    purposes: frozenset[AccessPurpose] = frozenset(),
) -> Line:
    return Line(
        capacities=capacities,
        relation=relation,
        actions=frozenset(actions),
        reach=reach,
        purposes=purposes,
    )


A, R, P = Action, Relation, AccessPurpose
Capacities = frozenset[Capacity]
SERVICE: Capacities = frozenset({Software.SERVICE})
SOFTWARE: Capacities = frozenset(Software)
WORKERS: Capacities = frozenset({Role.WORKER, Role.CARE_WORKER})
CARE: Capacities = frozenset({Role.CARE_WORKER})
LEAD: Capacities = frozenset({Role.LEAD})
COORDINATOR: Capacities = frozenset({Role.COORDINATOR})
DPO: Capacities = frozenset({Role.DPO})
OPERATOR: Capacities = frozenset({Role.OPERATOR})
CASE_AUDITOR: Capacities = frozenset({Role.CASE_AUDITOR})
STATISTICS_AUDITOR: Capacities = frozenset({Role.STATISTICS_AUDITOR})
INTEGRITY_AUDITOR: Capacities = frozenset({Role.INTEGRITY_AUDITOR})
EVERYBODY: Capacities = SOFTWARE | frozenset(Role)

CARING = frozenset({P.ACCOMPANIMENT, P.REFERRAL, P.CONTACT})
COORDINATING = frozenset({P.COORDINATION})
EMERGENCY = frozenset({P.EMERGENCY})
PROTECTING = frozenset({P.RIGHTS, P.AUDIT})

TABLE: tuple[Line, ...] = (
    # The agency in charge.
    _line(SOFTWARE | WORKERS, R.OWNER, A.EXISTENCE, A.READ_CASE, A.WRITE_CASE),
    _line(SERVICE | WORKERS, R.OWNER, A.OPEN_IDENTITY, purposes=CARING),
    _line(WORKERS, R.OWNER, A.OPEN_NOTES, reach=Reach.OWN, purposes=CARING),
    _line(CARE, R.OWNER, A.OPEN_HEALTH, purposes=CARING),
    _line(WORKERS, R.OWNER, A.SHARE, A.REVOKE_SHARE),
    _line(LEAD, R.OWNER, A.EXISTENCE, A.READ_CASE, A.READ_ACCESSES, A.EXPORT_SUBJECT),
    # An agency that was asked to act.
    _line(SOFTWARE | WORKERS, R.PARTICIPANT, A.EXISTENCE, A.READ_CASE, A.WRITE_CASE),
    _line(SERVICE | WORKERS, R.PARTICIPANT, A.OPEN_IDENTITY, purposes=CARING),
    _line(WORKERS, R.PARTICIPANT, A.OPEN_NOTES, reach=Reach.OWN, purposes=CARING),
    _line(WORKERS, R.PARTICIPANT, A.SHARE, A.REVOKE_SHARE),
    _line(LEAD, R.PARTICIPANT, A.EXISTENCE, A.READ_CASE),
    # An agency that something is shared with.
    _line(SOFTWARE | WORKERS | LEAD, R.SHARE, A.EXISTENCE, A.READ_CASE),
    _line(SERVICE | WORKERS | COORDINATOR, R.SHARE, A.OPEN_IDENTITY, reach=Reach.SHARED),
    _line(WORKERS | COORDINATOR, R.SHARE, A.OPEN_NOTES, reach=Reach.SHARED),
    _line(CARE | COORDINATOR, R.SHARE, A.OPEN_HEALTH, reach=Reach.SHARED),
    _line(WORKERS, R.SHARE, A.REVOKE_SHARE),
    # Whoever broke the glass.
    _line(WORKERS, R.BREAK_GLASS, A.EXISTENCE, A.READ_CASE),
    _line(WORKERS, R.BREAK_GLASS, A.OPEN_IDENTITY, A.OPEN_NOTES, purposes=EMERGENCY),
    _line(CARE, R.BREAK_GLASS, A.OPEN_HEALTH, purposes=EMERGENCY),
    _line(WORKERS, R.TERRITORY, A.BREAK_GLASS),
    # The coordinator (CASF L.121-6-2).
    _line(COORDINATOR, R.TERRITORY, A.EXISTENCE, A.READ_CASE, A.REVIEW_BREAK_GLASS),
    _line(COORDINATOR, R.TERRITORY, A.OPEN_IDENTITY, purposes=COORDINATING),
    # The data-protection officer.
    _line(DPO, R.TERRITORY, A.EXISTENCE, A.READ_CASE, A.READ_ACCESSES, A.REVIEW_BREAK_GLASS),
    _line(DPO, R.TERRITORY, A.OPEN_IDENTITY, A.OPEN_HEALTH, A.OPEN_NOTES, purposes=PROTECTING),
    _line(DPO, R.TERRITORY, A.ERASE, A.RESTRICT, A.EXPORT_SUBJECT, A.RETAIN, A.SIGN_MANDATES),
    # Auditors.
    _line(CASE_AUDITOR, R.MANDATE, A.EXISTENCE, A.AUDIT_REPLAY),
    _line(STATISTICS_AUDITOR, R.TERRITORY, A.AUDIT_STATISTICS),
    _line(LEAD | COORDINATOR | DPO | OPERATOR, R.TERRITORY, A.PROPOSE_MANDATES),
    # What is about no pathway.
    _line(SOFTWARE | WORKERS, R.TERRITORY, A.OPEN_PATHWAY),
    _line(SOFTWARE | WORKERS | LEAD, R.TERRITORY, A.LIST_CASES),
    _line(SOFTWARE | WORKERS | LEAD | COORDINATOR, R.TERRITORY, A.READ_ALERTS, A.ANSWER_ALERT),
    _line(SERVICE | WORKERS, R.TERRITORY, A.MATCH),
    _line(SOFTWARE | LEAD | OPERATOR, R.TERRITORY, A.MANAGE_AGENCY),
    _line(LEAD | OPERATOR, R.TERRITORY, A.MANAGE_MEMBERS),
    _line(SOFTWARE | COORDINATOR | OPERATOR, R.TERRITORY, A.STEER),
    _line(SOFTWARE | LEAD | COORDINATOR, R.TERRITORY, A.READ_RULE_HEALTH),
    _line(COORDINATOR, R.TERRITORY, A.READ_EVERY_RULE_HEALTH),
    _line(OPERATOR, R.TERRITORY, A.RETAIN),
    _line(EVERYBODY, R.TERRITORY, A.READ_REFERENCE, A.READ_RECEIPTS),
    _line(EVERYBODY - SOFTWARE, R.TERRITORY, A.READ_AGGREGATES),
    _line(SERVICE | INTEGRITY_AUDITOR | OPERATOR | DPO, R.TERRITORY, A.READ_PROOFS),
)

ON_PATHWAY = frozenset(
    {
        A.EXISTENCE,
        A.READ_CASE,
        A.WRITE_CASE,
        A.OPEN_IDENTITY,
        A.OPEN_HEALTH,
        A.OPEN_NOTES,
        A.SHARE,
        A.REVOKE_SHARE,
        A.BREAK_GLASS,
        A.REVIEW_BREAK_GLASS,
        A.READ_ACCESSES,
        A.ERASE,
        A.RESTRICT,
        A.EXPORT_SUBJECT,
        A.AUDIT_REPLAY,
    }
)
OPENINGS = frozenset({A.OPEN_IDENTITY, A.OPEN_HEALTH, A.OPEN_NOTES})
"""These need a purpose."""

SCOPE_OF: Mapping[Action, Scope] = {
    A.OPEN_IDENTITY: Scope.IDENTITY,
    A.OPEN_HEALTH: Scope.HEALTH,
    A.OPEN_NOTES: Scope.NOTES,
    A.SHARE: Scope.SHARE,
    A.REVOKE_SHARE: Scope.SHARE,
    A.BREAK_GLASS: Scope.SHARE,
    A.MATCH: Scope.MATCH,
    A.ERASE: Scope.ERASE,
    A.AUDIT_REPLAY: Scope.AUDIT_CASE,
    A.READ_PROOFS: Scope.AUDIT_INTEGRITY,
    A.STEER: Scope.STEER,
    A.MANAGE_AGENCY: Scope.MANAGE,
}
"""What a credential must also hold; for the other actions, what its route asks for."""

IN_PERSON = frozenset({A.PROPOSE_MANDATES, A.SIGN_MANDATES, A.REVIEW_BREAK_GLASS})
"""By which one person checks another. Software that speaks for both would check itself: they sign in themselves."""

LEGAL_BASIS: Mapping[Relation, str] = {
    R.OWNER: "rgpd-6-1-e",
    R.PARTICIPANT: "casf-l263-4-1",
    R.BREAK_GLASS: "rgpd-6-1-d",  # Vital interests.
    R.MANDATE: "rgpd-39",
    R.TERRITORY: "rgpd-6-1-e",
}
"""A share has its own. What the coordinator and the data-protection officer do rests on their role's."""
BASIS_OF_ROLE: Mapping[Role, str] = {Role.COORDINATOR: "casf-l121-6-2", Role.DPO: "rgpd-39"}


def lines_for(action: Action, capacity: Capacity) -> tuple[Line, ...]:
    return _BY_PLACE.get((action, capacity), ())


_BY_PLACE: Mapping[tuple[Action, Capacity], tuple[Line, ...]] = {
    (action, capacity): tuple(line for line in TABLE if action in line.actions and capacity in line.capacities)
    for action in Action
    for capacity in sorted(EVERYBODY)
}
