"""Names that rules may use besides the types of facts: declared groups, and the facts of a pathway's own life."""

from collections.abc import Mapping

GROUPS: Mapping[str, tuple[str, ...]] = {
    "contact_events": ("contact", "appointment", "interview", "visit", "call"),
    "intervention_events": (
        "diagnosis",
        "referral",
        "referral_ack",
        "relocation",
        "training",
        "accompaniment",
        "appointment",
        "contact",
        "contract",
        "engagement_contract",
        "orientation",
        "handover",
        "review",
        "evaluation",
        "summary",
    ),
}
"""A rules file may declare more, or its own version of these."""

OPENED = "opened"
CLOSED = "closed"
REOPENED = "reopened"
SUSPENSION = "suspension"

LIFE = frozenset({OPENED, CLOSED, REOPENED, SUSPENSION})

_SPELLINGS = {
    OPENED: ("opened", "opening"),
    CLOSED: ("closed", "closing", "closure"),
    REOPENED: ("reopened", "reopening"),
    SUSPENSION: ("suspension", "suspended"),
}
LIFE_TYPES: Mapping[str, str] = {
    spelling: canonical
    for canonical, words in _SPELLINGS.items()
    for word in words
    for spelling in (word, f"pathway_{word}", f"pathway.{word}", f"pathway-{word}")
}


def canonical_type(name: str) -> str:
    """One name for each type: the facts of a pathway's life have several accepted spellings."""
    return LIFE_TYPES.get(name, name)
