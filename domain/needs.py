"""Needs: what diagnoses found and other interventions answer. A need is active, replaced or withdrawn."""

from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import DomainError
from domain.pathway import UnknownEntry
from domain.themes import family_of

if TYPE_CHECKING:
    from domain.ledger import Current
    from domain.pathway import Pathway

ACTIVE, REPLACED, WITHDRAWN = "active", "replaced", "withdrawn"


def need_attrs(theme: str, kind: str) -> dict[str, str | list[str]]:
    return {"needs": [kind], "theme": theme, "family": family_of(theme), "kind": kind}


def find_active_need(pathway: "Pathway", need_id: UUID, field: str) -> "Current":
    """Raises UnknownEntry, NeedNotActive."""
    need = pathway.find(need_id, "diagnosis")
    if "theme" not in need.attrs:  # A diagnosis that found no need.
        raise UnknownEntry(field=field)
    if need.attrs["status"] != ACTIVE:
        raise NeedNotActive(field=field)
    return need


class NeedNotActive(DomainError):
    """This need was withdrawn or replaced."""

    code = "need_not_active"
    title_fr = "Ce besoin a été retiré ou remplacé."
