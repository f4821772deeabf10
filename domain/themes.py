"""Themes: what a need, a referral or a training is about, from a versioned reference list (domain.themes_v1).

A health theme names a health condition: it is sealed with the health key, and facts hold its family only.
"""

from typing import Annotated

import msgspec

from domain import themes_v1
from domain.errors import DomainError

Theme = Annotated[
    str,
    msgspec.Meta(
        max_length=120,
        pattern="^[a-z0-9-]+--[a-z0-9-]+$(?!\\n)",
        description="A need of the data·inclusion list, such as se-former--trouver-sa-formation.",
    ),
]
THEME_LIST = themes_v1.LIST
"""The list in force; stored with each theme."""
HEALTH_FAMILY = "sante"
KIND_OF_NEED = {"equipement-et-alimentation--alimentation": "food"}
"""Needs whose coarse kind is not that of their family."""


def must_be_known(theme: str, field: str = "/theme") -> None:
    if theme not in themes_v1.NEEDS:
        raise UnknownTheme(field=field)


def family_of(theme: str) -> str:
    return theme.partition("--")[0]


def kind_of(theme: str) -> str:
    """The coarse kind that rules speak of: training, housing, employment, health..."""
    return KIND_OF_NEED.get(theme) or themes_v1.FAMILIES[family_of(theme)][2]


def public_theme(theme: str) -> tuple[str, str | None]:
    """(the theme as facts may hold it, the full code when it is a health theme)."""
    family = family_of(theme)
    return (family, theme) if family == HEALTH_FAMILY else (theme, None)


class UnknownTheme(DomainError):
    """This theme is not in the reference list."""

    code = "unknown_theme"
    status = 422
    title_fr = "Ce thème ne figure pas dans la liste de référence."
