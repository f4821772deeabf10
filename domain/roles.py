"""What a person may be, within one agency or for a whole territory: memberships, which are events, give and end it."""

from enum import StrEnum


class Role(StrEnum):
    WORKER = "worker"
    CARE_WORKER = "care_worker"  # Bound by medical secrecy: may open health content of its own agency.
    LEAD = "lead"  # Answers for an agency: approves its members and their roles.
    COORDINATOR = "coordinator"  # Named for a territory (CASF L.121-6-2).
    STEERING = "steering"  # Sits in the steering committee: published figures only.
    DPO = "dpo"  # Data-protection officer.
    INTEGRITY_AUDITOR = "integrity_auditor"  # Proofs and ciphertext; opens nothing.
    STATISTICS_AUDITOR = "statistics_auditor"
    CASE_AUDITOR = "case_auditor"  # Named pathways, for a time, under a mandate.
    OPERATOR = "operator"  # Runs the installation.


OF_AN_AGENCY = frozenset({Role.WORKER, Role.CARE_WORKER, Role.LEAD})
OF_A_TERRITORY = frozenset(Role) - OF_AN_AGENCY
