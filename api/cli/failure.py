"""How a command fails: one line on the error output, and a status that a script can test."""

import sys
from enum import IntEnum

from api.cli.language import say


class Status(IntEnum):
    """Exit statuses of every command."""

    OK = 0
    FAILED = 1
    """It could not be done; or a check found a fault."""
    USAGE = 2
    """The command line itself is wrong."""
    PARTIAL = 3
    """Done, but some lines were refused."""
    INTERRUPTED = 130
    TERMINATED = 143


class Failure(Exception):  # noqa: N818 (a refusal, not a bug)
    """Ends the command. The message names the file, the field or the line; never personal data."""

    def __init__(self, fr: str, en: str, status: Status = Status.FAILED) -> None:
        super().__init__(say(fr, en))
        self.status = status


def tell(message: str) -> None:
    """One line, whatever the message holds."""
    line = " ".join(message.split())
    print(f"unisson: {line}", file=sys.stderr)
