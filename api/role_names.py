"""Roles of people as the API writes them."""

from typing import Literal, TypeAlias

# Spelt out, so that the description of the API holds no second component called Role: alerts have one of their own.
RoleName: TypeAlias = Literal[
    "worker",
    "care_worker",
    "lead",
    "coordinator",
    "steering",
    "dpo",
    "integrity_auditor",
    "statistics_auditor",
    "case_auditor",
    "operator",
]
