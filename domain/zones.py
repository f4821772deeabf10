"""Zones: where a person lives, as an INSEE commune code or a territory code."""

from typing import Annotated

import msgspec

Zone = Annotated[
    str,
    msgspec.Meta(
        pattern="^([013-8][0-9]{4}|2[AB0-9][0-9]{3}|9[0-9]{4}|[A-Z]{2}-[A-Z0-9]{1,12})$(?!\\n)",
        description="An INSEE commune code (34172, 2A004, 97411) or a territory (FR-34).",
    ),
]


def department_of(zone: str) -> str:
    """The department of a commune, written as a territory; a territory code is returned as it is."""
    if "-" in zone:
        return zone
    return f"FR-{zone[:3] if zone.startswith(('97', '98')) else zone[:2]}"


def changes_territory(from_zone: str, to_zone: str) -> bool:
    """Whether moving from one to the other changes the department, hence who is in charge."""
    return department_of(from_zone) != department_of(to_zone)
