"""How a command fails: one line on the error output, and a status that a script can test."""

import sys
import traceback
from enum import IntEnum
from pathlib import Path

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


class Failure(Exception):
    """Ends the command. The message names the file, the field or the line; never personal data."""

    def __init__(self, fr: str, en: str, status: Status = Status.FAILED) -> None:
        super().__init__(say(fr, en))
        self.status = status


def tell(message: str) -> None:
    """One line, whatever the message holds."""
    line = " ".join(message.split())
    print(f"unisson: {line}", file=sys.stderr)


def tell_bug(error: Exception) -> None:
    """One line with where it happened; never the message, which may quote a person's data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__}, {Path(frame.filename).name}:{frame.lineno}"
    tell(say(f"erreur interne ({place}) : signalez-la", f"internal error ({place}): please report it"))
