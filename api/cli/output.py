"""What commands take and print alike: territory, agency, lines for people, JSON for programs."""

import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import msgspec
from cyclopts import Parameter

from api.cli.language import say

TERRITORY = r"[A-Z]{2}-[A-Z0-9]{1,12}"
AGENCY = r"[a-z0-9][a-z0-9-]{1,62}"
AGENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def _written_like(pattern: str) -> Callable[[type, str | None], None]:
    """Of an option that was not given there is nothing to say."""

    def check(_type: type, value: str | None) -> None:
        if value is not None and not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(say(f"doit s'écrire {pattern}", f"must be written {pattern}"))

    return check


Json: TypeAlias = Annotated[
    bool, Parameter(name="--json", negative="", help=say("Pour un programme : du JSON.", "For a program: JSON."))
]
Territory: TypeAlias = Annotated[
    str,
    Parameter(
        name="--territory",
        validator=_written_like(TERRITORY),
        help=say("Code du territoire, par exemple FR-34.", "Territory code, for example FR-34."),
    ),
]
Agency: TypeAlias = Annotated[
    str,
    Parameter(
        name="--agency",
        validator=_written_like(AGENCY),
        help=say("Nom court du service, par exemple ccas-sete.", "An agency's short name, for example ccas-sete."),
    ),
]
Agent: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--agent",
        validator=_written_like(AGENT),
        help=say("Pseudonyme de la personne qui agit, jamais son nom.", "Pseudonym of who acts, never a name."),
    ),
]


def write_json(value: Any) -> None:
    """One object on one line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def write_line(text: str = "") -> None:
    sys.stdout.write(text + "\n")
